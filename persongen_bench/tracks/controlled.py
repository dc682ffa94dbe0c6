"""Controlled: sprites for people whose taste is known exactly."""

from __future__ import annotations

from typing import final

from persongen_bench.tracks._likes import PicturesToLike


@final
class Controlled(PicturesToLike):
    """User with a known taste => sprites (REBECA, paper 001, sec. 3)."""
