"""A diffusers pipeline made ready for training, and put back exactly as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from diffusers import DDPMScheduler
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name
from torch.nn.attention import SDPBackend, sdpa_kernel

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import PromptDecoder
from persongen_bench.core.stack import Stack
from persongen_bench.methods._drawing import required_role

NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")


def trainable_decoder(stack: Stack, method: str) -> PromptDecoder:
    """The stack's decoder; raises `ConfigError` for one without a text-to-image pipeline."""
    decoder = required_role(stack, "decoder", "train")
    if isinstance(decoder, PromptDecoder) and hasattr(decoder.pipeline, "unet"):
        return decoder
    raise ConfigError(
        f"{method} trains a text-to-image model, and the decoder of stack {stack.name} is none",
        fix="Use a stack with a Stable Diffusion pipeline, such as sandbox.",
    )


@contextmanager
def frozen(pipeline: Any) -> Iterator[None]:  # noqa: ANN401  # a diffusers pipeline
    """No weight takes a gradient and the IP-Adapter is off; afterwards all is as before.

    Weights, modules, modes and flags come back bit for bit and object for object, also after an
    error.
    """
    parts = (getattr(pipeline, name, None) for name in NETWORKS)
    networks = [network for network in parts if network is not None]
    modes = [(module, module.training) for network in networks for module in network.modules()]
    flags = [(p, p.requires_grad) for network in networks for p in network.parameters()]
    try:
        for network in networks:
            network.requires_grad_(False).eval()
        with _without_image_prompts(pipeline.unet):
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@contextmanager
def _without_image_prompts(unet: Any) -> Iterator[None]:  # noqa: ANN401  # a diffusers model
    if unet.config.encoder_hid_dim_type != "ip_image_proj":
        yield
        return
    processors, projection = unet.attn_processors, unet.encoder_hid_proj
    plain: Any = AttnProcessor2_0
    try:
        unet.set_attn_processor(plain())
        unet.encoder_hid_proj, unet.config.encoder_hid_dim_type = None, None
        yield
    finally:
        unet.set_attn_processor(dict(processors))
        unet.encoder_hid_proj, unet.config.encoder_hid_dim_type = projection, "ip_image_proj"


@dataclass(frozen=True)
class Text:
    """Prompts as the denoiser reads them, one per row."""

    hidden: Tensor
    """``(b, n tokens, width)``"""
    pooled: Tensor | None = None
    """``(b, width)`` of the second text encoder; None where there is one encoder."""

    @classmethod
    def joined(cls, texts: Sequence[Text]) -> Text:
        """The rows of all ``texts``."""
        pooled = [text.pooled for text in texts if text.pooled is not None]
        hidden = torch.cat([text.hidden for text in texts])
        return cls(hidden, torch.cat(pooled) if pooled else None)


@dataclass(frozen=True)
class Denoiser:
    """The network, the noise schedule and the loss of a pipeline."""

    pipeline: Any
    half: bool = False
    """Work in bfloat16 where the network's weights are float32."""

    @cached_property
    def device(self) -> torch.device:
        """Where the network lives; the library looks through all its modules to find out."""
        device: torch.device = self.pipeline.unet.device
        return device

    @cached_property
    def dtype(self) -> torch.dtype:
        """Precision of the network's weights."""
        dtype: torch.dtype = self.pipeline.unet.dtype
        return dtype

    @property
    def size(self) -> int:
        """Side of the images the pipeline was made for, in pixels."""
        return int(self.pipeline.unet.config.sample_size * self.pipeline.vae_scale_factor)

    @cached_property
    def schedule(self) -> Any:  # noqa: ANN401  # a diffusers scheduler
        """The forward process that the pipeline's own scheduler inverts."""
        forward: Any = DDPMScheduler
        return forward.from_config(self.pipeline.scheduler.config)

    @property
    def n_timesteps(self) -> int:
        """Steps of the forward process."""
        return int(self.schedule.config.num_train_timesteps)

    def encode_texts(self, prompts: Sequence[str]) -> Text:
        """Prompts through the pipeline's text encoders."""
        encoded = self.pipeline.encode_prompt(
            prompt=list(prompts),
            device=self.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
        return Text(encoded[0], encoded[2] if len(encoded) == 4 else None)

    def loss(self, latents: Tensor, noise: Tensor, times: Tensor, text: Text) -> Tensor:
        """Mean squared error of the prediction, a scalar.

        ``latents, noise``: float32 ``(b, c, h, w)``; ``times``: int64 ``(b,)``; b texts. The
        target is the noise, the velocity or the latents, as the scheduler is configured.
        """
        return self.losses(1, latents, noise, times, text)[0]

    def losses(
        self, n_users: int, latents: Tensor, noise: Tensor, times: Tensor, text: Text
    ) -> Tensor:
        """`loss` of each of ``n_users`` users, whose rows come user by user, as many of each."""
        predicted, target = self.predict(self.pipeline.unet, latents, noise, times, text)
        squares = F.mse_loss(predicted, target, reduction="none")
        return squares.view(n_users, -1).mean(dim=1)

    def predict(
        self,
        unet: Any,  # noqa: ANN401  # a diffusers model
        latents: Tensor,
        noise: Tensor,
        times: Tensor,
        text: Text,
    ) -> tuple[Tensor, Tensor]:
        """What ``unet`` says and what it should say, float32 ``(b, c, h, w)`` both; see `loss`."""
        noisy = self.schedule.add_noise(latents, noise, times)
        with self._arithmetic():
            predicted = unet(
                noisy.to(self.dtype),
                times,
                text.hidden.to(self.dtype),
                added_cond_kwargs=self._added(text),
            ).sample
        return predicted.float(), self._target(latents, noise, times)

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        """Autocast where the network or the training is in half precision."""
        lower = torch.bfloat16 if self.half and self.dtype == torch.float32 else self.dtype
        with ExitStack() as stack:
            stack.enter_context(
                torch.autocast(self.device.type, lower, enabled=lower != torch.float32)
            )
            if self.device.type == "cpu" and lower == torch.bfloat16:
                # The backward pass of torch's fused attention takes four times as long there.
                stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            yield

    def _target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        kind = self.schedule.config.prediction_type
        if kind == "v_prediction":
            velocity: Tensor = self.schedule.get_velocity(latents, noise, times)
            return velocity
        return {"epsilon": noise, "sample": latents}[kind]

    def _added(self, text: Text) -> dict[str, Tensor]:
        """Size and pooled text, where the network takes them (SDXL): whole, uncropped images."""
        if text.pooled is None:
            return {}
        size = float(self.size)
        ids = torch.tensor([[size, size, 0.0, 0.0, size, size]], device=self.device)
        return {
            "text_embeds": text.pooled.to(self.dtype),
            "time_ids": ids.expand(len(text.pooled), -1).to(self.dtype),
        }
