"""Weights that a method saved: a fit with a number that is none is refused before it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from persongen_bench.core.errors import RunError
from persongen_bench.stacks.sound_weights import finite

_FIX = "Lower its learning rate, or look at its training data."


def check_weights(fit: Path, name: str) -> None:
    """Raise `RunError`, one line, where a safetensors file below ``fit`` holds NaN or an infinity.

    So does one that cannot be read. ``name``: of the method.
    """
    for file in sorted(fit.rglob("*.safetensors")):
        place = file.relative_to(fit).as_posix()
        try:
            wrong = next(_not_finite(file), None)
        except SafetensorError as error:
            said = " ".join(str(error).split())
            raise RunError(f"method {name} saved {place}, no safetensors file: {said}") from None
        if wrong is not None:
            raise RunError(
                f"method {name} diverged: {wrong[:80]!r} of {place} holds NaN or an infinity; "
                "the fit is not kept",
                fix=_FIX,
            )


def _not_finite(file: Path) -> Iterator[str]:
    """Names of the tensors with such a number."""
    with safe_open(file, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118  # no mapping
            if not finite(tensors.get_tensor(name)):
                yield name
