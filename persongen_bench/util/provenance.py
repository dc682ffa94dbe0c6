"""Where a number came from: code, libraries, machine, command."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pandas", "pillow", "scipy", "pyarrow")


@functools.cache
def package_hash(package: str) -> str:
    """Hash of all Python files of a top-level package, by relative path and content."""
    origin = import_module(package).__file__
    if origin is None:
        return "namespace"
    file = Path(origin)
    if file.name != "__init__.py":
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    digest = hashlib.sha256()
    for source in sorted(file.parent.rglob("*.py")):
        digest.update(source.relative_to(file.parent).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def code_hash(method: object) -> str:
    """Hash of this package's sources and of those of the method's (and its base's) package."""
    parts = (method, getattr(method, "base", None))
    packages = {type(part).__module__.partition(".")[0] for part in parts if part is not None}
    others = sorted(packages - {"persongen_bench"})
    return "+".join(package_hash(name) for name in ("persongen_bench", *others))


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
    """Everything about this process that a reader may want; holds no secret, no user name."""
    return {
        "package": _version("persongen-bench"),
        "git": git_revision(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "device": _device(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return "cpu"
    return str(torch.cuda.get_device_name(0))
