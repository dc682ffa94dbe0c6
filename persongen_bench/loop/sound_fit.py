"""Weights that a method saved: a fit with a number that is none is neither kept nor taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from persongen_bench.core.errors import RunError
from persongen_bench.stacks.sound_weights import finite
from persongen_bench.util.sealed import said_bad, sound_folder

_FIX = "Where it diverged lower its learning rate, or look at its training data."


def sound_fit(fit: Path) -> bool:
    """Whether a fit of the cache is there and can be taken; a bad one gets a notice.

    It holds what was sealed, and no weights that `check_weights` refuses.
    """
    if not sound_folder(fit):
        return False
    wrong = _wrong(fit)
    if wrong is not None:
        said_bad(fit, wrong)
    return wrong is None


def check_weights(fit: Path, name: str) -> None:
    """Raise `RunError`, one line, where a safetensors file below ``fit`` holds NaN or an infinity.

    So does one that cannot be read. ``name``: of the method.
    """
    wrong = _wrong(fit)
    if wrong is not None:
        said = f"method {name} saved weights that nothing can use: {wrong}; the fit is not kept"
        raise RunError(said, fix=_FIX)


def _wrong(fit: Path) -> str | None:
    """What is wrong with the first bad safetensors file below ``fit``; None: nothing."""
    for file in sorted(fit.rglob("*.safetensors")):
        place = file.relative_to(fit).as_posix()
        try:
            bad = next(_not_finite(file), None)
        except SafetensorError as error:
            return f"{place} is no safetensors file ({' '.join(str(error).split())})"
        if bad is not None:
            return f"{bad[:80]!r} of {place} holds NaN or an infinity"
    return None


def _not_finite(file: Path) -> Iterator[str]:
    """Names of the tensors with such a number."""
    with safe_open(file, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118  # no mapping
            if not finite(tensors.get_tensor(name)):
                yield name
