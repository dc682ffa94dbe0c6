"""The parts of a printed table, and the words below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from persongen_bench.core.plain import LABEL, plain
from persongen_bench.leaderboards.column import NOTHING

BlockKind = Literal["methods", "anchors", "reported"]
_BRACKETS = (
    "Brackets: 95% intervals, clustered by user (or prompt); for ranks, the places that the data "
    "allow. Of several seeds: users and seeds both vary."
)
_TIES = (
    "Methods that share a letter are not told apart (paired tests over users, Holm-adjusted over "
    "all pairs of the table, alpha 0.05). Bold: no method is significantly better in that column "
    "(the same tests, adjusted within the column); none where all are tied. Anchors are reference "
    "lines and are never ranked."
)
_COLUMNS = (
    "p: permutation of whole users on the taste instrument, the largest over seeds. "
    "MDE: true difference to the first-ranked method that would have been found with 80% power. "
)
COMPARISON_LEGEND = (
    "Paired over units; p: paired test (exact below 12 units and for shares, t otherwise), "
    "Holm-adjusted over the metrics. MDE: true difference that would have been found with 80% "
    "power. better: only where p (Holm) <= 0.05. Two runs have one seed each: what another seed "
    "would change is not in intervals and tests."
)
FEW_NOTE = (
    "(n=...): over so many units only; the metric is undefined for the others, or gives them no "
    "value where nothing was delivered."
)
OWN_JUDGE = "\N{DEGREE SIGN}"
"""Behind a number whose judge the method used itself."""
OWN_JUDGE_NOTE = (
    f"{OWN_JUDGE}: the method used the weights of this judge in fit or selection; no judge grades "
    "its own student, so the number proves nothing for it."
)


def legend(answers: str) -> tuple[str, ...]:
    """The words below every table; ``answers``: the header of what was delivered."""
    return (_BRACKETS, _TIES, f"{_COLUMNS}{answers}: delivered / asked for, over all seeds.")


@dataclass(frozen=True)
class TextCell:
    """One printed cell."""

    text: str = ""
    interval: str = ""
    best: bool = False
    own_judge: bool = False
    n_units: int | None = None
    """Units behind the number, where they are fewer than the table's."""

    def __post_init__(self) -> None:
        """Whatever a method is called, its name stands on one line and can be seen."""
        object.__setattr__(self, "text", plain(self.text, LABEL))

    @property
    def marked(self) -> str:
        """The text as it is printed, with `OWN_JUDGE` and ``(n=60)`` where they belong."""
        own = OWN_JUDGE if self.own_judge else ""
        few = "" if self.n_units is None else f" (n={self.n_units})"
        return f"{self.text}{own}{few}"


@dataclass(frozen=True)
class TextColumn:
    """One printed column; a low ``priority`` stays longest when space is short."""

    key: str
    header: str
    priority: int = 0
    numeric: bool = True

    def __post_init__(self) -> None:
        """The header can be seen."""
        object.__setattr__(self, "header", plain(self.header, LABEL))


@dataclass(frozen=True)
class Block:
    """Rows under one heading."""

    kind: BlockKind
    title: str
    rows: tuple[Mapping[str, TextCell], ...]
    short: str
    """The title where there is little room."""

    def __post_init__(self) -> None:
        """The titles, of papers too, can be seen."""
        object.__setattr__(self, "title", plain(self.title, LABEL))
        object.__setattr__(self, "short", plain(self.short, LABEL))


def rows_with_numbers(
    block: Block, columns: Sequence[TextColumn]
) -> tuple[Mapping[str, TextCell], ...]:
    """The rows of ``block`` that have a number in one of ``columns``; a reported one may not."""
    return tuple(row for row in block.rows if any(c.numeric and c.key in row for c in columns))


def p_text(value: float | None) -> str:
    """A p-value as it is printed."""
    if value is None:
        return NOTHING
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"
