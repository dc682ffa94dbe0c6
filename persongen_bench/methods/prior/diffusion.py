"""The forward process, its reversals, and what a network predicts of a noisy embedding."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any, NamedTuple

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from persongen_bench.methods.prior.config import Prediction, PriorConfig


def noise_schedule(config: PriorConfig) -> Any:  # noqa: ANN401  # diffusers is untyped
    """The forward process and its ancestral reverse."""
    schedule = {"beta_schedule": config.beta_schedule}
    return DDPMScheduler(**_common(config), **schedule, clip_sample=False)


def reverse_process(config: PriorConfig) -> Any:  # noqa: ANN401  # diffusers is untyped
    """The configured sampler, timesteps set; DPM keeps state, so take a new one per call."""
    if config.sampler == "ddpm":
        scheduler = noise_schedule(config)
    elif config.sampler == "ddim":
        scheduler = DDIMScheduler(**_common(config), **_betas(config), clip_sample=False)
    else:
        scheduler = DPMSolverMultistepScheduler(**_common(config), **_betas(config))
    with warnings.catch_warnings():  # the DPM scheduler calls np.array on a tensor
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        scheduler.set_timesteps(config.n_inference_steps)
    return scheduler


class Step(NamedTuple):
    """A step of a sampler: x becomes ``keep x + clean c + before c' + noise z``.

    c is the clean embedding as estimated at x, c' as it was one step earlier, z standard normal.
    """

    time: Tensor
    """int64 scalar."""
    alpha: Tensor
    """The cumulative one at that time, a scalar."""
    keep: float
    clean: float
    before: float
    noise: float


@cache
def reverse_steps(config: PriorConfig) -> tuple[Step, ...]:
    """The steps of the configured sampler, as diffusers takes them.

    All its samplers are linear in x, c, c' and z, so that its own scheduler tells the factors when
    it is fed with units: large ones, beside which rounding the noise does not count.
    """
    scheduler, steps = reverse_process(config), []
    unit = 2.0**20
    x, now, last = unit * torch.eye(3)[:, None]
    nothing = torch.zeros_like(x)
    for time in scheduler.timesteps:
        noise, alone = 0.0, nothing
        if config.sampler == "ddpm":
            alone = scheduler.step(nothing, time, nothing, generator=_seeded()).prev_sample
            noise = float(alone[0, 0] / torch.randn(x.shape, generator=_seeded())[0, 0])
        options = {"generator": _seeded()} if config.sampler == "ddpm" else {}
        made = scheduler.step(now, time, x, **options).prev_sample - alone
        keep, clean, before = (float((made * of).sum()) / unit**2 for of in (x, now, last))
        steps.append(Step(time, scheduler.alphas_cumprod[time], keep, clean, before, noise))
        now, last = last, now
    return tuple(steps)


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def target(
    schedule: Any,  # noqa: ANN401  # diffusers is untyped
    prediction: Prediction,
    clean: Tensor,
    noise: Tensor,
    time: Tensor,
) -> Tensor:
    """What the network is to predict, ``(b, E)``, of ``clean (b, E)`` under ``noise`` at ``time``.

    ``v_prediction``: ``sqrt(a) noise - sqrt(1 - a) clean`` (Salimans and Ho 2022, section 4),
    where a is the cumulative alpha of ``schedule`` at ``time (b,)``.
    """
    if prediction == "sample":
        return clean
    if prediction == "epsilon":
        return noise
    velocity: Tensor = schedule.get_velocity(clean, noise, time)
    return velocity


def clean_of(predicted: Tensor, x: Tensor, alpha: Tensor, prediction: Prediction) -> Tensor:
    """The clean embedding ``(b, E)`` that a prediction for ``x (b, E)`` stands for.

    ``alpha``: the cumulative one, of any shape that fits. It is `target` undone.
    """
    if prediction == "sample":
        return predicted
    if prediction == "epsilon":
        return (x - (1 - alpha).sqrt() * predicted) / alpha.sqrt()
    return alpha.sqrt() * x - (1 - alpha).sqrt() * predicted


def to_clean(predicted: Tensor, x: Tensor, alpha: Tensor, config: PriorConfig) -> Tensor:
    """`clean_of` the configured prediction, clipped if asked.

    Guiding a prediction and guiding the clean embedding are the same, for one is linear in the
    other.
    """
    clean = clean_of(predicted, x, alpha, config.prediction)
    if config.clip_range is None:
        return clean
    return clean.clamp(-config.clip_range, config.clip_range)


def _common(config: PriorConfig) -> dict[str, Any]:
    return {
        "num_train_timesteps": config.n_timesteps,
        "prediction_type": "sample",
        "timestep_spacing": "trailing",
    }


def _betas(config: PriorConfig) -> dict[str, Any]:
    """The noise schedule for the samplers that do not know all of its names."""
    if config.beta_schedule == "laplace":
        return {"trained_betas": noise_schedule(config).betas.numpy()}
    return {"beta_schedule": config.beta_schedule}
