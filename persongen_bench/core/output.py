"""Kinds of output: what a method may answer with, and how an answer is checked, kept and compared.

A kind turns an answer into bytes and back, deterministically and never by pickle: the same answer
gives the same bytes on every machine, and its digest is that of the content, not of the file.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from persongen_bench.core import images
from persongen_bench.core.errors import ConfigError, DataError, NoAnswerError
from persongen_bench.core.output_checks import check_alpha, check_ids, check_scores, unique_fields
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Image

T = TypeVar("T")

FLOATS = ("float16", "float32", "float64")
"""Types of number that an adapter may hold."""
LARGEST = 1 << 29
"""Bytes of the file of an answer that is no image."""
LEAST_SIDE = 8
"""Pixels of the shorter side of an image; a smaller one shows nothing, and is no answer."""
_WORDS = "words."
"""Begins the keys of new words in an adapter's file; the LoRA's keys are those of diffusers."""


@dataclass(frozen=True)
class Ranking:
    """Items in order, the best first, with their scores where the method has some."""

    item_ids: tuple[str, ...]
    scores: tuple[float, ...] | None = None
    """One finite number an item, none larger than the one before it."""


class OutputKind(Protocol):
    """What the loop, the store and the metrics know of an answer.

    Laws, tested for every kind: ``from_bytes(to_bytes(x))`` has the digest of ``x``; equal content
    gives equal bytes; what `check` refuses is never written.
    """

    name: str
    """As tracks, methods and metrics name it; the folder of a run is called ``<name>s``."""
    suffix: str
    """Of its files."""
    drawable: bool
    """Whether the loop draws an image with it, which is recorded beside it."""

    def check(self, value: Any) -> Any:  # noqa: ANN401  # whatever a method returned
        """The value, where it keeps the contract; raises `DataError` with what it is otherwise."""
        ...

    def to_bytes(self, value: Any) -> bytes:  # noqa: ANN401  # of this kind
        """The content of its file."""
        ...

    def from_bytes(self, data: bytes, name: str) -> Any:  # noqa: ANN401  # of this kind
        """What `to_bytes` wrote; raises `DataError` naming the file ``name`` for anything else."""
        ...

    def digest(self, value: Any) -> str:  # noqa: ANN401  # of this kind
        """sha256 (16 digits) of the content."""
        ...


class ImageKind:
    """A picture: uint8 RGB ``(3, h, w)``, kept as PNG."""

    name = "image"
    suffix = ".png"
    drawable = False

    def check(self, value: Image) -> Image:
        """See `images.check`; `NoAnswerError` for one with a side below `LEAST_SIDE`."""
        height, width = images.check(value).shape[1:]
        if min(height, width) < LEAST_SIDE:
            raise NoAnswerError(
                f"{width} x {height} pixels, an answer has at least {LEAST_SIDE} a side"
            )
        return value

    def to_bytes(self, value: Image) -> bytes:
        """Lossless PNG."""
        return images.png_bytes(value)

    def from_bytes(self, data: bytes, name: str) -> Image:
        """Any format that images may have, of any size."""
        return images.decode(data, name)

    def digest(self, value: Image) -> str:
        """Of shape and pixels."""
        return images.pixel_hash(value)


class RankingKind:
    """A ranked list of items, kept as JSON: ``{"item_ids": [...], "scores": [...] or null}``."""

    name = "ranking"
    suffix = ".json"
    drawable = False

    def check(self, value: Ranking) -> Ranking:
        """At least one item, none twice, ids of text, scores finite and falling."""
        if not isinstance(value, Ranking):
            raise DataError(f"expected a Ranking, found {type(value).__name__}")
        ids, scores = value.item_ids, value.scores
        check_ids(ids)
        if scores is not None:
            check_scores(scores, len(ids))
        return value

    def to_bytes(self, value: Ranking) -> bytes:
        """One line of JSON."""
        document = {"item_ids": list(value.item_ids), "scores": _plain(value.scores)}
        return (json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n").encode()

    def from_bytes(self, data: bytes, name: str) -> Ranking:
        """Refuses whatever has other fields."""
        try:
            document = json.loads(data, object_pairs_hook=unique_fields)
            unknown = set(document) - {"item_ids", "scores"}
            scores = document.get("scores")
            ids = document["item_ids"]
            ranking = Ranking(
                tuple(ids) if isinstance(ids, list) else ids,
                None if scores is None else tuple(map(float, scores)),
            )
        except (
            ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError,
        ) as error:  # fmt: skip
            fix = 'Write {"item_ids": ["best", "second"], "scores": [0.9, 0.4]}.'
            why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else repr(error)[:200]
            raise DataError(f"{name}: not a ranking ({why})", fix=fix) from None
        if unknown:
            raise DataError(f"{name}: unknown field {min(unknown)!r}")
        return named(self.check, ranking, name)

    def digest(self, value: Ranking) -> str:
        """Of the items and scores."""
        return hashlib.sha256(self.to_bytes(value)).hexdigest()[:16]


class AdapterKind:
    """Personal weights of the decoder, kept as safetensors; the loop draws images with them.

    A file with a LoRA only is one that diffusers' ``load_lora_weights`` reads.
    """

    name = "adapter"
    suffix = ".safetensors"
    drawable = True

    def check(self, value: Adapter) -> Adapter:
        """Finite floats, at least one, under the names that `roles.Adapter` says."""
        if not isinstance(value, Adapter):
            raise DataError(f"expected an Adapter, found {type(value).__name__}")
        if not value.lora and not value.words:
            raise DataError("the adapter holds neither a LoRA nor words")
        check_alpha(value.alpha)
        for key, array in _arrays(value).items():
            if not isinstance(array, np.ndarray) or str(array.dtype) not in FLOATS:
                raise DataError(f"{key}: expected a float array, found {_type(array)}")
            if not np.isfinite(array).all():
                raise DataError(f"{key}: holds a number that is not finite")
        return value

    def to_bytes(self, value: Adapter) -> bytes:
        """One metadata entry, so that the order of its table cannot vary."""
        about = json.dumps({"alpha": value.alpha, "version": 1}, sort_keys=True)
        arrays = {key: np.ascontiguousarray(array) for key, array in _arrays(value).items()}
        return bytes(safetensors.save(arrays, {"adapter": about}))

    def from_bytes(self, data: bytes, name: str) -> Adapter:
        """A file without our metadata is a LoRA with ``alpha = rank``."""
        try:
            arrays = safetensors.load(data)
            (size,) = struct.unpack("<Q", data[:8])
            metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
            alpha = json.loads(metadata.get("adapter", "{}")).get("alpha")
        except (
            SafetensorError, ValueError, struct.error, AttributeError, KeyError, TypeError,
            RecursionError,
        ) as error:  # fmt: skip
            raise DataError(f"{name}: not an adapter ({error})", fix="Write safetensors.") from None
        words = {k.removeprefix(_WORDS): a for k, a in arrays.items() if k.startswith(_WORDS)}
        lora = {k: a for k, a in arrays.items() if not k.startswith(_WORDS)}
        return named(self.check, Adapter(lora, alpha, words), name)

    def digest(self, value: Adapter) -> str:
        """Of alpha and every array: name, type, shape, numbers."""
        digest = hashlib.sha256(repr(value.alpha).encode())
        for key, array in sorted(_arrays(value).items()):
            digest.update(repr((key, str(array.dtype), array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


IMAGE, RANKING, ADAPTER = ImageKind(), RankingKind(), AdapterKind()
KINDS: Mapping[str, OutputKind] = {kind.name: kind for kind in (IMAGE, RANKING, ADAPTER)}


def kind_of(name: str) -> OutputKind:
    """The kind called ``name``; raises `ConfigError` with those there are."""
    if name not in KINDS:
        raise ConfigError(f"no kind of output is called {name!r}", fix=f"Use {', '.join(KINDS)}.")
    return KINDS[name]


def readable(reads: str, made: str) -> bool:
    """Whether a metric that reads one kind can look at a run that makes another one."""
    return reads == made or (reads == IMAGE.name and kind_of(made).drawable)


def named(check: Callable[[T], T], value: T, name: str) -> T:
    """``check(value)``; an error says in which file it is."""
    try:
        return check(value)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def _plain(scores: tuple[float, ...] | None) -> list[float] | None:
    return None if scores is None else [float(score) for score in scores]


def _arrays(value: Adapter) -> dict[str, np.ndarray]:
    clash = next((key for key in value.lora if key.startswith(_WORDS)), None)
    if clash is not None:
        raise DataError(f"a LoRA has no key {clash!r}")
    return {**value.lora, **{f"{_WORDS}{word}": rows for word, rows in value.words.items()}}


def _type(value: object) -> str:
    return str(value.dtype) if isinstance(value, np.ndarray) else type(value).__name__
