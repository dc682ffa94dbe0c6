"""Cold start: pictures for somebody of whom k ratings are known."""

from __future__ import annotations

from typing import final

from persongen_bench.tracks._likes import PicturesToLike


@final
class ColdStart(PicturesToLike):
    """New user with k ratings => images, where the split is cut to k (paper 001, open problems)."""
