"""Options that the data sets of the reference track share."""

from __future__ import annotations

from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig

WINDOW = 6
"""Items of a window: five of history and the one that came next (Pigeon, paper 003, 3.1.1)."""


class ReferenceConfig(BaseConfig):
    """What is held out and asked for."""

    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of every user's likes that is held out, the last ones; at least one."""
    least_likes: int = Field(default=WINDOW, ge=2)
    """Users with fewer likes are trained on only (Pigeon: 6, a window)."""
    requests_per_user: int = Field(default=0, ge=0)
    """At most so many requests a user, for their first held-out likes; 0: one for each."""
    seed: int = Field(default=0, ge=0)
    """Seed of what the data set draws itself: pseudo-users, sampled dislikes, subsets."""
