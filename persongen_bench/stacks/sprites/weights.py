"""Where the sprite autoencoder's weights lie and how they are read."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.sound_weights import check_file, check_numbers
from persongen_bench.stacks.sprites.model import SpriteVae
from persongen_bench.util.files import short_sha256

FOLDER = Path(__file__).resolve().parent.parent / "weights" / "sprites"
"""The weights that ship with the package."""
WEIGHTS = "vae.safetensors"
CARD = "card.json"
LOSSES = "losses.json"
_FIX = "Build them with `pgbench models build sprites --output FOLDER`, or reinstall."


def sha256(folder: Path) -> str:
    """First 16 digits of the sha256 of the weights in ``folder``, whose header is checked."""
    check_file(folder / WEIGHTS, _FIX)
    return short_sha256(folder / WEIGHTS)


def load(folder: Path) -> SpriteVae:
    """The model in ``folder``, in float32 on the CPU, ready to infer.

    Raises `ConfigError` where the file is missing, damaged or of another architecture.
    """
    path = folder / WEIGHTS
    sha256(folder)
    try:
        tensors = {name: value.float() for name, value in load_file(path).items()}
        check_numbers(path, tensors, _FIX)
        with torch.device("meta"):
            model = SpriteVae()
        model.load_state_dict(tensors, assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise ConfigError(f"{path}: not this model's weights ({error})", fix=_FIX) from None
    return model.eval().requires_grad_(requires_grad=False)
