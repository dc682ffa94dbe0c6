"""Where a number came from: code, libraries, machine, command."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Protocol, runtime_checkable

from persongen_bench.util import closure, unfiled
from persongen_bench.util.privacy import command_line

LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pandas", "pillow", "scipy", "pyarrow")


@runtime_checkable
class Wrapper(Protocol):
    """Something that stands on another object of its kind, such as a method on a method."""

    base: object


@dataclass(frozen=True)
class Coded:
    """Where code is: modules, and hashes of the source of classes that are in none."""

    modules: frozenset[str]
    unfiled: frozenset[str] = frozenset()

    def __or__(self, other: Coded) -> Coded:
        return Coded(self.modules | other.modules, self.unfiled | other.unfiled)

    @property
    def hash(self) -> str:
        """Of every module that these import, and of no other."""
        return "+".join([closure.code_hash(self.modules), *sorted(self.unfiled)])


def coded(*parts: object) -> Coded:
    """Where the code is that ``parts`` run.

    A part is a module, or an object that stands for its class and for what it wraps (``base``).
    A class without a module file, as in a notebook, counts by its source (`unfiled.source_hash`).
    Raises `ConfigError` where there is none.
    """
    modules, unfiled_hashes = set(), set()
    for part in (layer for whole in parts for layer in _layers(whole)):
        module = part.__name__ if isinstance(part, ModuleType) else type(part).__module__
        if isinstance(part, ModuleType) or closure.file_of(module):
            modules.add(module)
        else:
            unfiled_hashes.add(unfiled.source_hash(type(part)))
    return Coded(frozenset(modules), frozenset(unfiled_hashes))


def code_of(*parts: object) -> str:
    """Hash of the code that ``parts`` run; see `coded`."""
    return coded(*parts).hash


def _layers(part: object) -> Iterator[object]:
    yield part
    while isinstance(part, Wrapper):
        part = part.base
        yield part


def git_revision() -> str | None:
    """Git commit of the folder this package was imported from, ``-dirty`` if changed."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603  # fixed command
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def collect() -> dict[str, object]:
    """Everything about this process that a reader may want; no secret, no name, no place."""
    return {
        "package": _version("persongen-bench"),
        "git": git_revision(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "device": _device(),
        "command": command_line(sys.argv),
    }


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return "cpu"
    return str(torch.cuda.get_device_name(0))
