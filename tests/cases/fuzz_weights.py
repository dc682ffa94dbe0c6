"""Malformed weights: adapters that are delivered, LoRA files, and the models of the stacks."""

import json
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuzz_case import Case
from fuzz_inputs import STRANGERS, damages, special, write
from safetensors.numpy import save

from persongen_bench.core.output import ADAPTER
from persongen_bench.loop.store import read_file
from persongen_bench.stacks.judges.checkpoint import read_state
from persongen_bench.stacks.sandbox.standin_files import WEIGHTS, read_weights
from persongen_bench.stacks.sprites import weights as sprites
from persongen_bench.util.lora.reading import read_lora

NAME = "model.safetensors"
KEY = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora.{}.weight"
DOWN, UP = KEY.format("down"), KEY.format("up")


def lora(**changes: np.ndarray) -> dict[str, np.ndarray]:
    """Two factors of one layer."""
    return {DOWN: np.ones((2, 4), np.float32), UP: np.ones((4, 2), np.float32), **changes}


def raw(header: dict[str, Any] | bytes, data: bytes = b"", size: int | None = None) -> bytes:
    """A safetensors file whose header says anything."""
    said = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(said) if size is None else size) + said + data


def entry(shape: list[Any], start: Any, end: Any, dtype: str = "F32") -> dict[str, Any]:
    """A tensor in a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def _typed(dtype: str, width: float) -> bytes:
    size = int(8 * width)
    header = {DOWN: entry([2, 4], 0, size, dtype), UP: entry([4, 2], size, 2 * size, dtype)}
    return raw(header, bytes(2 * size))


def headers() -> dict[str, bytes]:
    """Files whose header lies, or says what no file says."""
    data = bytes(64)
    types = {"BOOL": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8, "U8": 1, "U16": 2, "U32": 4,
             "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1, "F16": 2, "BF16": 2, "F64": 8, "C64": 8,
             "F4": 0.5, "F8_E8M0": 1, "F6_E2M3": 0.75}  # fmt: skip
    return {
        **{f"numbers of type {name}": _typed(name, width) for name, width in types.items()},
        "another type": raw({DOWN: entry([2, 4], 0, 32, "X99")}, data),
        "a size of 2^63": raw(b"{}", size=2**63), "a size of 4 GB": raw(b"{}", size=1 << 32),
        "a size of 0": raw(b"{}", data, size=0), "a size too small": raw(b"{}  ", data, size=1),
        "beyond the end": raw({DOWN: entry([2, 4], 0, 10**12)}, data),
        "backwards": raw({DOWN: entry([2, 4], 32, 0)}, data),
        "overlapping": raw({DOWN: entry([2, 4], 0, 32), UP: entry([4, 2], 16, 48)}, data),
        "a gap": raw({DOWN: entry([2, 4], 0, 32), UP: entry([4, 2], 40, 72)}, bytes(72)),
        "a shape too large": raw({DOWN: entry([2**40, 2**40], 0, 32)}, data),
        "a shape below 0": raw({DOWN: entry([-1, 4], 0, 32)}, data),
        "a shape of text": raw({DOWN: entry(["2", 4], 0, 32)}, data),
        "no shape": raw({DOWN: {"dtype": "F32", "data_offsets": [0, 32]}}, data),
        "a number for a tensor": raw({DOWN: 7}, data), "a list": raw(b"[]"),
        "nothing": raw({}), "a name twice": raw(
            b'{"a":' + json.dumps(entry([8], 0, 32)).encode() + b',"a":'
            + json.dumps(entry([8], 0, 32)).encode() + b"}", data),
        "a deep header": raw(b'{"__metadata__":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
        "a huge header": raw(json.dumps({f"t{k}": entry([0], 0,
        0) for k in range(20_000)}).encode()),
        "a name of 1 MB": raw({"x" * 1_000_000: entry([8], 0, 32)}, data[:32]),
        "an empty name": raw({"": entry([8], 0, 32)}, data[:32]),
        "a name in colour": raw({"\x1b[31m\u202e": entry([8], 0, 32)}, data[:32]),
        "a number of 5,000 digits": raw(b'{"a":{"dtype":"F32","shape":[' + b"9" * 5_000
                                        + b'],"data_offsets":[0,4]}}', data),
        "NaN in the header": raw(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}'),
        "not UTF-8": raw(b'{"\xff":{}}'),
        "metadata of numbers": raw({"__metadata__": {"a": 1}, DOWN: entry([8], 0, 32)}, data[:32]),
        "metadata null": raw({"__metadata__": None, DOWN: entry([8], 0, 32)}, data[:32]),
    }  # fmt: skip


def values() -> dict[str, bytes]:
    """Files that are whole, and hold what no LoRA holds."""
    return {
        "NaN": save(lora(**{UP: np.full((4, 2), np.nan, np.float32)})),
        "infinite": save(lora(**{UP: np.full((4, 2), np.inf, np.float32)})),
        "whole numbers": save(lora(**{UP: np.ones((4, 2), np.int64)})),
        "truth": save(lora(**{UP: np.ones((4, 2), bool)})),
        "no numbers": save(lora(**{UP: np.ones((4, 0), np.float32)})),
        "one number": save(lora(**{UP: np.float32(1)[None][0:1].reshape(())})),
        "seven axes": save(lora(**{UP: np.ones((1,) * 7, np.float32)})),
        "a key of digits": save({"7": np.ones(3, np.float32)}),
        "a key of dots": save({"..." * 50: np.ones(3, np.float32)}),
        "words of nothing": save({"words.": np.ones((1, 4), np.float32)}),
        "words twice": save({"words.words.a": np.ones((1, 4), np.float32)}),
    }


def _about(said: Any) -> bytes:
    return save(lora(), {"adapter": said if isinstance(said, str) else json.dumps(said)})


def alphas() -> dict[str, bytes]:
    """Adapters whose alpha is no number."""
    said = {"a list": [], "null": None, "a text": {"alpha": "many"}, "NaN": '{"alpha": NaN}',
            "infinite": '{"alpha": 1e999}', "truth": {"alpha": True},
            "a list in it": {"alpha": [1]},
            "deep": "[" * 100_000, "5,000 digits": '{"alpha": ' + "9" * 5_000 + "}", "no JSON": "x",
            "zero": {"alpha": 0}, "an object": {"alpha": {}},
            "400 digits": {"alpha": 10**400}}  # fmt: skip
    return {f"alpha {what}": _about(one) for what, one in said.items()}


def deliver(folder: Path, _: Any) -> None:
    """Reads an adapter as a delivery is read."""
    adapter = read_file(folder / NAME, ADAPTER)
    assert ADAPTER.to_bytes(adapter)
    assert ADAPTER.digest(adapter)


def convert(folder: Path, _: Any) -> None:
    """Reads a LoRA as ``--lora`` does."""
    read_lora(folder / NAME)


MEANT = {"adapter": ("numbers of type F16", "numbers of type F64", "a gap", "alpha null", "nothing",
                     "a name in colour", "an empty name", "a key of digits", "a key of dots",
                     "words of nothing", "no numbers", "one number", "seven axes", "alpha zero",
                     "a name of 1 MB", "metadata null", "a name twice", "a huge header",
                     "numbers of type BF16", "metadata of numbers", "words twice"),
         "lora": ("numbers of type F16", "numbers of type F64",
         "numbers of type BF16")}  # fmt: skip
"""What is read, as far as the kind of file says."""


def adapters() -> list[Case]:
    """Adapters in a delivery."""
    data = save(lora(), {"adapter": json.dumps({"alpha": 2, "version": 1})})
    return _files("adapter", data, alphas())


def loras() -> list[Case]:
    """Files for ``--lora`` and ``convert``."""
    return _files("lora", save(lora()), {})


def _files(which: str, good: bytes, more: dict[str, bytes]) -> list[Case]:
    whole = headers() | values() | STRANGERS | more
    cases = [Case(f"{which}: {what}", write(NAME, data), may_pass=what in MEANT[which])
             for what, data in whole.items()]  # fmt: skip
    cases += [Case(f"{which}: {what}", write(NAME, data), may_pass=True)
              for what, data in damages(good, 6, 12).items()]  # fmt: skip
    return cases + [Case(f"{which}: {what}", make) for what, make in special(NAME).items()]


def open_model(folder: Path, which: Any) -> None:
    """Opens weights of a stack."""
    if which == "sprites":
        sprites.load(folder)
    elif which == "stand-in":
        read_weights(folder, torch.nn.Linear(4, 2))
    else:
        read_state(folder / which)


def models() -> list[Case]:
    """Weights of stacks: safetensors of another model or of none, and pickles."""
    cases = []
    linear = {"weight": np.ones((2, 4), np.float32), "bias": np.ones(2, np.float32)}
    good = save(linear)
    bad = {k: v for k, v in headers().items() if k in SOME} | values() | STRANGERS
    for which, name in (
        ("sprites", sprites.WEIGHTS),
        ("stand-in", WEIGHTS),
        ("x.safetensors",) * 2,
    ):
        loose = which == "x.safetensors"
        for what, data in (bad | _odd(linear)).items():
            make = _then(write(name, data), which)
            allowed = what in ("NaN", "infinite", "truth", "words of nothing") or loose
            cases.append(Case(f"{which}: {what}", make, may_pass=allowed and loose))
        for what, data in damages(good, 4, 6).items():
            cases.append(Case(f"{which}: {what}", _then(write(name, data), which), may_pass=True))
        for what, make in special(name).items():
            cases.append(Case(f"{which}: {what}", _then(make, which)))
    cases += [Case(f"pickle: {what}", _then(partial(_pickled, thing), "x.pth"),
    may_pass=what in TENSORS)
              for what, thing in PICKLED.items()]  # fmt: skip
    return cases


SOME = ("a size of 2^63", "beyond the end", "overlapping", "a shape too large", "a deep header",
        "numbers of type F8_E4M3", "another type", "nothing")  # fmt: skip


def _odd(good: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Right names and shapes, wrong numbers."""
    return {f"the model in {np.dtype(kind)}": save({k: v.astype(kind) for k, v in good.items()})
            for kind in (np.int32, bool, np.uint8)} | {
        "the model of NaN": save({k: v * np.nan for k, v in good.items()}),
        "the model of inf": save({k: v * np.inf for k, v in good.items()}),
    }  # fmt: skip


class Evil:
    """Would write a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("pwned"),))


PICKLED: dict[str, Any] = {
    "code": Evil(), "integer keys": {1: torch.ones(2)}, "a number": 7, "a list": [torch.ones(2)],
    "numbers": {"a": 1.0}, "sparse": {"a": torch.eye(3).to_sparse()},
    "meta": {"a": torch.ones(2, device="meta")}, "complex": {"a": torch.ones(2,
    dtype=torch.complex64)},
    "truth": {"a": torch.ones(2, dtype=torch.bool)}, "NaN": {"a": torch.full((2,), torch.nan)},
    "nested": {"a": {"b": torch.ones(2)}}, "a tensor": torch.ones(2), "nothing": {},
    "strided": {"a": torch.ones(1).expand(10**9)},
}  # fmt: skip
TENSORS = ("nothing",)


def _pickled(thing: Any, folder: Path) -> None:
    torch.save(thing, folder / "x.pth")


def _then(make: Callable[[Path], Any], which: str) -> Callable[[Path], str]:
    def made(folder: Path) -> str:
        make(folder)
        return which

    return made
