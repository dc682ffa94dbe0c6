"""Emu3 (Wang et al. 2024) in the layout of transformers: the role ``lmm`` of published stacks.

A picture is a square grid of codes of its VQ model, row by row, each row with an end of its own,
as the library's processor writes it. The grid is 32 x 32 where the model was trained on 90 x 90:
six pictures must fit into its 9,216 positions, which is ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor
from transformers import Emu3Config, Emu3ForConditionalGeneration, PreTrainedTokenizerFast

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.language import Codes
from persongen_bench.core.types import Image
from persongen_bench.stacks.diffusion.image_encoder import Normalisation, crop_square
from persongen_bench.stacks.loading_report import require_complete
from persongen_bench.stacks.published.digests import remembered_sha256
from persongen_bench.stacks.quiet import quiet
from persongen_bench.util.multimodal.layout import PictureLayout
from persongen_bench.util.multimodal.model import TokenModel

SIDE = 32
"""Codes per side of a picture."""
ROWS = {"cpu": 1, "cuda": 4}
"""Prompts per network call by type of device."""
OPEN, WRAPPED, ROW_END = "<|image start|>", "<|image token|>", "<|extra_200|>"
LAST, CLOSE = "<|extra_201|>", "<|image end|>"
_VISUAL = "<|visual token {:06d}|>"


class GridCodec:
    """Pictures to the codes of Emu3's VQ model and back; implements `PictureCodec`.

    The VQ model computes in float32 whatever the language model does, one picture at a time: in
    bfloat16 a third of the codes are others.
    """

    def __init__(self, model: Any, side: int, normalisation: Normalisation) -> None:  # noqa: ANN401
        self._model, self._side = model.float().eval(), side
        self._mean = torch.tensor(normalisation.mean)[:, None, None]
        self._deviation = torch.tensor(normalisation.deviation)[:, None, None]
        self.signature = f"emu3-vq|grid:{side}|crop-square-bicubic|{normalisation}|impl:1"

    @property
    def pixels(self) -> int:
        """Side of a picture."""
        return self._side * int(self._model.vision_spatial_factor)

    def tokenize(self, images: Sequence[Image]) -> list[Codes]:
        """``side * side`` codes per picture, row by row; the middle square of each."""
        return [self._encode(crop_square(image, self.pixels)) for image in images]

    def draw(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Image]:  # noqa: ARG002
        """The VQ model's picture; chance has no part in it."""
        return [self._decode(row) for row in codes]

    @torch.no_grad()
    def _encode(self, pixels: Image) -> Codes:
        scaled = (torch.from_numpy(pixels).float() / 255 - self._mean) / self._deviation
        sizes = torch.tensor([[self.pixels, self.pixels]])
        (grid,) = self._model.encode(scaled[None].to(self._model.device), sizes).image_tokens
        return np.asarray(grid.flatten().cpu().numpy(), dtype=np.int64)

    @torch.no_grad()
    def _decode(self, row: Codes) -> Image:
        grid = torch.from_numpy(np.asarray(row)).view(1, self._side, self._side)
        values: Float[Tensor, "3 h w"] = self._model.decode(grid.to(self._model.device))[0].cpu()
        levels = ((values * self._deviation + self._mean) * 255).round().clamp(0, 255)
        return np.ascontiguousarray(levels.to(torch.uint8).numpy())


def open_emu3(folder: Path, device: torch.device, side: int = SIDE) -> TokenModel:
    """The model in a folder of the published layout; bfloat16, its VQ model in float32.

    Raises `ConfigError` for a missing, unreadable or other model; the library would fill what is
    missing with random numbers.
    """
    model, words = _load(folder)
    layout = grid_layout(model.config.vocabulary_map, words, side)
    codec = GridCodec(model.model.vqmodel.to(device), side, Normalisation.of(folder))
    rows = ROWS.get(device.type, 1)
    return TokenModel(model.to(device), words, layout, codec, checksum(folder), rows)


def grid_layout(vocabulary: Mapping[str, int], words: Any, side: int) -> PictureLayout:  # noqa: ANN401
    """How a picture of ``side`` x ``side`` codes is written.

    Raises `ConfigError` where the visual tokens are not one run of ids in order.
    """
    names = sorted(name for name in vocabulary if name.startswith("<|visual token"))
    first = vocabulary.get(_VISUAL.format(0), -1)
    if [vocabulary[name] for name in names] != list(range(first, first + len(names))) or not names:
        raise ConfigError("the visual tokens of the vocabulary are not one run of ids in order")
    size: list[int] = words(f"{side}*{side}", add_special_tokens=False)["input_ids"]
    marks = dict(zip((OPEN, WRAPPED, ROW_END, LAST, CLOSE),
                     words.convert_tokens_to_ids([OPEN, WRAPPED, ROW_END, LAST, CLOSE]),
                     strict=True))  # fmt: skip
    missing = [name for name, number in marks.items() if number in (None, words.unk_token_id)]
    if missing:
        raise ConfigError(f"the tokenizer has no {missing[0]}")
    return PictureLayout(
        first,
        tuple(range(len(names)) for _ in range(side * side)),
        (marks[OPEN], *size, marks[WRAPPED]),
        (marks[LAST], marks[CLOSE]),
        side,
        marks[ROW_END],
    )


def _load(folder: Path) -> tuple[Any, Any]:
    try:
        config = Emu3Config.from_json_file(folder / "config.json")
        if config.vocabulary_map is None:
            raise ConfigError(f"{folder / 'config.json'}: no vocabulary_map")
        with quiet():
            words = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
            model, report = Emu3ForConditionalGeneration.from_pretrained(
                folder, config=config, local_files_only=True, use_safetensors=True,
                dtype=torch.bfloat16, ignore_mismatched_sizes=True, output_loading_info=True,
            )  # fmt: skip
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{folder}: not an Emu3ForConditionalGeneration ({error})") from None
    require_complete(folder, report)
    return model, words


def checksum(folder: Path) -> str:
    """The checksums of weights, configuration and tokenizer, in one."""
    files = sorted((*folder.glob("*.safetensors"), *folder.glob("*.json")))
    sums = {p.name: remembered_sha256(p) for p in files}
    return f"sha256:{hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:16]}"
