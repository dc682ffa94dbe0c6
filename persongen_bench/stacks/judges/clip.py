"""CLIPs of the transformers library as judges: OpenAI's ViT-L/14 at 336 pixels, and PickScore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.diffusion.image_encoder import ClipDualEncoder, Placement
from persongen_bench.stacks.judges.checkpoint import open_transformer

CONTEXT = 77
START, END = "<|startoftext|>", "<|endoftext|>"


class ClipNetwork(nn.Module):
    """A `CLIPModel` as a `persongen_bench.stacks.judges.encoder.JudgeNetwork`."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # a CLIPModel
        super().__init__()
        self.model = model

    def images(self, pixels: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Projected image embeddings: since transformers 5 the output's ``pooler_output``."""
        rows: Tensor = self.model.get_image_features(pixel_values=pixels).pooler_output
        return rows

    def texts(self, ids: Int64[Tensor, "n t"]) -> Float[Tensor, "n d"]:
        """Projected text embeddings; what stands behind the first end mark has no effect."""
        rows: Tensor = self.model.get_text_features(input_ids=ids).pooler_output
        return rows


class ClipVersions(ClipDualEncoder):
    """A stack's role ``clip`` at 224 pixels, with the variant ``clip/336`` (`roles.Variants`)."""

    variants = ("336",)

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # a CLIPModel
        tokenizer: Any,  # noqa: ANN401  # its CLIPTokenizer
        weights: str,
        placement: Placement,
        larger: Callable[[], Any],
    ) -> None:
        """``larger`` opens the variant."""
        super().__init__(model, tokenizer, weights, placement)
        self._larger = cache(larger)

    def variant(self, name: str) -> Any:  # noqa: ANN401  # an ImageEncoder and TextEncoder
        """``336``: the same authors' network for 336 pixels, as the role ``judge_encoder``."""
        if name not in self.variants:
            raise KeyError(name)
        return self._larger()


def read_config(path: Path) -> CLIPConfig:
    """The architecture in a ``config.json``; raises `ConfigError` where it is none."""
    try:
        return CLIPConfig.from_json_file(path)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not the configuration of a CLIP ({error})") from None


def open_clip_network(config: CLIPConfig, weights: Path) -> ClipNetwork:
    """The network with the weights of a file."""
    return ClipNetwork(open_transformer(CLIPModel, config, weights))


def require_activation(config: Any, expected: str, where: Path) -> None:  # noqa: ANN401
    """Raise `ConfigError` unless both towers have the activation they were trained with.

    OpenAI's weights have ``quick_gelu``, LAION's ViT-H/14 and what was fine-tuned from it
    ``gelu``. The other one runs as well and moves every score: LAION's aesthetic score of one
    picture from 5.05 to 4.44 (improved-aesthetic-predictor, issue 12).
    """
    for part in ("text_config", "vision_config"):
        activation = getattr(config, part).hidden_act
        if activation != expected:
            raise ConfigError(
                f"{where}: {part}.hidden_act is {activation!r}, these weights need {expected!r}"
            )


@cache
def tokenizer() -> CLIPTokenizer:
    """OpenAI's byte-pair encoding, made of the merges that open_clip ships.

    OpenAI's and LAION's CLIPs have this one vocabulary of 49,408, so that no file is needed.
    """
    plain = SimpleTokenizer()
    marks = {plain.sot_token_id: START, plain.eot_token_id: END}
    ids = {marks.get(number, token): number for token, number in plain.encoder.items()}
    merges = sorted(plain.bpe_ranks, key=plain.bpe_ranks.__getitem__)
    return CLIPTokenizer(vocab=ids, merges=merges, model_max_length=CONTEXT)


def tokens(texts: Sequence[str]) -> Int64[np.ndarray, "n 77"]:
    """Token numbers; a longer text is cut and keeps its end mark, which the pooling looks for."""
    ids = tokenizer()(
        list(texts), padding="max_length", truncation=True, max_length=CONTEXT
    )["input_ids"]  # fmt: skip
    return np.asarray(ids, dtype=np.int64).reshape(len(texts), CONTEXT)


def unit_rows(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows of length one, float32; a row of zeros stays."""
    wide = rows.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(length > 0, length, 1), dtype=np.float32)
