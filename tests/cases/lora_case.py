"""LoRA files as people have them, made here: one set of factors under every name."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from persongen_bench.util.lora.base import Base

BLOCK = "down_blocks.0.attentions.0"
LAYERS: Mapping[str, tuple[int, ...]] = {
    "down_blocks.0.resnets.0.conv1": (8, 8, 3, 3),
    f"{BLOCK}.proj_in": (8, 8, 1, 1),
    f"{BLOCK}.transformer_blocks.0.attn1.to_q": (8, 8),
    f"{BLOCK}.transformer_blocks.0.attn1.to_out.0": (8, 8),
    f"{BLOCK}.transformer_blocks.0.attn2.to_v": (8, 6),
    f"{BLOCK}.transformer_blocks.0.ff.net.0.proj": (64, 8),
}
BASE = Base("the small base", LAYERS)
ATTENTION = [path for path in LAYERS if ".attn" in path]
LINEAR = [path for path, shape in LAYERS.items() if len(shape) == 2]
TEXT = "lora_te1_text_model_encoder_layers_0_mlp_fc1"

Factors = Mapping[str, tuple[np.ndarray, np.ndarray]]


def factors(
    layers: Mapping[str, tuple[int, ...]] = LAYERS, rank: int = 3, seed: int = 0
) -> Factors:
    """Path => down and up, float32, seeded."""
    rng = np.random.default_rng(seed)
    made = {}
    for path, (out, *into) in layers.items():
        ones = (1,) * (len(into) - 1)
        down = rng.standard_normal((rank, *into)).astype(np.float32)
        made[path] = down, 0.1 * rng.standard_normal((out, rank, *ones)).astype(np.float32)
    return made


def change(pair: tuple[np.ndarray, np.ndarray], scale: float = 1.0) -> np.ndarray:
    """``scale * up @ down`` in float64, a convolution's kernel flattened."""
    down, up = (part.astype(np.float64).reshape(len(part), -1) for part in pair)
    return scale * up @ down


def kohya(
    pairs: Factors, alpha: float | None = None, head: str = "lora_unet_"
) -> dict[str, np.ndarray]:
    """``lora_unet_..._to_q.lora_down.weight`` and ``.alpha``."""
    tensors = {}
    for path, (down, up) in pairs.items():
        name = head + path.replace(".", "_")
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        if alpha is not None:
            tensors[f"{name}.alpha"] = np.array(alpha, dtype=np.float32)
    return tensors


def dotted(
    pairs: Factors, head: str, down: str = ".lora_A.weight", up: str = ".lora_B.weight"
) -> dict[str, np.ndarray]:
    """Names with dots, such as peft's and diffusers'."""
    named = {}
    for path, (a, b) in pairs.items():
        named |= {f"{head}{path}{down}": a, f"{head}{path}{up}": b}
    return named


def processors(pairs: Factors, head: str = "unet.") -> dict[str, np.ndarray]:
    """``....attn1.processor.to_q_lora.down.weight``, as diffusers wrote until 0.20."""
    named = {}
    for path, (down, up) in pairs.items():
        place, _, layer = path.removesuffix(".0").rpartition(".")
        name = f"{head}{place}.processor.{layer}_lora"
        named |= {f"{name}.down.weight": down, f"{name}.up.weight": up}
    return named


def write(
    path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> Path:
    """A safetensors file."""
    save_file(dict(tensors), path, dict(metadata) if metadata else None)
    return path


def write_bf16(path: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """The same rounded to bfloat16, which numpy lacks: written byte by byte."""
    header, blobs, start = {}, [], 0
    for name, array in tensors.items():
        blob = bf16(array)[1].tobytes()
        header[name] = {
            "dtype": "BF16",
            "shape": list(array.shape),
            "data_offsets": [start, start + len(blob)],
        }
        start += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    return path


def bf16(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values cut to the upper 16 bits of a float32, as float32 and as those bits."""
    halves = (np.ascontiguousarray(array, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(array.shape), halves
