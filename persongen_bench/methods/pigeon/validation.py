"""Pictures for the validation windows: agreement, and the ratio for inference.

A validation window is asked as the test asks: its history, and a stranger's validation target as
the reference (sec. 3.1.1). All of it is training data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from persongen_bench.core.progress import Progress
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.methods.pigeon.config import RATIOS
from persongen_bench.methods.pigeon.studio import Studio, unit
from persongen_bench.methods.tuning.training import Facts
from persongen_bench.methods.tuning.windows import Owned, others

REFERENCES, NOISE = 6, 7
"""Purposes of seeds."""
MIDDLE = 0.5
"""Ratio at which the agreement is watched in stage 2."""


@dataclass(frozen=True)
class Gauge:
    """Validation windows with references, and how pictures for them are judged.

    Each fact is a mean cosine in the space of the role ``clip`` minus what the same pictures reach
    with the histories or references of the other windows: what anybody's would give is taken off.
    """

    studio: Studio
    owned: tuple[Owned, ...]
    references: tuple[str, ...]
    histories: Embeddings
    """``(v, d)``: mean unit row of each history."""
    wanted: Embeddings
    """``(v, d)``: unit rows of the references' words, or of their pictures where nobody has any."""
    known: dict[tuple[int, bytes], np.ndarray] = field(default_factory=dict)
    """Unit rows of pictures that were drawn before, by noise and tokens."""

    @classmethod
    def of(cls, studio: Studio, catalog: Any) -> Gauge | None:  # noqa: ANN401  # core Catalog
        """The first ``n_drawn_windows``; None where there are fewer than two users' windows."""
        owned = studio.windows.validation[: studio.config.n_drawn_windows]
        if len({o.user_id for o in owned}) < 2:
            return None
        strangers = others(owned, studio.seed + REFERENCES)
        references = tuple(owned[place].window.target for place in strangers)
        clip = studio.models.clip
        shown = sorted({item for o in owned for item in o.window.history})
        known = dict(zip(shown, unit(clip.encode(catalog.images(shown))), strict=True))
        histories = [np.mean([known[i] for i in o.window.history], axis=0) for o in owned]
        if studio.texts:
            wanted = clip.encode_texts([studio.texts[item] for item in references])
        else:
            wanted = clip.encode(catalog.images(list(references)))
        return cls(studio, tuple(owned), references, np.stack(histories), unit(wanted))

    def rows(self, ratio: float) -> Embeddings:
        """``(v, d)`` unit rows of one picture per window; the noise is that of every ratio."""
        cases = [
            self.studio.case(o, reference)
            for o, reference in zip(self.owned, self.references, strict=True)
        ]
        seeds = [int(s) for s in _seeds(self.studio.seed, len(cases))]
        settings = [self.studio.setting(ratio, seed) for seed in seeds]
        codes = self.studio.write(cases, settings, seeds)
        keys = [(seed, row.tobytes()) for seed, row in zip(seeds, codes, strict=True)]
        new = [k for k, key in enumerate(keys) if key not in self.known]
        if new:
            models = self.studio.models
            images = models.lmm.draw([codes[k] for k in new], [seeds[k] for k in new])
            drawn = unit(models.clip.encode(images))
            self.known.update((keys[k], row) for k, row in zip(new, drawn, strict=True))
        return np.stack([self.known[key] for key in keys])

    def facts(self, ratio: float = MIDDLE) -> Facts:
        """``agreement`` with the references and ``taste`` for the histories at a ratio."""
        drawn = self.rows(ratio)
        return {
            "agreement": own_minus_other(drawn @ self.wanted.T),
            "taste": own_minus_other(drawn @ self.histories.T),
        }


def own_minus_other(similarities: np.ndarray) -> float:
    """``(v, v)``: mean of the diagonal minus mean of the rest."""
    n = len(similarities)
    own = float(np.trace(similarities)) / n
    return own - (float(similarities.sum()) - own * n) / (n * (n - 1))


def choose_ratio(gauge: Gauge | None, progress: Progress) -> tuple[float, list[Facts]]:
    """The ratio of the eleven with the largest mean of taste and agreement, the lowest of equals.

    It is the paper's rule, on validation windows instead of the test, and for all requests at
    once. Without windows to judge by: `MIDDLE`.
    """
    if gauge is None:
        return MIDDLE, []
    table = [
        {"ratio": ratio, **gauge.facts(ratio)}
        for ratio in progress(RATIOS, "reference mask ratios", len(RATIOS))
    ]
    scores = [(facts["taste"] + facts["agreement"]) / 2 for facts in table]
    return RATIOS[int(np.argmax(scores))], table


@dataclass(frozen=True)
class Oracle:
    """Best of eleven by the metrics of the test, per request (sec. 3.1.4): not a fair choice."""

    clip: Any

    def best(
        self, images: Sequence[Image], history: Sequence[Image], text: str | None, reference: Image
    ) -> int:
        """Place of the picture with the largest mean of history CIS and reference CS.

        Without words: the cosine to the reference's picture takes the place of CS.
        """
        drawn = unit(self.clip.encode(images))
        wanted = self.clip.encode_texts([text]) if text else self.clip.encode([reference])
        scores = drawn @ unit(wanted)[0]
        if history:
            scores = scores + (drawn @ unit(self.clip.encode(history)).T).mean(axis=1)
        return int(np.argmax(scores))


def _seeds(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, NOISE]).integers(1 << 62, size=n)
