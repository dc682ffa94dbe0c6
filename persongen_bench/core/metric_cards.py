"""The metrics there are, as cards: the one source of `list`, `show`, the documentation and "all".

A signature is shown in its form, with the name of a role where a run's signature names the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, MissingRoleError, PgbenchError
from persongen_bench.core.metric import Metric, MetricInfo, Parametrised
from persongen_bench.core.output import IMAGE, readable
from persongen_bench.core.roles import open_role
from persongen_bench.core.seams import others_code
from persongen_bench.core.stack import Stack

ALL = "all"
"""In place of metric names: every printed form there is."""


@dataclass(frozen=True)
class Card:
    """One printed form of a metric."""

    entry: str
    """Name in the registry."""
    info: MetricInfo
    signature: str
    summary: str
    """First paragraph of the docstring."""
    text: str
    """The whole docstring."""


class _Reader:
    """What stands for the instrument of a world that nobody has named yet."""

    signature = "<reader>"


class Forms:
    """A `ScoreContext` that knows signatures only: of a stack, or the roles' names."""

    def __init__(self, stack: Stack | None = None) -> None:
        self._stack = stack

    taste_signature = "<reader>"
    content = _Reader()

    def encoder_signature(self, role: str) -> str:
        """The model's signature, or ``<role>``."""
        return f"<{role}>" if self._stack is None else str(open_role(self._stack, role).signature)


def parse_metric(printed: str) -> Metric:
    """The metric of a printed name such as ``precision@20``.

    Raises `ConfigError` for whatever another package's metric raises.
    """
    name, _, argument = printed.partition("@")
    cls = registry.get("metrics", name)
    with others_code(f"metric {printed} does not open"):
        metric: Metric = cls.parse(argument or None)
        _ = metric.info.name
    return metric


def printed_forms(entry: str) -> tuple[str, ...]:
    """The forms of a registered metric that belong to "all", ``("aesthetic@v1", ...)``."""
    cls = registry.get("metrics", entry)
    with others_code(f"metric {entry} does not open"):
        given = tuple(cls.arguments) if isinstance(cls, Parametrised) else ("",)
    return tuple(f"{entry}@{argument}" if argument else entry for argument in given)


def every_metric() -> list[str]:
    """Every printed form of every built-in and installed metric that opens, sorted."""
    broken = broken_metrics()
    whole = (entry for entry in registry.entries("metrics") if entry not in broken)
    return sorted(form for entry in whole for form in printed_forms(entry))


def broken_metrics() -> dict[str, str]:
    """What is wrong with each registered metric that does not open, by its name."""
    broken = {}
    for entry in registry.entries("metrics"):
        try:
            for form in printed_forms(entry):
                parse_metric(form)
        except PgbenchError as error:
            broken[entry] = str(error)
    return broken


def expand(
    names: Sequence[str], stack: Stack, *, known_taste: bool, output: str = IMAGE.name
) -> tuple[str, ...]:
    """Printed names, each once; `ALL` becomes every metric that this stack and world can have.

    ``output``: kind of the answers that are measured.

    Raises:
        MissingRoleError: if the stack lacks a model that a named metric looks through.
    """
    found: dict[str, None] = {}
    for name in names:
        if name == ALL:
            every = every_metric()
            can = (m for m in every if possible(m, stack, known_taste=known_taste, output=output))
            found |= dict.fromkeys(can)
        else:
            metric = parse_metric(name)
            _open_roles(metric, stack)
            found[metric.info.name] = None
    return tuple(found)


def possible(printed: str, stack: Stack, *, known_taste: bool, output: str = IMAGE.name) -> bool:
    """Whether a metric reads such answers, the stack has its models, and the world the truth."""
    metric = parse_metric(printed)
    if metric.info.known_taste and not known_taste:
        return False
    if not readable(metric.info.reads, output):
        return False
    try:
        _open_roles(metric, stack)
    except MissingRoleError:
        return False
    return True


def _open_roles(metric: Metric, stack: Stack) -> None:
    for role in metric.info.roles:
        open_role(stack, role)


def cards(entries: Iterable[str] | None = None, stack: Stack | None = None) -> Iterator[Card]:
    """Cards of registered metrics, one per printed form; of all without ``entries``."""
    for entry in sorted(registry.entries("metrics") if entries is None else entries):
        for printed in printed_forms(entry.partition("@")[0]):
            if "@" not in entry or entry == printed:
                yield card(printed, stack)


def card(printed: str, stack: Stack | None = None) -> Card:
    """The card of one printed form."""
    metric = parse_metric(printed)
    text = inspect.getdoc(type(metric)) or ""
    context: Any = Forms(stack)
    return Card(
        entry=printed.partition("@")[0],
        info=metric.info,
        signature=metric.signature(context),
        summary=text.partition("\n\n")[0],
        text=text,
    )


def card_of(name: str, stack: Stack | None = None) -> Card:
    """The card of ``precision@20`` or, with a usual argument, of ``precision``."""
    try:
        return card(name, stack)
    except ConfigError:
        if "@" in name:
            raise
        return card(printed_forms(name)[0], stack)


@runtime_checkable
class ReadsWords(Protocol):
    """A metric that reads words of items: those in the catalogue, else the role ``captioner``'s."""

    words_from: ClassVar[str]
    """The column of the item table that holds them."""
