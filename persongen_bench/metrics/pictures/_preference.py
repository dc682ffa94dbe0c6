"""What HPSv2 and PickScore share: the cosine of every image with a text, the same or its own."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import build_signature, parse_choice
from persongen_bench.metrics._space import rows_by_unit, unit_rows

Words = Literal["empty", "generic", "prompt"]
WORDS: tuple[Words, ...] = get_args(Words)
EMPTY = "."
"""What REBECA's code gives for an empty prompt (the tokeniser dislikes an empty text)."""
GENERIC = (
    "Realistic image, finely detailed, with balanced composition and harmonious elements."
)  # fmt: skip
"""The generic prompt of REBECA, paper 001, sec. 4.4 ("Aesthetics and Overall Quality")."""
FIXED: dict[str, str] = {"empty": EMPTY, "generic": GENERIC}
"""Texts that are the same for every image; ``prompt`` is the request's instruction."""
SHOWS_NOT = (
    "Taste: it is the preference of a crowd. Without the request's own text it says little about "
    "the method: for the empty text all generators tie (paper 001, appendix K)."
)


def parse_words(name: str, argument: str | None) -> Words:
    """One of `WORDS`; there is no default, since the three answer three questions."""
    return parse_choice(name, argument, WORDS, "a text")


def paired_cosines(images: Embeddings, texts: Embeddings) -> Float[np.ndarray, " n"]:
    """Cosine of image i and text i, float64 in [-1, 1]; a single text goes with every image.

    Not multiplied by the model's logit scale, and not by 100.
    """
    return np.asarray((unit_rows(images) * unit_rows(texts)).sum(axis=1).clip(-1.0, 1.0))


def text_scores(context: ScoreContext, role: str, words: Words) -> Float[np.ndarray, " n"]:
    """One cosine per sample in the space of ``role``; NaN for samples without a text."""
    images = context.features(role)
    if words != "prompt":
        return paired_cosines(images, context.text_features(role, [FIXED[words]]))
    scores = np.full(len(images), np.nan)
    asked = [context.instructions.get(str(sample)) for sample in context.samples["sample_id"]]
    rows = [row for row, text in enumerate(asked) if text]
    if rows:
        texts = context.text_features(role, [str(asked[row]) for row in rows])
        scores[rows] = paired_cosines(images[rows], texts)
    return scores


def mean_where_scored(context: ScoreContext, scores: Float[np.ndarray, " n"]) -> pd.Series:
    """Mean over each unit's samples that have a score; NaN for units without one."""
    means = {}
    for unit, rows in rows_by_unit(context):
        own = scores[rows][~np.isnan(scores[rows])]
        means[unit] = float(own.mean()) if len(own) else np.nan
    return pd.Series(means, dtype=float)


def text_details(words: Words) -> str:
    """Part of a signature."""
    said = FIXED.get(words, "the request's instruction")
    return f"text:{words}({said})|sim:cosine|scale:raw"


class OfPreference:
    """Base of both: mean cosine with the text that the argument names, in the metric's role."""

    info: MetricInfo
    words: Words

    def signature(self, context: ScoreContext) -> str:
        """Names the model and the text."""
        return build_signature(self.info, context, text_details(self.words), 1)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean cosine of each unit's images that have a text; NaN for units without one."""
        return mean_where_scored(context, text_scores(context, self.info.roles[0], self.words))
