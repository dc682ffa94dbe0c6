"""Prompt-free: pictures a user will like, from the history alone and an empty prompt."""

from __future__ import annotations

from typing import final

from persongen_bench.tracks._likes import PicturesToLike


@final
class PromptFree(PicturesToLike):
    """User => images, nothing else is said (REBECA, paper 001, sec. 4)."""
