"""Time and quality of the verifiers on a data set in the shape of FLICKR-AES.

Run ``python benchmarks/verifier.py`` on an idle machine; one thread computes, so that the wall time
is then the processor time, which is printed too. The data are simulated: 210 users, 200 ratings
each, five raters per image (8,400 images), 1024-d embeddings, leniency and quality of sd 1.5 on the
logit scale, taste of sd 1. A fast preset is timed over all a scoring needs of it: trained on all
ratings, trained five more times for the predictions of unseen images, its AUCs and its calibration
computed, and 25 images per user scored for every user.

The published full-batch recipe is timed per epoch. How many epochs it took is not published; a
parameter moves by at most the learning rate of 5e-6 per epoch (Adam), and the projection's weights
start at up to 0.03, so 10,000 epochs are the least that could change them much.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.special import expit

from persongen_bench import stats
from persongen_bench.instruments.controls.c07_no_taste_verifier import (
    Raters,
    RatersConfig,
    simulate,
)
from persongen_bench.metrics._verifier.concordance import pair_sums, pooled_auc
from persongen_bench.metrics._verifier.config import PRESETS
from persongen_bench.metrics._verifier.crossfit import predict_held_out
from persongen_bench.metrics._verifier.scoring import logits
from persongen_bench.metrics._verifier.training import fit
from persongen_bench.metrics.taste.calibration import brier, ece
from persongen_bench.metrics.taste.taste_auc import taste_auc

TARGET = 60.0
"""Seconds for a fast preset."""
N_IMAGES = 25
EPOCHS = 10_000
"""Assumed length of the published training."""


def fast(raters: Raters, model: str) -> float:
    """Time and figures of a fast preset; returns the seconds."""
    start, busy = time.perf_counter(), time.process_time()
    fitted = fit(raters.embeddings, raters.ratings, PRESETS[model])
    trained = time.perf_counter()
    predicted = predict_held_out(raters.embeddings, raters.ratings, PRESETS[model])
    rated, chances = predicted.ratings, expit(predicted.logit)
    pooled, _ = pooled_auc(predicted.logit, rated.liked, rated.user, predicted.fold)
    n_users = len(rated.users)
    within = pair_sums(predicted.logit, rated.liked, rated.user, n_users).auc
    taste = stats.interval(taste_auc(predicted), np.random.default_rng(0), bounds=(0.0, 1.0))
    by_user = [rated.user == k for k in range(n_users)]
    errors = [ece(chances[rows], rated.liked[rows]) for rows in by_user]
    squares = [brier(chances[rows], rated.liked[rows]) for rows in by_user]
    evaluated = time.perf_counter()
    n = n_users * N_IMAGES
    logits(fitted.weights, np.resize(raters.embeddings, (n, raters.embeddings.shape[1])))
    scored = time.perf_counter()
    print(
        f"{model:12s} train {trained - start:5.1f} s ({len(fitted.losses)} epochs)   "
        f"evaluate {evaluated - trained:5.1f} s   score {n} x {n_users} "
        f"{scored - evaluated:4.1f} s   total {scored - start:5.1f} s "
        f"(processor {time.process_time() - busy:.1f} s)\n"
        f"{'':12s} pooled AUC {pooled:.3f}   within-user AUC {np.nanmean(within):.3f}   "
        f"taste AUC {taste.mean:.3f} [{taste.low:.3f}, {taste.high:.3f}]   "
        f"ECE {np.mean(errors):.3f}   Brier {np.mean(squares):.3f}"
    )
    return scored - start


def published(raters: Raters, n_epochs: int) -> None:
    """Time per epoch of the published recipe."""
    times: list[float] = []
    losses: tuple[float, ...] = ()
    for epochs in (1, 1 + n_epochs):
        config = PRESETS["neumf-paper"].model_copy(update={"max_epochs": epochs})
        start = time.perf_counter()
        losses = fit(raters.embeddings, raters.ratings, config).losses
        times.append(time.perf_counter() - start)
    each = (times[1] - times[0]) / n_epochs
    print(
        f"neumf-paper  {each:.2f} s/epoch (full batch, {n_epochs} epochs timed), validation loss "
        f"{losses[0]:.5f} => {losses[-1]:.5f}; {EPOCHS} epochs take {each * EPOCHS / 3600:.1f} h"
    )


def main() -> None:
    """Print times and figures; exit status 1 if a fast preset misses its target."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--users", type=int, default=210)
    parser.add_argument("--ratings", type=int, default=200, help="per user")
    parser.add_argument("--embedding-size", type=int, default=1024)
    parser.add_argument("--taste", type=float, default=1.0, help="sd on the logit scale")
    parser.add_argument("--epochs", type=int, default=5, help="of the published recipe; 0: none")
    options = parser.parse_args()
    config = RatersConfig(
        n_users=options.users,
        per_user=options.ratings,
        embedding_size=options.embedding_size,
        taste_sd=options.taste,
    )
    raters = simulate(config, np.random.default_rng(0))
    print(
        f"{len(raters.ratings)} ratings of {len(raters.embeddings)} images by {options.users} "
        f"users, {raters.ratings.liked.mean():.0%} likes, {options.embedding_size}-d embeddings"
    )
    times = [fast(raters, model) for model in ("no-taste", "mf", "neumf")]
    if options.epochs:
        published(raters, options.epochs)
    met = max(times) < TARGET
    print(f"target: each fast preset below {TARGET:.0f} s: {'met' if met else 'MISSED'}")
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
