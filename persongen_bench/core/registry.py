"""Names to implementations, through Python entry points.

Built-ins are declared in this package's own ``pyproject.toml`` under the groups
``persongen_bench.{methods,datasets,metrics,stacks}`` and are found like anybody else's. A
third-party entry is addressed as ``distribution/name``, a built-in by its bare name. Listing
imports no implementation.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, get_args

from persongen_bench.core.errors import ConfigError, UnknownNameError

Kind = Literal["methods", "datasets", "metrics", "stacks", "tracks"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OWN_DISTRIBUTION = "persongen-bench"
LOCAL = "local"
"""In place of a distribution: defined at run time, in a notebook or a script."""
_NAME = re.compile(r"[a-z0-9][a-z0-9.+_-]*")


@dataclass(frozen=True)
class Entry:
    """One registered implementation, not yet imported."""

    kind: Kind
    name: str
    distribution: str
    point: EntryPoint

    def load(self) -> Any:  # noqa: ANN401  # the four kinds have four protocols
        """Import and return the implementation; a broken plugin is named in the error."""
        try:
            return self.point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"{self.kind[:-1]} {self.name!r} of distribution {self.distribution!r} "
                f"does not import ({self.point.value}): {error}",
                fix=f"Reinstall or repair {self.distribution}.",
            ) from error


@functools.cache
def entries(kind: Kind) -> dict[str, Entry]:
    """All entries of one kind by public name, built-ins first, without importing any."""
    found: dict[str, Entry] = {}
    for point in entry_points(group=f"persongen_bench.{kind}"):
        distribution = point.dist.name if point.dist is not None else "unknown"
        own = distribution == OWN_DISTRIBUTION
        name = point.name if own else f"{distribution}/{point.name}"
        if not _NAME.fullmatch(point.name):
            raise ConfigError(f"{kind[:-1]} name {name!r} is malformed; expected {_NAME.pattern}")
        if name in found and found[name].point.value != point.value:
            raise ConfigError(f"{kind[:-1]} {name!r} is registered twice by {distribution}")
        found[name] = Entry(kind, name, distribution, point)
    return dict(sorted(found.items(), key=lambda item: ("/" in item[0], item[0])))


def get(kind: Kind, name: str) -> Any:  # noqa: ANN401  # the four kinds have four protocols
    """The implementation called ``name``; an unknown name raises with the nearest ones."""
    known = entries(kind)
    if name in known:
        return known[name].load()
    by_tail = [full for full in known if full.endswith(f"/{name}")]
    near = by_tail or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"See `pgbench list {kind}`."
    raise UnknownNameError(f"no {kind[:-1]} is called {name!r}", fix=hint)
