"""Whether the files of a language model hold every tensor of it, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from persongen_bench.core.errors import ConfigError


def require_complete(folder: Path, report: Mapping[str, Iterable[object]]) -> None:
    """Raises `ConfigError` where the library's report of loading ``folder`` names a tensor."""
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = sorted(map(str, report[kind]))
        if names:
            said = f"{kind.replace('_', ' ')}: {names[0]}"
            raise ConfigError(f"{folder}: not the expected model: {said}")
