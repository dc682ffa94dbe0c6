"""Settings of the VLM ranker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from persongen_bench.core.config import Config

Heading = Literal["Primary subject", "Artistic style", "Background"]


class VlmRankerConfig(Config):
    """Whose list is re-ranked, by whom, and how often everything is scored."""

    base: str = "content-knn"
    """Registered name of the method whose first items are re-ranked; it makes rankings. The paper
    does not say whose list its VLM re-ranks."""
    base_config: dict[str, Any] = Field(default_factory=dict)
    """Its configuration values."""
    base_preset: str = ""
    """Preset of the base that these values go before, where it has one of that name."""
    n_history: int = Field(default=5, ge=1)
    """Latest liked items that the profile is made of (H of the paper: 5)."""
    n_candidates: int = Field(default=10, ge=2)
    """First items of the base's list that are scored (M: 10); the rest follow as they stood."""
    subset_size: int = Field(default=5, ge=1)
    """Items that the judge sees at a time (k; the paper does not print it: ours)."""
    n_subsets: int = Field(default=6, ge=1)
    """Subsets that are scored (T; not printed: ours). Every item is in equally many of them, so
    that ``n_subsets x subset_size`` must be a multiple of ``n_candidates``; with fewer candidates
    than that, numbers differ by one at most."""
    items: Literal["auto", "images", "models"] = "auto"
    """``images``: items are told apart by their pictures. ``models``: by the column ``prompt`` (or
    ``caption``), the prompt of each model that users like best. ``auto``: images where the
    catalogue has pictures; say ``models`` for LoRAs that have some."""
    captions: Literal["captioner", "lmm"] = "captioner"
    """Who puts pictures into words under the four headings: the role ``captioner``, whose tags are
    sorted by ``words``, or the role ``lmm``, which is asked as in the paper."""
    words: Mapping[Heading, tuple[str, ...]] = Field(default_factory=dict)
    """Tags that belong under each heading, with ``captions=captioner``; all others are defining
    visual features."""
    judge: Literal["rubric", "llm", "lmm"] = "rubric"
    """Who scores. ``rubric``: no model, but a fixed rule that awards the rubric's points by how
    many of the history share each word of an item's caption. ``llm``: the role ``llm`` reads
    captions. ``lmm``: the role ``lmm`` sees the items' pictures, as in the paper (Pixtral-12B)."""
    max_new_tokens: int = Field(default=1024, ge=16)
    """Longest reply of a model."""

    @model_validator(mode="after")
    def _scores_everything_equally(self) -> Self:
        if self.subset_size > self.n_candidates:
            raise ValueError(
                f"subset_size={self.subset_size} is more than n_candidates={self.n_candidates}"
            )
        if (self.n_subsets * self.subset_size) % self.n_candidates:
            raise ValueError(
                f"n_subsets x subset_size = {self.n_subsets * self.subset_size} is no multiple of "
                f"n_candidates={self.n_candidates}, so that some items are scored more often"
            )
        return self


PAPER: Mapping[str, object] = {
    "n_history": 5, "n_candidates": 10, "captions": "lmm", "judge": "lmm", "base_preset": "paper",
}  # fmt: skip
"""H and M of paper 004, sec. 5.2.2, and one model that captions and scores; k, T and the base are
ours."""
SANDBOX: Mapping[str, object] = {
    "base_preset": "sandbox",
    "captions": "captioner",
    "judge": "rubric",
    "words": {
        "Primary subject": (
            "circle", "square", "triangle", "star", "heart", "cross", "crescent",
        ),
        "Artistic style": ("flat", "outline", "shaded", "pixel", "sketch"),
        "Background": ("paper", "night", "meadow", "dusk", "stripes", "checker"),
    },
}  # fmt: skip
"""The sandbox's language models cannot follow such an instruction: a fixed rule judges."""
GENERATE_FIELDS = frozenset(VlmRankerConfig.model_fields) - {"base", "base_config", "base_preset"}
"""Nothing but the base is fitted."""
