"""C7: a verifier without taste looks as good as a real one, except by its taste AUC.

Simulated raters: ``logit P(u likes i) = leniency_u + quality_i + taste_u . attributes_i``, five
raters per image. In a world without the last term both verifiers have the same pooled AUC, high
enough to be printed, and a taste AUC of 1/2; in a world with it, the real one alone rises above.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from persongen_bench import stats
from persongen_bench.core.ratings import Ratings
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.metrics._verifier.concordance import pooled_auc
from persongen_bench.metrics._verifier.config import PRESETS
from persongen_bench.metrics._verifier.crossfit import predict_held_out
from persongen_bench.metrics.taste.taste_auc import taste_auc

HIGH = 0.75
"""Pooled AUC that a verifier without taste has to reach."""
CLOSE = 0.02
"""Largest difference of pooled AUCs between the two in a world without taste."""
SLACK = 0.01
"""Beside the interval of a taste AUC: leniencies are estimated."""
VERIFIERS = ("no-taste", "mf")


@dataclass(frozen=True)
class RatersConfig:
    """A simulated data set in the shape of FLICKR-AES; sds on the logit scale."""

    n_users: int = 210
    per_user: int = 200
    """Ratings per user, up to rounding."""
    raters: int = 5
    """Raters per image; the number of images follows."""
    embedding_size: int = 64
    n_factors: int = 16
    """Attributes that quality and taste depend on; the embedding shows them, with noise."""
    leniency_sd: float = 1.5
    quality_sd: float = 1.5
    taste_sd: float = 0.0
    mean: float = -1.0
    """Mean logit: about a third of the ratings are likes."""
    noise: float = 0.5
    """Standard deviation of the embedding's noise, in units of its signal's."""


@dataclass(frozen=True)
class Raters:
    """Ratings with the embeddings of their images and the truth behind them."""

    ratings: Ratings
    embeddings: Float[np.ndarray, "items d"]
    logits: Float[np.ndarray, "items users"]
    """True logit of everybody for every image."""


def simulate(config: RatersConfig, rng: np.random.Generator) -> Raters:
    """Draw images, users and ratings."""
    n_items = config.n_users * config.per_user // config.raters
    attributes = rng.normal(size=(n_items, config.n_factors))
    show = rng.normal(0, config.n_factors**-0.5, (config.n_factors, config.embedding_size))
    noise = rng.normal(0, config.noise, (n_items, config.embedding_size))
    quality = rng.normal(size=config.n_factors)
    taste = rng.normal(size=(config.n_users, config.n_factors))
    weights = config.quality_sd * quality / np.linalg.norm(quality)
    weights = weights + config.taste_sd * taste / np.sqrt(config.n_factors)
    leniency = rng.normal(config.mean, config.leniency_sd, config.n_users)
    logits = attributes @ weights.T + leniency
    user = np.argsort(rng.random((n_items, config.n_users)), axis=1)[:, : config.raters].ravel()
    item = np.repeat(np.arange(n_items), config.raters)
    liked = rng.random(len(user)) < expit(logits[item, user])
    ratings = Ratings(
        tuple(f"user-{k}" for k in range(config.n_users)),
        tuple(f"item-{k}" for k in range(n_items)),
        user,
        item,
        liked.astype(np.float64),
        liked,
    )
    return Raters(ratings, (attributes @ show + noise).astype(np.float32), logits)


@dataclass(frozen=True)
class VerifierAucs:
    """What one verifier shows on unseen images."""

    pooled: float
    taste: stats.Interval
    """Over users."""

    @property
    def knows_taste(self) -> bool:
        """Whether the taste AUC is above 1/2."""
        return self.taste.low > 0.5 + SLACK

    @property
    def knows_none(self) -> bool:
        """Whether the taste AUC cannot be told from 1/2."""
        return self.taste.low - SLACK <= 0.5 <= self.taste.high + SLACK


def examine(raters: Raters, model: str, seed: int) -> VerifierAucs:
    """Train the verifier on all folds but one, look at the others."""
    predicted = predict_held_out(raters.embeddings, raters.ratings, PRESETS[model])
    rated = predicted.ratings
    pooled, _ = pooled_auc(predicted.logit, rated.liked, rated.user, predicted.fold)
    rng = np.random.default_rng(seed)
    return VerifierAucs(pooled, stats.interval(taste_auc(predicted), rng, bounds=(0.0, 1.0)))


def run(options: ControlOptions) -> ControlResult:
    """Both verifiers in both worlds."""
    size = (60, 100) if options.quick else (100, 150)
    plain = RatersConfig(n_users=size[0], per_user=size[1])
    aucs = {}
    for taste_sd in (0.0, 1.5):
        rng = np.random.default_rng((options.seed, 7))
        raters = simulate(replace(plain, taste_sd=taste_sd), rng)
        for model in VERIFIERS:
            aucs[model, taste_sd > 0] = examine(raters, model, options.seed)
    return judge(aucs)


def judge(aucs: dict[tuple[str, bool], VerifierAucs]) -> ControlResult:
    """The verdict; keys are the verifier and whether the world has taste."""
    bare, real = (aucs[model, False] for model in VERIFIERS)
    passed = (
        bare.pooled >= HIGH
        and abs(bare.pooled - real.pooled) <= CLOSE
        and bare.knows_none
        and real.knows_none
        and aucs["no-taste", True].pooled >= HIGH
        and aucs["no-taste", True].knows_none
        and aucs["mf", True].knows_taste
    )
    figures = (
        f"{model} in a world {'with' if taste else 'without'} taste: pooled AUC {one.pooled:.3f}, "
        f"taste AUC {one.taste.mean:.3f} [{one.taste.low:.3f}, {one.taste.high:.3f}]"
        for (model, taste), one in aucs.items()
    )
    return ControlResult(
        control="C7",
        title="a verifier without taste is found out",
        passed=passed,
        measured="; ".join(figures),
        expected=f"without taste: pooled AUC of both at least {HIGH} and within {CLOSE} of each "
        f"other, taste AUC 0.5; with taste: that of mf above 0.5, that of no-taste 0.5 "
        f"(intervals +- {SLACK})",
    )
