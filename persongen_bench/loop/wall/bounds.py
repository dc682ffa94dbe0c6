"""What a cell may touch: the interpreter, its libraries, the models, and folders of its own."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from persongen_bench.util.files import cache_root
from persongen_bench.util.guard import Bounds

PACKAGE = Path(__file__).parents[2]
_SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/etc", "/opt", "/sys", "/proc/self", "/proc/cpuinfo",
    "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/filesystems", "/proc/loadavg",
    "/proc/sys", "/proc/driver", "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
    "/dev/urandom", "/dev/nvidiactl", "/run/nvidia",
)  # fmt: skip
"""Of the machine; of processes its own alone."""
REFUSED = tuple(
    f"persongen_bench.{name}"
    for name in ("datasets", "metrics", "leaderboards", "api", "instruments", "cli",
                 *(f"loop.{part}" for part in ("world", "store", "journal", "evaluation", "score",
                                               "run", "fit", "asked", "external", "manifest")),
                 "worlds.flickr_aes", "worlds.sprite_taste",
                 *(f"worlds.tasteworld.{part}" for part in ("people", "taste", "ratings",
                                                            "preferences", "activity", "ceilings",
                                                            "reader")))
)  # fmt: skip
"""Modules that a method cannot import: the data, who likes what in them, and what measures it."""


def of_cell(writes: tuple[Path, ...], reads: tuple[Path, ...] = (), *, open_code: bool) -> Bounds:
    """The bounds of a cell.

    Args:
        writes: its own folders.
        reads: what it may read besides, such as the fit that it restores.
        open_code: whether it may know all modules of this package: privileged anchors hold a taste.
    """
    libraries = (*_interpreter(), *_models(), *_search_path())
    modules = () if open_code else REFUSED
    hidden = () if open_code else tuple(_files_of(modules))
    writes = (*writes, cache_root() / "digests")
    lists = tuple(Path(entry) for entry in search_path() if Path(entry).is_dir())
    return Bounds((*libraries, *reads), writes, hidden, lists=lists, modules=modules)


def search_path() -> tuple[str, ...]:
    """Where modules are looked for; an entry that stands for the working folder in full."""
    return tuple(dict.fromkeys(entry or str(Path.cwd()) for entry in sys.path))


def _interpreter() -> Iterator[Path]:
    yield from map(Path, _SYSTEM)
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    yield from map(Path, sorted(places))
    yield PACKAGE


def _models() -> Iterator[Path]:
    """Where weights lie that are published."""
    hub = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    yield Path(hub) / "hub"
    for name in ("HF_HUB_CACHE", "PGBENCH_MODELS", "TORCH_HOME"):
        if os.environ.get(name):
            yield Path(os.environ[name])
    yield cache_root() / "models"


def _search_path() -> Iterator[Path]:
    """Packages and modules on the search path, and nothing that lies beside them."""
    for entry in map(Path, search_path()):
        if "site-packages" in entry.parts or "dist-packages" in entry.parts or entry.is_file():
            yield entry
        elif entry.is_dir():
            yield from _importable(entry)


def _importable(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as inside:
            names = [one for one in inside if not one.name.startswith(".")]
    except OSError:
        return
    for one in names:
        package = one.is_dir() and (Path(one.path) / "__init__.py").exists()
        about = one.name.endswith((".dist-info", ".egg-info"))
        if package or about or one.name.endswith((".py", ".pth", ".so", ".pyd")):
            yield Path(one.path)


def _files_of(modules: tuple[str, ...]) -> Iterator[Path]:
    """The sources of modules of this package: they cannot be read to be run by hand either."""
    for name in modules:
        place = PACKAGE.joinpath(*name.split(".")[1:])
        yield place if place.is_dir() else place.with_suffix(".py")
        yield from place.parent.glob(f"__pycache__/{place.name}.*.pyc")


def named_in(config: Mapping[str, Any]) -> Iterator[Path]:
    """Files and folders that the user named in the options of the method."""
    for value in config.values():
        if isinstance(value, str) and "/" in value and Path(value).is_absolute():
            yield Path(value)
