"""Personal weights, put into a pipeline and taken out again without a trace.

The layers that carry a LoRA are built once and kept aside; for the next user two matrices and
one number per layer change. The library's own hot swap pads a LoRA with zeros to the largest rank
it has seen, so that the last bits of a user's pictures would depend on who came before; here each
has its own rank.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from persongen_bench.core.roles import Adapter

NAME = "personal"
"""What the one LoRA is called inside the layers that carry it."""
_PREFIX, _A, _B = "unet.", ".lora_A.weight", ".lora_B.weight"

Factors = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Layer of the denoiser => A ``(rank, in)`` and B ``(out, rank)``."""


class AdapterSlot:
    """The one place of a pipeline for personal weights."""

    def __init__(self, pipeline: Any) -> None:  # noqa: ANN401  # a diffusers pipeline
        self._pipeline = pipeline
        self._layers: dict[str, _Carrier] = {}
        self._taken = False

    @contextmanager
    def hold(self, adapter: Adapter) -> Iterator[None]:
        """The pipeline with ``adapter`` inside, and bit for bit as it was afterwards.

        Raises `ValueError` for weights that do not fit and `RuntimeError` inside another hold.
        Of the adapters it held it keeps the last one's weights in memory, never more.
        """
        if self._taken:
            raise RuntimeError("adapters do not nest: leave the other one first")
        unet = self._pipeline.unet
        factors = lora_factors(adapter.lora, unet)
        self._taken = True
        try:
            with spoken_words(self._pipeline, adapter.words), self._attached(factors, adapter):
                yield
        finally:
            self._taken = False

    @contextmanager
    def _attached(self, factors: Factors, adapter: Adapter) -> Iterator[None]:
        unet = self._pipeline.unet
        fits = set(factors) == set(self._layers) and all(
            unet.get_submodule(name) is carrier.plain for name, carrier in self._layers.items()
        )
        if factors and not fits:
            self._layers = _build(unet, list(factors))
        used = self._layers if factors else {}
        try:
            for name, carrier in used.items():
                carrier.load(*factors[name], alpha=adapter.alpha)
                carrier.attach()
            yield
        finally:
            for carrier in used.values():
                carrier.detach()


@dataclass(frozen=True)
class _Carrier:
    """One layer of the denoiser with room for a LoRA."""

    parent: nn.Module
    child: str
    plain: nn.Module
    wrapped: Any
    """`peft.tuners.lora.LoraLayer` around ``plain``."""

    def load(self, a: np.ndarray, b: np.ndarray, alpha: float | None) -> None:
        """Take the factors, in the precision and on the device of the layer."""
        rank = len(a)
        for where, value in ((self.wrapped.lora_A, a), (self.wrapped.lora_B, b)):
            like: Any = self.plain.weight
            tensor = torch.as_tensor(np.array(value), dtype=like.dtype, device=like.device)
            where[NAME].weight = nn.Parameter(tensor, requires_grad=False)
        self.wrapped.r[NAME] = rank
        self.wrapped.lora_alpha[NAME] = rank if alpha is None else alpha
        self.wrapped.scaling[NAME] = 1.0 if alpha is None else alpha / rank

    def attach(self) -> None:
        """Put the wrapped layer into the denoiser."""
        setattr(self.parent, self.child, self.wrapped)

    def detach(self) -> None:
        """Put the plain layer back."""
        setattr(self.parent, self.child, self.plain)


def _build(unet: Any, names: list[str]) -> dict[str, _Carrier]:  # noqa: ANN401
    """Wrap the named layers, then put the plain ones back; no random number is drawn."""
    plain = {name: unet.get_submodule(name) for name in names}
    trainable = {parameter: parameter.requires_grad for parameter in unet.parameters()}
    config = LoraConfig(r=1, lora_alpha=1, target_modules=names, inference_mode=True)
    inject_adapter_in_model(config, unet, NAME, low_cpu_mem_usage=True)
    wrapped = {name: unet.get_submodule(name).eval() for name in names}
    del unet.peft_config
    for parameter, flag in trainable.items():
        parameter.requires_grad_(flag)
    carriers = {}
    for name in names:
        head, _, child = name.rpartition(".")
        carriers[name] = _Carrier(unet.get_submodule(head), child, plain[name], wrapped[name])
        carriers[name].detach()
    return carriers


def lora_factors(lora: Mapping[str, np.ndarray], unet: Any) -> Factors:  # noqa: ANN401
    """Pair the matrices of a LoRA by layer, sorted by name; check them against the denoiser.

    Raises `ValueError` naming the key for a layer the denoiser lacks, a missing or misshapen
    matrix, or a NaN. Only the denoiser can be adapted: other prefixes are errors.
    """
    foreign = [key for key in lora if not key.startswith(_PREFIX) or not key.endswith((_A, _B))]
    if foreign:
        raise ValueError(f"LoRA key {foreign[0]!r}: expected {_PREFIX}<layer>{_A} or {_B}")
    names = sorted({key.removeprefix(_PREFIX).removesuffix(_A).removesuffix(_B) for key in lora})
    pairs = {}
    for name in names:
        pair = [np.asarray(lora.get(f"{_PREFIX}{name}{end}", ())) for end in (_A, _B)]
        _check_factors(name, pair, unet)
        pairs[name] = (pair[0], pair[1])
    return pairs


def _check_factors(name: str, pair: list[np.ndarray], unet: Any) -> None:  # noqa: ANN401
    try:
        layer = unet.get_submodule(name)
    except AttributeError:
        raise ValueError(f"LoRA layer {name!r}: the denoiser has no such layer") from None
    if isinstance(layer, LoraLayer):
        raise ValueError(f"LoRA layer {name!r}: the denoiser carries a LoRA there")  # noqa: TRY004
    weight = getattr(layer, "weight", None)
    if weight is None or weight.ndim < 2:
        raise ValueError(f"LoRA layer {name!r} is a {type(layer).__name__}, not a linear layer")
    (out, *into), a, b = weight.shape, *pair
    rank = len(a)
    ones = [1] * (len(into) - 1)
    if rank == 0 or a.shape != (rank, *into) or b.shape != (out, rank, *ones):
        raise ValueError(
            f"LoRA layer {name!r}: expected A (rank, {into[0]}) and B ({out}, rank), "
            f"found {a.shape} and {b.shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(f"LoRA layer {name!r} holds NaN or an infinity")


@contextmanager
def spoken_words(pipeline: Any, words: Mapping[str, np.ndarray]) -> Iterator[None]:  # noqa: ANN401
    """The pipeline knows ``words`` inside (textual inversion); afterwards it is as it was.

    ``words``: placeholder => ``(n_vectors, width)`` of the first text encoder. In a prompt a word
    of n vectors stands for n tokens, as in the library's own loader. Tokenizer and embedding
    table of the pipeline are replaced by longer copies, not changed.
    """
    if not words:
        yield
        return
    tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
    table = encoder.get_input_embeddings()
    tokens = _tokens(words, tokenizer, table.weight.shape[1])
    longer = copy.deepcopy(tokenizer)
    longer.add_tokens(list(tokens))
    rows = torch.from_numpy(np.stack(list(tokens.values()))).to(table.weight)
    joined: Tensor = torch.cat([table.weight.detach()[: len(tokenizer)], rows])
    longer_table = nn.Embedding(len(joined), joined.shape[1], device="meta")
    longer_table.weight = nn.Parameter(joined, requires_grad=False)
    try:
        encoder.set_input_embeddings(longer_table)
        pipeline.tokenizer = longer
        yield
    finally:
        encoder.set_input_embeddings(table)
        pipeline.tokenizer = tokenizer


def _tokens(words: Mapping[str, np.ndarray], tokenizer: Any, width: int) -> dict[str, np.ndarray]:  # noqa: ANN401
    """One token per vector: ``<u>``, ``<u>_1``, ``<u>_2``, ... => ``(width,)`` float32."""
    tokens: dict[str, np.ndarray] = {}
    known = tokenizer.get_vocab()
    for word, vectors in words.items():
        rows = np.asarray(vectors, dtype=np.float32)
        if rows.ndim != 2 or len(rows) == 0 or rows.shape[1] != width:
            raise ValueError(f"word {word!r}: expected vectors (n, {width}), found {rows.shape}")
        if not np.isfinite(rows).all():
            raise ValueError(f"word {word!r}: a vector holds NaN or an infinity")
        if not word or word != word.lower() or len(word.split()) != 1:
            raise ValueError(f"word {word!r}: expected one lower-case word without spaces")
        inside = [other for other in words if other != word and word in other]
        if inside:
            raise ValueError(f"word {word!r} is part of the word {inside[0]!r}; rename one")
        names = [word, *(f"{word}_{k}" for k in range(1, len(rows)))]
        taken = [name for name in [*names, f"{word}_{len(rows)}"] if name in known]
        if taken:
            raise ValueError(f"word {taken[0]!r} is in the tokenizer's vocabulary; rename it")
        tokens |= dict(zip(names, rows, strict=True))
    return tokens
