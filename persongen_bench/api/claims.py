"""What `pgbench claims` does: the runs that papers' claims need, then what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from persongen_bench.api import campaign as campaigns
from persongen_bench.api.campaign import Campaign
from persongen_bench.api.executing import execute
from persongen_bench.api.running import score
from persongen_bench.api.settings import check_places, execution_of
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, PgbenchError, UnknownNameError
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.claims.evidence import Evidence, Wanted
from persongen_bench.leaderboards.claims.papers import Claim, MethodName, Paper
from persongen_bench.leaderboards.claims.reading import paper_names, read_claims, read_paper
from persongen_bench.leaderboards.claims.report import ClaimsReport, PaperReport
from persongen_bench.leaderboards.claims.verdicts import Question, judge, question
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import load_world

Tell = Callable[[str], None]
Said = tuple[Paper, tuple[Claim, ...]]


def _quietly(line: str) -> None:
    """Says nothing."""


@dataclass
class _Desk:
    """What the papers' names are here: method choices by board, and what cannot be made."""

    runs: Path
    seeds: tuple[int, ...]
    jobs: int
    tell: Tell
    refused: dict[str, str] = field(default_factory=dict)
    """Why a method that is registered cannot be run, by the key of what is wanted."""
    _choices: dict[str, MethodChoice] = field(default_factory=dict)

    def campaign(self, board: str) -> Campaign:
        """Runs on a board's first data set; the methods are still to be named."""
        rules = get_board(board)
        return Campaign(
            methods=(), dataset=rules.datasets[0], runs=self.runs, board_name=board,
            track=rules.track, seeds=self.seeds, beside=False,
        )  # fmt: skip

    def resolve(self, board: str, named: MethodName) -> Wanted | str:
        """What a method of a paper is on a board, or why there is none."""
        try:
            choice = self._choice(board, named)
            config = dict(facts_of(choice).config)
        except UnknownNameError:
            return f"no method {named.method} is here"
        except PgbenchError as error:
            return str(error)
        wanted = Wanted(board, choice.name, config, choice.label)
        self._choices.setdefault(wanted.key, choice)
        return self.refused.get(wanted.key, wanted)

    def _choice(self, board: str, named: MethodName) -> MethodChoice:
        registry.find("methods", named.method)
        campaign = self.campaign(board)
        if not named.of:
            return MethodChoice(named.method, options=named.options, prefer=campaign.prefer)
        beside = campaigns.choices(replace(campaign, methods=(named.of,), beside=True))
        around = [
            c for c, _ in beside if (c.name, c.options.get("base")) == (named.method, named.of)
        ]
        if not around:
            raise ConfigError(f"board {board} has no anchor {named.method} of {named.of}")
        return around[0]

    def choice(self, wanted: Wanted) -> MethodChoice:
        """How to run what `resolve` gave."""
        return self._choices[wanted.key]


@dataclass(frozen=True)
class Scope:
    """Which claims, and from which runs."""

    papers: tuple[str, ...] = ()
    """Names such as ``001``; none: all that ship."""
    every: bool = False
    """All claims, not the default subset alone."""
    board: str | None = None
    """Only claims whose stand-in is this board."""
    runs: Path = Path("runs")
    """Folder of the run directories."""
    make: bool = True
    """Make the runs that are missing and measure what runs lack; else take what is there."""
    seeds: tuple[int, ...] = (0,)
    """Of the runs to make."""
    jobs: int = 1
    """Runs at a time."""
    file: Path | None = None
    """The claims of another paper, its printed tables beside it; in place of ``papers``."""


def check_claims(scope: Scope | None = None, tell: Tell = _quietly) -> ClaimsReport:
    """Whether the claims of papers are reproduced by runs on the boards that stand in.

    Args:
        scope: which claims and runs; None: the default subset, runs made where they are missing.
        tell: called with a line for every run that is made.

    Raises:
        ConfigError: for an unknown paper or board.
        DataError: for a file of claims that is damaged.
    """
    scope = scope or Scope()
    check_places({"runs": scope.runs})
    if scope.board is not None:
        get_board(scope.board)
    desk = _Desk(scope.runs, scope.seeds, scope.jobs, tell)
    said = [(paper, claims, _chosen(paper, claims, scope)) for paper, claims in _read(scope)]
    if scope.make:
        _make_all([(paper, asked) for paper, _, asked in said], desk)
    evidence = Evidence.of(scope.runs)
    return ClaimsReport(
        papers=tuple(
            PaperReport(
                paper=paper, claims=claims,
                findings=tuple(judge(paper, asked, evidence, desk.resolve)),
            )
            for paper, claims, asked in said
        )
    )  # fmt: skip


def _read(scope: Scope) -> list[Said]:
    if scope.file is not None:
        return [read_claims(scope.file, scope.file.parent)]
    return [read_paper(name) for name in scope.papers or paper_names()]


def _chosen(paper: Paper, claims: Iterable[Claim], scope: Scope) -> tuple[Claim, ...]:
    return tuple(
        claim
        for claim in claims
        if (scope.every or claim.default) and scope.board in (None, paper.data[claim.data].board)
    )


def _make_all(asked: Sequence[Said], desk: _Desk) -> None:
    """Make the runs that the claims lack, board by board, then measure what runs lack."""
    answers = [question(paper, claim, desk.resolve) for paper, claims in asked for claim in claims]
    questions = [answer for answer in answers if isinstance(answer, Question)]
    for board in dict.fromkeys(q.board for q in questions):
        here = [q for q in questions if q.board == board]
        metrics = tuple(dict.fromkeys(q.metric for q in here))
        wanted = {w.key: w for q in here for w in q.wanted}
        _make(board, list(wanted.values()), metrics, desk)
        _measure(here, desk)


def _make(board: str, wanted: list[Wanted], metrics: tuple[str, ...], desk: _Desk) -> None:
    """Make the runs that are missing: together; after a failure one by one, which names it."""
    campaign = replace(desk.campaign(board), metrics=metrics)
    missing = _missing(wanted, desk)
    able = _able(campaign, missing, desk) if missing else []
    if able:
        desk.tell(f"board {board}: {len(able)} methods to run on {campaign.dataset}")
    try:
        _execute(campaign, able, desk)
    except PgbenchError:
        for one in _missing(able, desk):
            try:
                _execute(campaign, [one], desk)
            except PgbenchError as error:
                desk.refused[one.key] = str(error)
                desk.tell(f"  {one.shown}: {error}")


def _missing(wanted: Sequence[Wanted], desk: _Desk) -> list[Wanted]:
    evidence = Evidence.of(desk.runs)
    return [one for one in wanted if not evidence.of_method(one)]


def _execute(campaign: Campaign, wanted: Sequence[Wanted], desk: _Desk) -> None:
    if not wanted:
        return
    choices = tuple(map(desk.choice, wanted))
    with execution_of({}) as execution:
        whole = replace(campaign, methods=choices)
        for made in execute(whole, execution, desk.jobs):
            desk.tell(f"  {made.path.name}")


def _able(campaign: Campaign, missing: Sequence[Wanted], desk: _Desk) -> list[Wanted]:
    """Those that the stack and the track can run; the others are refused with the reason."""
    world = load_world(campaign.world_ref())
    terms, able = campaign.terms(world), []
    for wanted in missing:
        try:
            check_needs(world.stack, terms, [desk.choice(wanted)], world.dataset)
            able.append(wanted)
        except PgbenchError as error:
            desk.refused[wanted.key] = str(error)
    return able


def _measure(questions: Sequence[Question], desk: _Desk) -> None:
    """Score again, from their pictures, the runs that lack a metric."""
    evidence, lacking = Evidence.of(desk.runs), dict[Path, set[str]]()
    for one in questions:
        for run in [run for w in one.wanted for run in evidence.of_method(w)]:
            if one.metric not in run.summary.metrics:
                lacking.setdefault(run.path, set(run.summary.metrics)).add(one.metric)
    for path, metrics in lacking.items():
        desk.tell(f"  {path.name}: scored again")
        score(path, metrics=tuple(sorted(metrics)))
