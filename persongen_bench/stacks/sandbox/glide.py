"""The role ``pixel_decoder``: a small text-conditional diffusion model of pixels (GLIDE's kind).

The layout is that of diffusers' `IFPipeline`: a `T5EncoderModel` of its own, trained together with
the denoiser as GLIDE's text transformer is (Nichol et al. 2021, section 3), and a
`UNet2DConditionModel` that reads it the way GLIDE's does: a pooled vector is added to the embedding
of the time, the token states stand beside the keys and values of the attention. There is no
autoencoder: the diffusion is over the pixels themselves. The denoiser reads them as 8 x 8 patches,
192 numbers each, which is the same diffusion in another order of the numbers (Luhman & Luhman 2022,
"Improving diffusion model efficiency through patching"); over the full 64 x 64 grid a step of
training takes 6 to 15 times as long (docs/stacks.md).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, IFPipeline, UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel

from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.pixel_diffusion.decoder import PixelDecoder
from persongen_bench.stacks.pixel_diffusion.opening import open_if, sha256_of
from persongen_bench.stacks.quiet import quiet
from persongen_bench.stacks.sandbox import data, words
from persongen_bench.stacks.sandbox.standin_files import FIX
from persongen_bench.worlds.tasteworld.render import SIZE

PATCH = 8
TOKENS = 77
"""Tokens that `IFPipeline` pads every text to."""
WIDTH = 64
"""Of the text encoder."""
SETTINGS = DiffusionSettings(
    sampler="dpm", n_inference_steps=15, guidance_scale=3.0, rows=16, dtype="float32", device="cpu"
)
"""GLIDE's guidance; few-step sampling."""
_CHANNELS = (64, 96)


def scheduler() -> DPMSolverMultistepScheduler:
    """Linear betas, the clean picture predicted and clipped to its range; few-step solver.

    A picture of large objects is still read at a noise that hides any single pixel, so that the
    schedule spends more of its time there than GLIDE's cosine.
    """
    return DPMSolverMultistepScheduler(
        beta_start=1e-4, beta_end=0.02, beta_schedule="linear", prediction_type="sample",
        timestep_spacing="trailing", thresholding=True, sample_max_value=1.0,
    )  # fmt: skip


def text_encoder() -> T5EncoderModel:
    """The untrained text transformer, one layer; 0.1 M parameters."""
    tokenizer = words.tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=16, d_ff=2 * WIDTH, num_layers=1,
        num_heads=4, dropout_rate=0.0, feed_forward_proj="gated-gelu",
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return T5EncoderModel(config)


def denoiser() -> UNet2DConditionModel:
    """The untrained network over patches, 1.5 M parameters; it starts from a grey picture.

    `IFPipeline` expects a second half of channels, a learned variance. Ours is zero and no
    scheduler here reads it.
    """
    model = UNet2DConditionModel(
        sample_size=SIZE // PATCH, in_channels=3 * PATCH**2, out_channels=6 * PATCH**2,
        block_out_channels=_CHANNELS, layers_per_block=1, norm_num_groups=16,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", attention_head_dim=24,
        cross_attention_dim=WIDTH, encoder_hid_dim=WIDTH, encoder_hid_dim_type="text_proj",
        addition_embed_type="text", addition_embed_type_num_heads=4, time_embedding_dim=96,
        resnet_time_scale_shift="scale_shift", conv_in_kernel=1, conv_out_kernel=1,
    )  # fmt: skip
    nn.init.zeros_(model.conv_out.weight)
    nn.init.zeros_(model.conv_out.bias)
    return model


class GlideNetwork(nn.Module):
    """Text encoder and denoiser, trained as one."""

    def __init__(self) -> None:
        super().__init__()
        self.text_encoder = text_encoder()
        self.unet = denoiser().to(memory_format=torch.channels_last)

    def forward(
        self,
        noisy: Float[Tensor, "n 192 8 8"],
        time: Int[Tensor, " n"],
        tokens: Int[Tensor, "n t"],
        mask: Int[Tensor, "n t"],
    ) -> Float[Tensor, "n 192 8 8"]:
        """The clean picture in [-1, 1], as patches; ``mask``: 1 where there is a token."""
        states = self.text_encoder(tokens, attention_mask=mask).last_hidden_state
        patches = noisy.contiguous(memory_format=torch.channels_last)
        predicted: Tensor = self.unet(patches, time, states, return_dict=False)[0]
        return predicted[:, : noisy.shape[1]]


def write(network: GlideNetwork, folder: Path) -> None:
    """The parts in the layout of an `IFPipeline`, weights in half precision."""
    with quiet():
        data.save(network.text_encoder, folder / "text_encoder")
        data.save(network.unet, folder / "unet")
        words.tokenizer().save_pretrained(folder / "tokenizer")
        scheduler().save_pretrained(folder / "scheduler")
    index = {
        "_class_name": IFPipeline.__name__,
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
    }
    text = json.dumps(index, indent=1) + "\n"
    (folder / "model_index.json").write_text(text, encoding="utf-8")


def open_glide(folder: Path, settings: DiffusionSettings = SETTINGS) -> PixelDecoder:
    """The trained model; raises `ConfigError` where files are missing or damaged."""
    return PixelDecoder(open_if(folder, torch.float32, FIX), settings, sha256_of(folder))
