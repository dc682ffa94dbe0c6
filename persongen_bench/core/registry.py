"""Names to implementations, through Python entry points.

Built-ins are declared in this package's own ``pyproject.toml`` under the groups
``persongen_bench.{methods,datasets,metrics,stacks,tracks,boards}`` and are found like anybody
else's. A third-party entry is addressed as ``distribution/name``, a built-in by its bare name; what
is defined at run time, in a notebook, joins by `register` as ``local/name``. Listing imports no
implementation. An entry that cannot be used, by its name, its value or a second owner, is listed
with what is wrong (`Entry.problem`) and refuses to load; every other one is as it would be without.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.resources.abc import Traversable
from typing import Any, Literal, get_args

from persongen_bench.core.declared import Declared, declarations, entry_trouble, folder_of
from persongen_bench.core.errors import ConfigError, UnknownNameError
from persongen_bench.core.seams import cause_of

Kind = Literal["methods", "datasets", "metrics", "stacks", "tracks", "boards"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OWN_DISTRIBUTION = "persongen-bench"
LOCAL = "local"
"""Stands for a distribution in the names of things that no package holds."""
_NAME = re.compile(r"[a-z0-9][a-z0-9.+_-]*")


@dataclass(frozen=True)
class Entry:
    """One registered implementation, not yet imported."""

    kind: Kind
    name: str
    """Public name: ``name`` of a built-in, ``distribution/name`` of any other."""
    distribution: str
    point: EntryPoint | None
    """Where it is declared; None for one that was registered at run time."""
    implementation: Any = None
    """The thing itself, where there is no entry point."""
    problem: str = ""
    """Why it cannot be used, as far as that is known without importing it; empty: nothing is."""

    @property
    def installed(self) -> bool:
        """Whether a package holds it, so that any process can import it."""
        return self.point is not None

    def load(self) -> Any:  # noqa: ANN401  # every kind has a protocol of its own
        """Import and return the implementation; of a board the file that holds it.

        Raises:
            ConfigError: if the plugin is broken, whatever it raises, ``SystemExit`` too; it is
                named with the cause.
        """
        if self.problem:
            raise self._refusal(self.problem)
        if self.point is None:
            return self.implementation
        try:
            return _data_file(self.point) if self.kind == "boards" else self.point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # code of others, which may do anything
            why = f"does not import ({self.point.value}): {cause_of(error)}"
            raise self._refusal(why) from error

    def _refusal(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self.kind[:-1]} {self.name!r} of distribution {self.distribution!r} {why}",
            fix=f"Reinstall or repair {self.distribution}.",
        )


def _data_file(point: EntryPoint) -> Traversable:
    """The file that ``package.module:name`` stands for: ``name.toml`` in that package's folder.

    Nothing of the package is imported.
    """
    return folder_of(point.module) / f"{point.attr}.toml"


_registered: dict[tuple[Kind, str], Entry] = {}
"""What was registered at run time, by kind and full name."""


def register(
    kind: Kind,
    name: str,
    implementation: Any,  # noqa: ANN401  # every kind has a protocol of its own
    *,
    distribution: str = LOCAL,
) -> Entry:
    """Make something known by the name ``local/<name>``, in this process only.

    It replaces what was registered under that name before, and never anything installed.

    Args:
        kind: what it is.
        name: short name, in small letters.
        implementation: the class; for a board its file, a dict of its fields or a ``Board``.
        distribution: what stands before the stroke in place of ``local``.

    Raises:
        ConfigError: if there is no such kind, the name is malformed, or a package has it.
    """
    if kind not in KINDS:
        raise ConfigError(f"no kind is called {kind!r}", fix=f"Kinds are: {', '.join(KINDS)}.")
    full = f"{distribution}/{name}"
    _check_name(kind, name, full)
    if distribution == OWN_DISTRIBUTION or full in _installed(kind):
        raise ConfigError(
            f"{kind[:-1]} {full!r} belongs to an installed package", fix="Choose another name."
        )
    entry = Entry(kind, full, distribution, None, implementation)
    _registered[kind, full] = entry
    return entry


_closed: set[Kind] = set()
"""Kinds that this process does not know."""


def close(*kinds: Kind) -> None:
    """Know nothing of these kinds from now on, in this process: a method's own has no data sets."""
    _closed.update(kinds)


def entries(kind: Kind) -> dict[str, Entry]:
    """All entries of one kind by public name, built-ins first, without importing any.

    Raises `ConfigError` where the process has closed the kind.
    """
    if kind in _closed:
        raise ConfigError(f"{kind} are not known where a method runs")
    local = {name: entry for (its, name), entry in _registered.items() if its == kind}
    return _sorted(local | _installed(kind))


@functools.cache
def _installed(kind: Kind) -> dict[str, Entry]:
    """What the entry points of this environment declare, the broken among them."""
    declared = declarations(f"persongen_bench.{kind}", OWN_DISTRIBUTION)
    return {entry.name: entry for entry in (_entry(kind, one) for one in declared)}


def read_anew() -> None:
    """Look again for what is installed: the search path may hold other packages now."""
    _installed.cache_clear()


def _entry(kind: Kind, declared: Declared) -> Entry:
    """One declaration as an entry; a bad one says what is wrong with it."""
    point, owner = declared.point, declared.distribution
    name = point.name if declared.own else f"{owner}/{point.name}"
    problem = declared.problem or entry_trouble(point)
    if not problem and not _NAME.fullmatch(point.name):
        problem = f"has a malformed name; expected {_NAME.pattern}"
    if problem and not name.isprintable():
        name = ascii(name)[1:-1]
    return Entry(kind, name, owner, point, problem=problem)


def _check_name(kind: Kind, name: str, full: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{kind[:-1]} name {full!r} is malformed; expected {_NAME.pattern}")


def _sorted(known: dict[str, Entry]) -> dict[str, Entry]:
    return dict(sorted(known.items(), key=lambda item: ("/" in item[0], item[0])))


def get(kind: Kind, name: str) -> Any:  # noqa: ANN401  # every kind has a protocol of its own
    """The implementation called ``name``; an unknown name raises with the nearest ones."""
    return find(kind, name).load()


def find(kind: Kind, name: str) -> Entry:
    """The entry called ``name``; an unknown name raises with the nearest ones."""
    if kind not in _closed:
        there = _registered.get((kind, name)) or _installed(kind).get(name)
        if there is not None:
            return there
    known = entries(kind)
    by_tail = [full for full in known if full.endswith(f"/{name}")]
    near = by_tail or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"See `pgbench list {kind}`."
    raise UnknownNameError(f"no {kind[:-1]} is called {name!r}", fix=hint)
