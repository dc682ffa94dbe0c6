"""A diffusion stack of the real library classes with tiny random weights, built once a process.

`tiny_decoder` is 64 x 64 pixels over 4 x 16 x 16 latents, words of the attribute world are one
token each, image prompts have 24 dimensions. What it draws is coloured noise that depends on the
words, the image prompt, the personal weights and the seed, which is what tests of the plumbing
need; nothing here can tell a good method from a bad one.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.types import Description
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
from persongen_bench.stacks.diffusion.image_encoder import ClipDualEncoder, ClipImageEncoder
from persongen_bench.stacks.diffusion.pipeline import RowwisePipeline, RowwiseXLPipeline
from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.quiet import quiet

SIDE = 64
EMBEDDING = 24
WIDTH = 32
ROWS = 4
WORDS = (  # noqa: SIM905
    "circle square triangle star heart cross crescent red orange yellow green blue purple pink "
    "small medium large paper night meadow dusk stripes checker flat outline shaded pixel sketch "
    "a on background style art picture of with liked image"
).split()
SETTINGS = DiffusionSettings(
    sampler="ddim", n_inference_steps=2, guidance_scale=3.0, rows=ROWS, device="cpu"
)


def seeded(seed: int, make: Any) -> Any:
    """``make()`` under a seed of its own; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


@cache
def tokenizer() -> CLIPTokenizer:
    """Byte-pair encoding over bytes, with merges that make each of `WORDS` one token."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    vocabulary = letters + [f"{letter}</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        left, *rest = [*word[:-1], f"{word[-1]}</w>"]
        for symbol in rest:
            merges += [(left, symbol)] * ((left, symbol) not in merges)
            left += symbol
            vocabulary += [left] * (left not in vocabulary)
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    ids = {token: k for k, token in enumerate(vocabulary)}
    return CLIPTokenizer(vocab=ids, merges=merges, model_max_length=77)


def text_config(**extra: int) -> CLIPTextConfig:
    words = tokenizer()
    return CLIPTextConfig(
        vocab_size=len(words), hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=77, bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, **extra,
    )  # fmt: skip


def vision_config(projection: int) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        image_size=SIDE, patch_size=16, projection_dim=projection,
    )  # fmt: skip


def unet(cross_attention: int = WIDTH, **extra: Any) -> UNet2DConditionModel:
    return seeded(1, lambda: UNet2DConditionModel(
        sample_size=SIDE // 4, block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=8,
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=cross_attention,
        **extra,
    ))  # fmt: skip


def vae() -> AutoencoderKL:
    """Three blocks, a factor of four; the last layer is turned up so that pictures vary."""
    made = seeded(2, lambda: AutoencoderKL(
        block_out_channels=(8, 16, 16), latent_channels=4, norm_num_groups=4, sample_size=SIDE,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        scaling_factor=0.5,
    ))  # fmt: skip
    made.decoder.conv_out.weight.data.mul_(2)
    return made


def scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip


def ip_adapter(model: UNet2DConditionModel) -> dict[str, dict[str, torch.Tensor]]:
    """Random weights in the published layout: cross-attention layers have the odd numbers."""
    generator = torch.Generator().manual_seed(3)
    cross = model.config.cross_attention_dim
    layers = {}
    for k, (name, _) in enumerate(p for p in model.attn_processors.items() if "attn2" in p[0]):
        wide = model.get_submodule(name.removesuffix(".processor")).to_q.in_features
        for kind in ("k", "v"):
            weight = torch.randn(wide, cross, generator=generator) / cross**0.5
            layers[f"{2 * k + 1}.to_{kind}_ip.weight"] = weight
    projection = {
        "proj.weight": torch.randn(4 * cross, EMBEDDING, generator=generator),
        "proj.bias": torch.randn(4 * cross, generator=generator),
        "norm.weight": torch.ones(cross),
        "norm.bias": torch.zeros(cross),
    }
    return {"image_proj": projection, "ip_adapter": layers}


def tiny_pipeline(with_adapter: bool = True, cls: Any = RowwisePipeline) -> Any:
    """A fresh pipeline; the same weights every time."""
    made = cls(
        vae=vae(), text_encoder=seeded(4, lambda: CLIPTextModel(text_config())).eval(),
        tokenizer=deepcopy(tokenizer()), unet=unet(), scheduler=scheduler(), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    return _finished(made, with_adapter)


def tiny_xl_pipeline(with_adapter: bool = True, cls: Any = RowwiseXLPipeline) -> Any:
    """The same in the shape of SDXL: two text encoders, pooled words, time ids."""
    second = seeded(
        5, lambda: CLIPTextModelWithProjection(text_config(projection_dim=WIDTH))
    ).eval()
    made = cls(
        vae=vae(), text_encoder=seeded(4, lambda: CLIPTextModel(text_config())).eval(),
        text_encoder_2=second, tokenizer=deepcopy(tokenizer()), tokenizer_2=deepcopy(tokenizer()),
        unet=unet(
            2 * WIDTH, addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=WIDTH + 6 * 8,
        ),
        scheduler=scheduler(), add_watermarker=False,
    )  # fmt: skip
    return _finished(made, with_adapter)


def _finished(pipeline: Any, with_adapter: bool) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.eval()
    pipeline.vae.eval()
    if with_adapter:
        state = ip_adapter(pipeline.unet)
        with quiet():
            pipeline.load_ip_adapter(state, subfolder="", weight_name="", image_encoder_folder=None)
    return pipeline


@cache
def tiny_decoder() -> DiffusionDecoder:
    """The shared decoder: 2 DDIM steps, guidance 3, blocks of 4. Leave it as it was."""
    return DiffusionDecoder(tiny_pipeline(), SETTINGS, weights="tiny-random-1")


@cache
def tiny_image_encoder() -> ClipImageEncoder:
    model = seeded(6, lambda: CLIPVisionModelWithProjection(vision_config(EMBEDDING)))
    return ClipImageEncoder(model, weights="tiny-random-6")


@cache
def tiny_clip() -> ClipDualEncoder:
    text, vision = text_config().to_dict(), vision_config(20).to_dict()
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=20)
    return ClipDualEncoder(seeded(7, lambda: CLIPModel(config)), tokenizer(), "tiny-random-7")


COLOURS = {
    "red": (220, 40, 40), "orange": (240, 140, 30), "yellow": (235, 215, 50),
    "green": (50, 160, 70), "blue": (50, 90, 210), "purple": (130, 60, 170),
    "pink": (240, 130, 180),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "crescent")
BACKGROUNDS = ("night", "dusk", "meadow", "stripes", "checker", "paper")
STYLES = ("flat", "shaded", "outline", "pixel", "sketch")


class PixelTagger:
    """A captioner that looks at pixels: colour and shape from the middle, the rest around it."""

    signature = "pixel-tagger|impl:1"

    def describe(self, images):
        return [self._describe(np.asarray(image, dtype=np.float64)) for image in images]

    def _describe(self, image) -> Description:
        height, width = image.shape[1:]
        middle = image[:, height // 4 : -height // 4, width // 4 : -width // 4]
        mean, grey = middle.mean(axis=(1, 2)), image.mean(axis=0)
        colour = min(COLOURS, key=lambda name: float(np.sum((mean - COLOURS[name]) ** 2)))
        down, across = (float(np.abs(np.diff(grey, axis=k)).mean()) for k in (0, 1))
        shape = SHAPES[min(6, int(7 * down / (down + across + 1e-9)))]
        edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).mean()
        background = BACKGROUNDS[min(5, int(6 * edge / 256))]
        style = STYLES[min(4, int((down + across) / 8))]
        size = ("small", "medium", "large")[min(2, int(grey.std() / 25))]
        caption = f"a {size} {colour} {shape} on a {background} background in {style} style"
        return Description(caption, (shape, colour, size, background, style))


class TinyDiffusionStack:
    """Roles decoder, image_encoder, clip and captioner over the tiny random weights."""

    name = "tiny-diffusion"
    roles = ("captioner", "clip", "decoder", "image_encoder")

    def role(self, name: str) -> Any:
        made = {
            "decoder": tiny_decoder, "image_encoder": tiny_image_encoder, "clip": tiny_clip,
            "captioner": PixelTagger,
        }  # fmt: skip
        if name not in made:
            raise MissingRoleError(f"stack {self.name} has no {name!r}, only {self.roles}")
        return made[name]()

    @property
    def signature(self) -> str:
        return "tiny-diffusion(" + ";".join(self.role(r).signature for r in self.roles) + ")"
