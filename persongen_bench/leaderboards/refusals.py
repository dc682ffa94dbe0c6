"""Refused runs by what keeps them out: one line a reason, however many runs there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from persongen_bench.leaderboards.standings import Refusal

N_NAMED = 3
"""Runs of one reason that are named."""
MOST = 8
"""Reasons that are told one by one."""


def by_reason(refused: Iterable[Refusal]) -> list[tuple[list[Refusal], str]]:
    """Runs refused for one reason, and why, the commonest reason first.

    Where they are refused in different words, those that they share are said. Reasons beyond
    `MOST` are counted together.
    """
    kinds: dict[str, list[Refusal]] = {}
    for run in refused:
        kinds.setdefault(run.kind, []).append(run)
    groups = sorted(kinds.values(), key=len, reverse=True)
    told = [(group, _why(group)) for group in groups[:MOST]]
    rest = groups[MOST:]
    if rest:
        told.append(([run for group in rest for run in group], f"{len(rest)} other reasons"))
    return told


def _why(group: Sequence[Refusal]) -> str:
    said = {run.reason for run in group}
    return said.pop() if len(said) == 1 else group[0].kind


def some(names: Sequence[str]) -> str:
    """``a, b, c and 197 more``; those that are called alike are named once."""
    shown = list(dict.fromkeys(names))[:N_NAMED]
    others = sum(name not in shown for name in names)
    return ", ".join(shown) + (f" and {others} more" if others else "")
