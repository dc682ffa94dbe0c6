"""The findings of papers as a text for a terminal, a page, or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import json_text
from persongen_bench.leaderboards.cells import OWN_JUDGE, p_text
from persongen_bench.leaderboards.claims.papers import Claim, Paper
from persongen_bench.leaderboards.claims.verdicts import STATES, Finding
from persongen_bench.leaderboards.column import NOTHING
from persongen_bench.leaderboards.render import escape_markdown
from persongen_bench.leaderboards.terminal import to_text

_DIFFERENCE = (
    "A - B: mean difference over the N users that both methods have, each user first averaged over "
    "seeds, with its 95% interval; p by the paired test of the boards, Holm-adjusted over the "
    "comparisons made here for one paper. Reproduced: p is at most 0.05 and the sign is the "
    "paper's. Reversed: p is at most 0.05 and the sign is the other. Not separable: neither. A "
    "claim of equality is reproduced where the whole interval lies within 2% of the second value."
)
_WORTH = (
    "Every comparison here is on the sandbox's stand-in for the paper's data, with small models: "
    "it says whether a claim carries over, not whether the paper's numbers are right."
)
LEGEND = (
    _DIFFERENCE,
    "Holds: whether the paper's own printed numbers agree with its claim (equal: within 2%).",
    _WORTH,
    f"{OWN_JUDGE}: one of the two methods was fitted or selected by the judge of this metric.",
)
_INTRODUCTION = (
    "What the papers claim of their methods, whether their own printed numbers agree, and what "
    "runs on the sandbox say. Without `--no-run` the command makes the runs that are missing, "
    "without `--all` it takes one metric of each family. `--file` takes another paper's claims, in "
    "the form of the files in `leaderboards/claims`."
)
HEADER = ("claims", "the paper", "printed", "here", "A", "B", "A - B", "95% interval", "p (Holm)",
          "N", "verdict")  # fmt: skip


class PaperReport(Config):
    """What was found of one paper's claims."""

    paper: Paper
    claims: tuple[Claim, ...]
    """All of them."""
    findings: tuple[Finding, ...]
    """Of those that were asked for."""

    @property
    def left_out(self) -> int:
        """Claims that were not asked for."""
        return len(self.claims) - sum(len(found.claims) for found in self.findings)

    def counts(self) -> list[int]:
        """Claims; of them printed numbers that hold, that do not, without; then by `STATES`."""
        holds = Counter(claim.holds for claim in self.claims)
        states = Counter(dict.fromkeys(STATES, 0))
        for found in self.findings:
            states[found.state] += len(found.claims)
        printed = [holds[True], holds[False], holds[None]]
        return [len(self.claims), *printed, *(states[s] for s in STATES), self.left_out]


class ClaimsReport(Config):
    """What was found of several papers' claims."""

    schema_version: int = 1
    papers: tuple[PaperReport, ...]

    def counts(self) -> tuple[tuple[str, ...], ...]:
        """A row of counts per paper, and one of all."""
        rows = [report.counts() for report in self.papers]
        names = [f"{report.paper.name} {report.paper.short}" for report in self.papers]
        total = [sum(column) for column in zip(*rows, strict=True)]
        lines = [*zip(names, rows, strict=True), *([("all", total)] if len(rows) > 1 else [])]
        return tuple((name, *map(str, row)) for name, row in lines)

    def __str__(self) -> str:
        return render(self)


COUNTS = ("paper", "claims", "hold in print", "do not", "no number", *STATES, "left out")


def render(report: ClaimsReport, form: str = "table", width: int = 120) -> str:
    """Print as ``table``, ``markdown`` or ``json``; `ConfigError` for another format."""
    writers: Mapping[str, Callable[[], str]] = {
        "table": lambda: _table(report, width),
        "markdown": lambda: _markdown(report),
        "json": lambda: json_text(report.model_dump(mode="json")),
    }
    require_format(form, writers)
    return writers[form]()


def require_format(form: str, known: Iterable[str] = ("table", "markdown", "json")) -> None:
    """Raise `ConfigError` for a format that claims do not have."""
    if form not in known:
        raise ConfigError(f"claims have no format {form!r}", fix=f"Formats: {', '.join(known)}.")


def _compared(report: PaperReport) -> list[Finding]:
    return [found for found in report.findings if found.difference is not None]


def _reasons(report: PaperReport, state: str) -> dict[str, list[Claim]]:
    """Why claims in a state were not compared, the commonest reason first."""
    reasons: dict[str, list[Claim]] = {}
    for found in report.findings:
        if found.state == state and found.difference is None:
            reasons.setdefault(found.reason, []).extend(found.claims)
    return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))


def _line(found: Finding) -> tuple[str, ...]:
    gap, column = found.difference, found.column
    assert gap is not None  # only comparisons have lines
    bounds = f"[{column.format(gap.low)}, {column.format(gap.high)}]"
    mark = f" {OWN_JUDGE}" if found.own_judge else ""
    return (
        names(found.claims), _said(found), _printed(found.claims), _here(found),
        column.format(found.mean_a), column.format(found.mean_b), column.format(gap.mean),
        bounds if gap.low is not None else NOTHING, p_text(gap.p_holm), str(gap.n_units),
        f"{found.state}{mark}",
    )  # fmt: skip


def names(claims: Sequence[Claim]) -> str:
    """Their names; of long lists spans are joined, ``001-011 to 016``."""
    numbers = sorted({int(claim.name.rpartition("-")[2]) for claim in claims})
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    spans = zip(starts, ends, strict=True)
    texts = [f"{a:03}" if a == b else f"{a:03} to {b:03}" for a, b in spans]
    return f"{claims[0].paper}-{', '.join(texts)}"


def _said(found: Finding) -> str:
    data = ", ".join(dict.fromkeys(claim.data for claim in found.claims))
    sentences = "; ".join(dict.fromkeys(claim.sentence for claim in found.claims))
    notes = "; ".join(dict.fromkeys(claim.note for claim in found.claims if claim.note))
    return f"{sentences} ({data})" + (f": {notes}" if notes else "")


def _printed(claims: Sequence[Claim]) -> str:
    verdict = {True: "holds", False: "does not hold", None: "no number"}
    texts = dict.fromkeys(
        ", ".join(part for part in (claim.printed, verdict[claim.holds]) if part)
        for claim in claims
    )
    return "; ".join(texts)


def _here(found: Finding) -> str:
    remark = f" ({found.reason})" if found.reason else ""
    return (
        f"{found.a} against {found.b}{remark}, {found.metric}, "
        f"on the sandbox's stand-in {found.board}"
    )


def _standins(report: PaperReport) -> list[str]:
    told = []
    for name, standin in report.paper.data.items():
        where = f"stand-in {standin.board}" if standin.board else "no stand-in"
        told.append(f"{name}: {where}; {standin.about or standin.missing}.")
    seeds = sorted({n for found in _compared(report) for n in found.seeds})
    if seeds:
        many = " or ".join(map(str, seeds))
        told.append(f"Seeds of a method: {many}; with one, p holds the choice of people alone.")
    return told


def _table(report: ClaimsReport, width: int) -> str:
    parts: list[Text | Table] = [_rich(COUNTS, report.counts())]
    for one in report.papers:
        parts += [Text(""), Text(f"{one.paper.name} {one.paper.title}")]
        parts += [Text(line) for line in _standins(one)]
        lines = [_terminal_line(found) for found in _compared(one)]
        if lines:
            parts.append(_rich(("claims", "what", "A - B", "p (Holm)", "N", "verdict"), lines))
        for state in ("not run", "cannot be run here"):
            parts += [
                Text(f"{state} ({len(claims)}): {reason} [{names(claims)}]")
                for reason, claims in _reasons(one, state).items()
            ]
    return to_text(Group(*parts, Text(""), *map(Text, LEGEND)), width)


def _terminal_line(found: Finding) -> tuple[str, ...]:
    claims, said, printed, here, a, b, gap, bounds, p, n, verdict = _line(found)
    what = f"{said}\nprinted: {printed}\nhere: {here}: {a} and {b}"
    return claims, what, f"{gap}\n{bounds}", p, n, verdict


def _rich(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in header:
        left = name in ("paper", "claims", "what", "verdict")
        table.add_column(Text(name), justify="left" if left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(text) for text in row))
    return table


def _markdown(report: ClaimsReport) -> str:
    lines = [*_md_table(COUNTS, report.counts()), ""]
    for one in report.papers:
        lines += [f"## {one.paper.name} {escape_markdown(one.paper.short)}", ""]
        lines += [escape_markdown(one.paper.title), ""]
        lines += [f"- {escape_markdown(text)}" for text in (*_standins(one), *one.paper.notes)]
        rows = [_line(found) for found in _compared(one)]
        lines += ["", *(_md_table(HEADER, rows) if rows else ["Nothing was compared."]), ""]
        for state in ("not run", "cannot be run here"):
            reasons = _reasons(one, state)
            if reasons:
                told = [(str(len(c)), reason, names(c)) for reason, c in reasons.items()]
                lines += [*_md_table((state, "why", "claims"), told), ""]
    lines += ["## How to read this", "", *(f"- {escape_markdown(text)}" for text in LEGEND)]
    return "\n".join(lines) + "\n"


def page(report: ClaimsReport, *, every: bool) -> str:
    """The Markdown as a whole page that says how it is made again."""
    options = [*(["--all"] if every else []), "--no-run", "--runs RUNS", "--output FILE"]
    return "\n".join([
        "# Claims of the papers", "",
        f"<!-- Written by `pgbench claims {' '.join(options)}`; do not edit. -->", "",
        _INTRODUCTION, "", _markdown(report),
    ])  # fmt: skip


def _md_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(texts: Sequence[str]) -> str:
        return "| " + " | ".join(escape_markdown(text) for text in texts) + " |"

    return [line(header), "|" + ":---|" * len(header), *map(line, rows)]
