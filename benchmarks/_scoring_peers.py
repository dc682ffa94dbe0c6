"""What libraries make of the encodings and pictures that `scoring.py` hands them, and how long.

torchmetrics' FID, and KID at its usual 100 subsets of at most 1,000; LPIPS as torch's squared
differences of the trunk's weighted vectors; pytorch-msssim for SSIM and MS-SSIM, window 11, sigma
1.5, range 255, in float32 and in blocks of 64 pairs (its own ``ms_ssim`` refuses small sides, so
that its parts are put together here for three scales). Pairwise libraries are timed on some of the
people and scaled up by the number of pairs. Values are compared to .1%, KID's for one subset of
all: the program ends where they differ.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.metric import Metric
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.score import unit_values
from persongen_bench.metrics._compared import compared
from persongen_bench.metrics.functions import fid, kid
from persongen_bench.metrics.similarity._ssim import WEIGHTS

Compare: TypeAlias = Callable[[list[int], list[str]], float]


class Given(nn.Module):
    """What torchmetrics calls with features in place of pictures."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.num_features = size

    def forward(self, features: Tensor) -> Tensor:
        """The same features."""
        return features


def by_torchmetrics(seen: Evaluation, role: str, *, kernel: bool) -> float:
    """CPU seconds of torchmetrics' FID or KID on the encodings; its value must be ours."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

    sets = compared(seen, role)
    fake, real = (torch.from_numpy(np.array(part)) for part in (sets.generated, sets.reference))
    least = min(len(fake), len(real))
    start = time.process_time()
    metric: Any = (
        KernelInceptionDistance(feature=Given(fake.shape[1]), subset_size=min(1000, least))
        if kernel
        else FrechetInceptionDistance(feature=Given(fake.shape[1]))
    )
    metric.update(real, real=True)
    metric.update(fake, real=False)
    found = metric.compute()
    spent = time.process_time() - start
    if kernel:
        first, second = fake[:least].double(), real[:least].double()
        must_equal(kid(first.numpy(), second.numpy()), float(poly_mmd(second, first)), role)
    else:
        must_equal(fid(sets.generated, sets.reference), float(found), role)
    return spent


def must_equal(ours: float, theirs: float, name: str) -> None:
    """End the program where the two sides do not compute the same."""
    if not np.isclose(ours, theirs, rtol=1e-3, atol=1e-5):
        raise SystemExit(f"{name}: {ours} here, {theirs} in the library")


def by_pairs(compare: Compare, seen: Evaluation, target: str, values: pd.Series, n: int) -> float:
    """CPU seconds for all users of a library, measured on ``n``, whose values must be ours.

    ``compare`` takes the rows of a user's images and the ids of the targets, and gives the mean.
    """
    histories = {request.user_id: request.history for request in seen.requests.values()}
    sets = {"history": histories, "held-out": seen.test.liked_items}[target]
    rows = {str(u): list(own) for u, own in seen.samples.groupby("user_id").indices.items()}
    weights = {user: len(own) * len(sets.get(user, ())) for user, own in rows.items()}
    chosen = [user for user, weight in weights.items() if weight][:n]
    spent = 0.0
    for user in chosen:
        start = time.process_time()
        with torch.inference_mode():
            found = compare([int(row) for row in rows[user]], list(sets[user]))
        spent += time.process_time() - start
        must_equal(float(values[user]), found, f"{target} of {user}")
    return spent * sum(weights.values()) / max(1, sum(weights[user] for user in chosen))


def structural(seen: Evaluation, n_scales: int | None) -> Compare:
    """Mean SSIM, or MS-SSIM, of all pairs by pytorch-msssim."""
    ssim_lib = importlib.import_module("pytorch_msssim.ssim")
    window = ssim_lib._fspecial_gauss_1d(11, 1.5).repeat(3, 1, 1, 1)  # noqa: SLF001
    weights = np.array(WEIGHTS[:n_scales]) / sum(WEIGHTS[:n_scales])

    def both(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        terms: tuple[Tensor, Tensor] = ssim_lib._ssim(a, b, 255, window)  # noqa: SLF001
        return terms

    def of_block(a: Tensor, b: Tensor) -> Tensor:
        if n_scales is None:
            return both(a, b)[0].mean(1)
        product = torch.ones(a.shape[:2])
        for k, weight in enumerate(weights):
            whole, contrast = both(a, b)
            product *= torch.relu(whole if k == n_scales - 1 else contrast) ** weight
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        return product.mean(1)

    def mean(rows: list[int], items: list[str]) -> float:
        pictures, targets = seen.images(rows), seen.item_images(items)
        first, second = (torch.from_numpy(np.stack(part)).float() for part in (pictures, targets))
        pairs = torch.cartesian_prod(torch.arange(len(first)), torch.arange(len(second)))
        parts = [of_block(first[part[:, 0]], second[part[:, 1]]) for part in torch.split(pairs, 64)]
        return float(torch.cat(parts).mean())

    return mean


def distances(seen: Evaluation, role: str) -> Compare:
    """Mean LPIPS of all pairs, from the trunk's weighted vectors."""

    def mean(rows: list[int], items: list[str]) -> float:
        images, targets = seen.features(role, rows), seen.item_features(role, items)
        first, second = (torch.from_numpy(np.array(part)) for part in (images, targets))
        return float(torch.stack([(second - one).square().sum(1).mean() for one in first]).mean())

    return mean


def by_library(metric: Metric, seen: Evaluation, n_users: int) -> float | None:
    """CPU seconds of a metric through its library, encodings given; None where there is none."""
    name, _, argument = metric.info.name.partition("@")
    if name in ("fid", "kid"):
        return by_torchmetrics(seen, metric.info.roles[0], kernel=name == "kid")
    target, _, scales = argument.partition(":")
    if name in ("ssim", "ms-ssim") and target in ("history", "held-out"):
        compare = structural(seen, int(scales or 5) if name == "ms-ssim" else None)
    elif name in ("lpips", "lpips-vgg") and target in ("history", "held-out"):
        compare = distances(seen, metric.info.roles[0])
    else:
        return None
    return by_pairs(compare, seen, target, unit_values(metric, seen), n_users)
