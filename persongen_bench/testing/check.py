"""``pgbench check NAME``: run the contract of a registered entry, without pytest."""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, PgbenchError, UnknownNameError
from persongen_bench.core.method import Method
from persongen_bench.core.near import near_miss
from persongen_bench.core.registry import Kind
from persongen_bench.testing.base import Contract
from persongen_bench.testing.datasets import DatasetContract
from persongen_bench.testing.methods import MethodContract
from persongen_bench.testing.metrics import MetricContract
from persongen_bench.testing.require import ContractError, FatalError
from persongen_bench.testing.stacks import StackContract
from persongen_bench.testing.tracks import TrackContract
from persongen_bench.testing.tricks import plain_arguments
from persongen_bench.util.files import data_root

Contracts: TypeAlias = Mapping[Kind, type[Contract]]
CONTRACTS: Contracts = {
    "methods": MethodContract,
    "datasets": DatasetContract,
    "metrics": MetricContract,
    "stacks": StackContract,
    "tracks": TrackContract,
}
"""Boards know of all of these, and so their contract is further out: `instruments.checking`."""
REASON_LENGTH = 300

Echo = Callable[[str], None]


@dataclass(frozen=True)
class CheckResult:
    """One check of a contract: passed where ``reason`` is None."""

    name: str
    reason: str | None
    seconds: float
    fatal: bool = False
    """Whether the subject cannot be run in this process after it."""

    def __str__(self) -> str:
        said = self.name.removeprefix("test_").replace("_", " ")
        mark = "pass" if self.reason is None else "FAIL"
        line = f"{mark}  {said} ({self.seconds:.1f} s)"
        return line if self.reason is None else f"{line}\n      {self.reason}"


@dataclass(frozen=True)
class CheckReport:
    """All checks of one entry."""

    kind: Kind
    name: str
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(result.reason is None for result in self.results)

    @property
    def exit_status(self) -> int:
        """0 where every check passed, else 1."""
        return 0 if self.passed else 1

    def __str__(self) -> str:
        failed = sum(result.reason is not None for result in self.results)
        seconds = sum(result.seconds for result in self.results)
        outcome = "all passed" if self.passed else f"{failed} FAILED"
        entry = f"{self.kind[:-1]} {self.name}"
        return f"{entry}: {len(self.results)} checks, {outcome} in {seconds:.1f} s"


def silent(line: str) -> None:
    """The `Echo` that says nothing."""


def find_kind(name: str, contracts: Contracts = CONTRACTS) -> Kind:
    """The one kind that has an entry called ``name``; ``kind:name`` says which of several."""
    kind, separator, _ = name.partition(":")
    if separator:
        matching = [k for k in contracts if kind in (k, k[:-1])]
        if not matching:
            raise ConfigError(f"unknown kind {kind!r}", fix=f"Kinds are: {', '.join(contracts)}.")
        return matching[0]
    having = [k for k in contracts if name in registry.entries(k)]
    if len(having) > 1:
        options = " or ".join(f"{k[:-1]}:{name}" for k in having)
        raise ConfigError(f"{name!r} is the name of several entries", fix=f"Say {options}.")
    if not having:
        known = {entry: k for k in contracts for entry in registry.entries(k)}
        tails = [entry for entry in known if entry.endswith(f"/{name}")]
        if near := near_miss(name, known) if not tails else f"Did you mean {' or '.join(tails)}?":
            raise UnknownNameError(f"nothing is called {name!r}", fix=near)
        registry.get("methods", name)  # raises with where to look
    return having[0]


def check(
    what: str | type[Method],
    echo: Echo = silent,
    kind: Kind | None = None,
    root: Path | None = None,
    contracts: Contracts = CONTRACTS,
    *,
    seed: int | None = None,
) -> CheckReport:
    """Run the contract of an entry, or of a method's class.

    Args:
        what: registered name, ``distribution/name`` for a plugin; ``kind:name`` where several
            kinds have it. Or a method's class, which need not be registered.
        echo: receives one line per check as it ends, then the summary.
        kind: which registry; by default the only one that has the name.
        root: the data folder, for data sets that need one; by default where it usually lies.
        contracts: which contract binds each kind.
        seed: of the worlds that methods and metrics are checked on; by default the system draws
            one, and it is said.

    Raises:
        UnknownNameError: no entry has the name.
        DataError: the data are not there.
        ConfigError: the entry does not import, or several kinds have the name.
    """
    if isinstance(what, type):
        kind, name = "methods", what.__name__
        contract: Contract = MethodContract()
        contract.method = what  # type: ignore[attr-defined]  # a method's contract
    else:
        kind, name = kind or find_kind(what, contracts), what.rpartition(":")[2]
        contract = _contract(contracts[kind], kind, name, root)
    if isinstance(contract, MethodContract | MetricContract):
        contract.seed = secrets.randbits(31) if seed is None else seed
        echo(f"worlds of seed {contract.seed}")
    contract.forget()
    with plain_arguments():
        contract.prepare()
        results = [*_results(contract, echo)]
    report = CheckReport(kind, name, tuple(results))
    echo(str(report))
    return report


def _results(contract: Contract, echo: Echo) -> Iterator[CheckResult]:
    """What each check that applies found; none is run after the process of a plugin ended."""
    for test in contract.checks():
        if contract.applies(test):
            result = _run(contract, test)
            echo(str(result))
            yield result
            if result.fatal:
                return


def _contract(cls: type[Contract], kind: Kind, name: str, root: Path | None) -> Contract:
    registry.get(kind, name)
    contract = cls()
    setattr(contract, contract.subject, name)
    if isinstance(contract, DatasetContract):
        contract.root = root or data_root(name)
    elif root is not None:
        raise ConfigError("only data sets have a data folder", fix="Leave it out.")
    return contract


def _run(contract: Contract, test: str) -> CheckResult:
    """One check; whatever a plugin raises is a failure of that check, not of the program."""
    start = time.perf_counter()
    reason, fatal = None, False
    try:
        getattr(contract, test)()
    except FatalError as error:
        reason, fatal = str(error), True
    except (ContractError, PgbenchError) as error:
        reason = str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # code under test may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        reason = f"{type(error).__name__}: {error} ({where})"
    if reason is not None:
        reason = " ".join(reason.split())[:REASON_LENGTH]
    return CheckResult(test, reason, time.perf_counter() - start, fatal)
