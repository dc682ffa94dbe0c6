"""Metrics: pure functions with a card and a signature, in rooms by what they measure.

Those that need arrays alone are functions here, `fid(generated, reference)`; see `functions`. They
are loaded when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persongen_bench.metrics.functions import (
        cmmd,
        copy_rate,
        diversity,
        fd,
        fd_infinity,
        fid,
        kid,
        lpips,
        lpips_diversity,
        mean_cosine,
        ms_ssim,
        novelty,
        precision_recall,
        psnr,
        ssim,
        vendi,
    )

__all__ = [
    "cmmd",
    "copy_rate",
    "diversity",
    "fd",
    "fd_infinity",
    "fid",
    "kid",
    "lpips",
    "lpips_diversity",
    "mean_cosine",
    "ms_ssim",
    "novelty",
    "precision_recall",
    "psnr",
    "ssim",
    "vendi",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # the functions differ
    """A function of `functions`; `AttributeError` for any other name."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.functions"), name)
