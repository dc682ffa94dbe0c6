"""The role ``captioner``: BLIP (Li et al. 2022), greedy words, one picture at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Description, Image
from persongen_bench.stacks.judges.checkpoint import open_transformer
from persongen_bench.stacks.judges.pixels import SquarePixels

MAX_TOKENS = 30
"""New words and word pieces per caption."""
_IDLE = frozenset(
    (  # noqa: SIM905  # easier to read
        "a an and are as at by for from has have her his in into is it its of on or that the "
        "their there this to two three very while with"
    ).split()
)
"""Words that are no keyword."""
_WORD = re.compile(r"[a-z][a-z'-]+")


def read_config(path: Path) -> BlipConfig:
    """The architecture in a ``config.json``; raises `ConfigError` where it is none."""
    try:
        return BlipConfig.from_json_file(path)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not the configuration of a BLIP ({error})") from None


class BlipCaptioner:
    """Pictures to a sentence and its words; implements `Captioner`.

    Greedy search without a prompt, so that a caption depends on its picture alone.
    """

    def __init__(self, files: Sequence[Path], weights: str, device: torch.device) -> None:
        """``files``: configuration, weights, vocabulary; ``weights``: their checksum."""
        self._config_file, self._weights_file, self._vocabulary = files
        self._device = device
        self._config = read_config(self._config_file)
        self._preparation = SquarePixels(self._config.vision_config.image_size, "squash")
        self.signature = (
            f"blip-captioner|{self._preparation}|greedy|tokens:{MAX_TOKENS}|dtype:float32"
            f"|weights:{weights}|impl:1"
        )

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401  # a BlipForConditionalGeneration
        model = open_transformer(BlipForConditionalGeneration, self._config, self._weights_file)
        return model.to(self._device)

    @cached_property
    def _words(self) -> Callable[[Sequence[int]], str]:
        lines = self._vocabulary.read_text(encoding="utf-8").split("\n")
        ids = {word: number for number, word in enumerate(lines) if word}
        tokenizer = BertTokenizer(vocab=ids)
        return lambda numbers: str(tokenizer.decode(numbers, skip_special_tokens=True))

    def describe(self, images: Sequence[Image]) -> list[Description]:
        """One caption each, lower case; its tags are its words but for articles and the like."""
        return [self._describe(image) for image in images]

    def _describe(self, image: Image) -> Description:
        pixels = torch.from_numpy(self._preparation.pixels(image))[None].to(self._device)
        with torch.inference_mode():
            ids = self._model.generate(
                pixel_values=pixels, max_new_tokens=MAX_TOKENS, do_sample=False, num_beams=1
            )
        start = self._config.text_config.bos_token_id  # BLIP's own mark, not in the vocabulary
        numbers = [number for number in ids[0].tolist() if number != start]
        caption = " ".join(self._words(numbers).lower().split())
        return Description(caption, keywords(caption))


def keywords(caption: str) -> tuple[str, ...]:
    """The words of a caption that say something, each once, in their order."""
    words = (word for word in _WORD.findall(caption) if word not in _IDLE)
    return tuple(dict.fromkeys(words))
