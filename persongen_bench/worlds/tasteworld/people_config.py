"""How tastes are made and how people rate: the settings of `people`."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from scipy.special import ndtri

from persongen_bench.core.config import Config

LIKE = 4
"""The lowest rating that is a like."""
N_RATINGS = 5


class PeopleConfig(Config):
    """How tastes are made and how people rate."""

    seed: int = Field(default=0, ge=0)
    """Seed of the whole world: people, items and ratings."""
    n_clusters: int = Field(default=8, ge=1, le=16)
    """Groups of people with something in common."""
    aesthetics_share: float = Field(default=0.15, ge=0, le=1)
    """Share of the variance of taste that everybody has in common."""
    cluster_share: float = Field(default=0.2, ge=0, le=1)
    """Share of the variance of taste that the people of a cluster have in common."""
    individual_share: float = Field(default=0.65, ge=0, le=1)
    """Share of the variance of taste that is a person's own; the three shares add up to 1."""
    interaction_share: float = Field(default=0.35, ge=0, le=1)
    """Share of the variance of each preference that no sum over single attributes explains."""
    leniency: float = Field(default=0.3, ge=0)
    """Standard deviation of leniency, where that of taste is 1."""
    noise: float = Field(default=0.7, gt=0)
    """Standard deviation of the noise of one rating, where that of taste is 1."""
    rating_shares: tuple[float, float, float, float, float] = (0.15, 0.25, 0.30, 0.20, 0.10)
    """Shares of the ratings 1 to 5 over all people and scenes, if values were normal."""
    drift_share: float = Field(default=0.2, ge=0, le=1)
    """Share of the people whose own preference changes."""
    drift: float = Field(default=0.7, ge=0, le=1)
    """How far it turns: 0 not at all, 1 by a right angle, into an uncorrelated one."""
    taste: Literal["plain", "by-content"] = "plain"
    """``plain``: what somebody likes about background and style they like with every content;
    ``by-content``: it turns into its opposite between two groups of shapes (`by_content`). The
    shares above are those before it turns."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts = (self.aesthetics_share, self.cluster_share, self.individual_share)
        if abs(sum(parts) - 1) > 1e-9:
            raise ValueError(
                "aesthetics_share, cluster_share and individual_share must add up to 1, "
                f"found {sum(parts):g}"
            )
        if min(self.rating_shares) <= 0 or abs(sum(self.rating_shares) - 1) > 1e-9:
            raise ValueError(f"rating_shares must be above 0 and add up to 1: {self.rating_shares}")
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """What tastes depend on; the setting ``taste`` only where it is not the plain one."""
        return self.model_dump(exclude={"taste"} if self.taste == "plain" else None)

    @property
    def thresholds(self) -> Float[np.ndarray, " 4"]:
        """The values above which a rating is 2, 3, 4 and 5."""
        spread = np.sqrt(1 + self.leniency**2 + self.noise**2)
        return np.asarray(spread * ndtri(np.cumsum(self.rating_shares)[:-1]))
