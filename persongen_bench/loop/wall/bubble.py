"""Cells of strangers: what is outside is not refused but not there (bubblewrap).

A sealed cell has no network, no other process, and of the files what its bounds name. Nothing is
forked: it imports its libraries itself, which takes some seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.loop.wall.bounds import PACKAGE
from persongen_bench.util.guard import Bounds

SEALED = "PGBENCH_SEALED"
"""Environment variable: whether cells are sealed, in this process and those that it starts."""
_OURS = ("/proc", "/dev", "/sys")
"""Bubblewrap makes these; what the machine's own hold is not shown."""
_DEVICES = ("nvidia*", "nvidia-caps", "dri", "kfd")


def asked_for() -> bool:
    """Whether cells are to be sealed."""
    return os.environ.get(SEALED) == "1"


def ask() -> None:
    """Seal every cell from now on; raises as `require` does."""
    require()
    os.environ[SEALED] = "1"


def require() -> str:
    """Bubblewrap's path; raises `ConfigError` where it is not here, or cannot work."""
    tool = shutil.which("bwrap")
    if tool is None:
        raise ConfigError(
            "--sealed needs bubblewrap, which is not here",
            fix="Install it (Debian: apt install bubblewrap), or leave --sealed out.",
        )
    tried = subprocess.run(  # noqa: S603  # a fixed command
        [tool, "--unshare-all", "--ro-bind", "/", "/", "true"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tried.returncode:
        raise ConfigError(
            f"--sealed needs user namespaces, which this system refuses: {tried.stderr.strip()}",
            fix="Allow them (kernel.unprivileged_userns_clone), or leave --sealed out.",
        )
    return tool


def start(bounds: Bounds, scratch: Path, wire: int) -> subprocess.Popen[bytes]:
    """A sealed process that runs `cell`, with the wire of this number."""
    command = [
        require(), "--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev",
        *_binds(bounds), "--chdir", str(scratch),
        sys.executable, "-P", "-B", "-m", "persongen_bench.loop.wall.cell", str(wire),
    ]  # fmt: skip
    return subprocess.Popen(  # noqa: S603  # bubblewrap
        command, pass_fds=(wire,), env=_environment(), stdin=subprocess.DEVNULL
    )


def _binds(bounds: Bounds) -> Iterator[str]:
    for place in _there(bounds.reads):
        yield from ("--ro-bind", str(place), str(place))
    for place in _there(bounds.hidden):
        shown = (
            ("--tmpfs", str(place)) if place.is_dir() else ("--ro-bind", "/dev/null", str(place))
        )
        yield from shown
    for place in _there(bounds.writes):
        yield from ("--bind", str(place), str(place))
    for shape in _DEVICES:
        for device in sorted(Path("/dev").glob(shape)):
            yield from ("--dev-bind", str(device), str(device))


def _there(places: tuple[Path, ...]) -> Iterator[Path]:
    """Those that exist and are not bubblewrap's own, the outer ones first."""
    for place in sorted(dict.fromkeys(places), key=lambda one: len(one.parts)):
        ours = any(str(place) == own or str(place).startswith(f"{own}/") for own in _OURS)
        if place.exists() and not ours:
            yield place


def _environment() -> dict[str, str]:
    """What a stranger may know of this one: where programs and weights are, and the language."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "HF_HOME", "HF_HUB_CACHE", "PGBENCH_MODELS",
            "PGBENCH_CACHE", "TORCH_HOME", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")  # fmt: skip
    known = {name: os.environ[name] for name in kept if name in os.environ}
    return {**known, "PYTHONPATH": str(PACKAGE.parent), "TOKENIZERS_PARALLELISM": "false"}
