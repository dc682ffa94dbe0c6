"""A pixel diffusion pipeline of the published layout with tiny random weights.

Pictures are noise that depends on the words and the seed, which is what tests of the plumbing need.
"""

from __future__ import annotations

import torch
from diffusers import DDPMScheduler, IFPipeline, UNet2DConditionModel
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from persongen_bench.stacks.quiet import quiet

SIDE, WIDTH = 16, 16
WORDS = ("small", "red", "blue", "star", "circle", "a")


def tokenizer():
    """Pieces of a Unigram model in the order that T5 has them."""
    words = [(f"\u2581{word}", -1.0) for word in WORDS]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("\u2581", -8.0)]
    return T5Tokenizer(vocab=[*special, *words], extra_ids=0)


def denoiser():
    """Three channels of pixels, six out: IF's learned variance is the second half."""
    return UNet2DConditionModel(
        sample_size=SIDE, in_channels=3, out_channels=6, block_out_channels=(16, 32),
        layers_per_block=1, norm_num_groups=4, attention_head_dim=8, cross_attention_dim=WIDTH,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="text_proj", addition_embed_type="text",
        addition_embed_type_num_heads=2, resnet_time_scale_shift="scale_shift", act_fn="gelu",
    )  # fmt: skip


def pipeline():
    """Stage I of IF in small: its classes, its scheduler and its learned variance."""
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        words = tokenizer()
        config = T5Config(
            vocab_size=len(words), d_model=WIDTH, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
            dropout_rate=0.0, feed_forward_proj="gated-gelu", initializer_factor=4.0,
        )  # fmt: skip
        text, unet = T5EncoderModel(config), denoiser()
    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True,
        dynamic_thresholding_ratio=0.95, sample_max_value=1.5, clip_sample=False,
    )  # fmt: skip
    with quiet():
        return IFPipeline(words, text.eval(), unet.eval(), scheduler, None, None, None, False)


def write_tiny(folder):
    """The pipeline as the library stores it, its text encoder in several files."""
    made = pipeline()
    with quiet():
        made.save_pretrained(folder, safe_serialization=True)
        for path in (folder / "text_encoder").glob("*.safetensors"):
            path.unlink()
        made.text_encoder.save_pretrained(folder / "text_encoder", max_shard_size="10KB")
