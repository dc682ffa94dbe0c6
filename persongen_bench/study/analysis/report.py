"""An analysis in every format; whom it leaves out, and why, comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from persongen_bench.core.plain import json_text, plain_in
from persongen_bench.leaderboards.cells import Block, TextCell, TextColumn, p_text
from persongen_bench.leaderboards.column import NOTHING
from persongen_bench.leaderboards.render import FORMATS, html, latex, markdown, require_format
from persongen_bench.leaderboards.terminal import terminal, to_text
from persongen_bench.leaderboards.text_table import Extra, TextTable
from persongen_bench.study.analysis.estimates import strength_order
from persongen_bench.study.analysis.results import (
    Analysis,
    Estimate,
    MethodResult,
    QuestionResult,
)
from persongen_bench.study.analysis.screening import rules_said
from persongen_bench.study.analysis.sheet import to_csv

_BRACKETS = (
    "Brackets: 95% intervals over people; for ranks, the places that the data allow. Methods that "
    "share a letter are not told apart (paired tests over people, Holm-adjusted over all pairs, "
    "alpha 0.05). Bold: no method is significantly better."
)
_WORDS = (
    "Win rate: mean over people of the share of its comparisons that a method won, ties counted as "
    "a half. Strength: of Davidson's model of all choices together, a logit, 0 in the mean. Pairs "
    "of which both are bad are no preference and no tie, and in neither."
)


def render(analysis: Analysis, form: str = "table", width: int = 120) -> str:
    """The analysis as text that ends with a newline.

    Raises:
        ConfigError: if there is no such format (`leaderboards.render.FORMATS`).
    """
    require_format(form, FORMATS)
    if form == "json":
        return json_text(plain_in(analysis.model_dump(mode="json")))
    if form == "csv":
        return to_csv(analysis)
    tables = [_table(analysis, k) for k in range(len(analysis.questions))] or [_empty(analysis)]
    if form == "table":
        return to_text(terminal(tables, width), width)
    writers: Mapping[str, Callable[[Sequence[TextTable]], str]] = {
        "markdown": markdown,
        "latex": latex,
        "html": html,
    }
    return writers[form](tables)


def _empty(analysis: Analysis) -> TextTable:
    """Of a study that only elicits likes."""
    block = Block("methods", "No method was judged", (), "none judged")
    columns = _columns(ranked=False)
    return TextTable(_title(analysis), _facts(analysis, 0), columns, (block,), analysis.notes, ())


def _title(analysis: Analysis, question: str = "") -> str:
    about = f": {question}" if question else ""
    return f"{analysis.title}{about} [study {analysis.study}]"


def _facts(analysis: Analysis, n_answers: int) -> tuple[str, ...]:
    people = len(analysis.participants)
    kept = people - analysis.n_excluded
    dropped = {name: n for name, n in analysis.dropped.model_dump().items() if n}
    said = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in dropped.items()) or "none"
    who = [one for one in analysis.participants if one.excluded]
    why = "; ".join(f"participant {one.number}: {', '.join(one.excluded)}" for one in who)
    return (
        f"{kept} people, {n_answers} answers",
        f"{analysis.person} persons, preset {analysis.preset}",
        f"Excluded by the rules that the key states: {analysis.n_excluded} of {people} people. "
        + (why or "Nobody."),
        f"The rules: {'; '.join(rules_said(analysis.rules, analysis.by_chance))}",
        f"Answers that count for nobody: {said}",
    )


def _table(analysis: Analysis, k: int) -> TextTable:
    question, everybody = analysis.questions[k], analysis.everybody[k]
    others = {method.method: method for method in everybody.methods}
    shown, facts = question.methods, _facts(analysis, question.n_answers)
    if not shown and everybody.methods:
        no_rank = {"rank": None, "rank_low": None, "rank_high": None, "group": ""}
        shown = tuple(method.model_copy(update=no_rank) for method in everybody.methods)
        facts = (*facts, "Everybody is excluded: numbers with nobody excluded, without ranks")
    told_apart = len({one.group for one in shown}) > 1
    rows = tuple(
        _row(one, others.get(one.method), best=told_apart and one.rank_low == 1) for one in shown
    )
    block = Block("methods", "Methods" if rows else "No method was judged", rows, "none judged")
    ranked = any(m.average_rank.mean is not None for m in shown)
    return TextTable(
        title=_title(analysis, question.text or question.question),
        facts=facts,
        columns=_columns(ranked=ranked),
        blocks=(block,),
        notes=(_BRACKETS, _WORDS, *_said(question, everybody), *analysis.notes),
        extras=tuple(_extras(analysis, question)),
    )


def _columns(*, ranked: bool) -> tuple[TextColumn, ...]:
    return (
        TextColumn("rank", "rank"),
        TextColumn("method", "method", numeric=False),
        TextColumn("ties", "ties", numeric=False),
        TextColumn("win", "win rate"),
        TextColumn("everybody", "win rate, nobody excluded", 2),
        TextColumn("strength", "strength", 1),
        *((TextColumn("place", "average rank", 1),) if ranked else ()),
        TextColumn("people", "people", 3),
    )


def _row(
    method: MethodResult, everybody: MethodResult | None, *, best: bool
) -> dict[str, TextCell]:
    places = "" if method.rank is None else f"[{method.rank_low}-{method.rank_high}]"
    return {
        "rank": TextCell(NOTHING if method.rank is None else str(method.rank), places),
        "method": TextCell(method.method),
        "ties": TextCell(method.group),
        "win": _cell(method.win_rate, best=best),
        "everybody": TextCell(NOTHING) if everybody is None else _cell(everybody.win_rate),
        "strength": _cell(method.strength),
        "place": _cell(method.average_rank, decimals=2),
        "people": TextCell(str(method.win_rate.n)),
    }


def _cell(estimate: Estimate, decimals: int = 3, *, best: bool = False) -> TextCell:
    if estimate.mean is None:
        return TextCell(NOTHING)
    return TextCell(f"{estimate.mean:.{decimals}f}", _bounds(estimate, decimals), best)


def _bounds(estimate: Estimate, decimals: int = 3) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{estimate.low:.{decimals}f}, {estimate.high:.{decimals}f}]"


def _text(estimate: Estimate, decimals: int = 3) -> str:
    if estimate.mean is None:
        return NOTHING
    return f"{estimate.mean:.{decimals}f} {_bounds(estimate, decimals)}".rstrip()


def _ranks_said(question: QuestionResult) -> Iterable[str]:
    """What the ranks are of, or why there are none."""
    if question.unranked:
        yield f"No ranks: {question.unranked}. Rows are in the order of strengths."
        return
    n = max((method.win_rate.n for method in question.methods), default=0)
    if n < question.n_people:
        yield (
            f"Win rates and ranks are of the {n} people who compared every method; strengths and "
            f"head to head of all {question.n_people}."
        )
    by_strength = sorted(question.methods, key=strength_order)
    if [m.rank for m in by_strength] != sorted(m.rank or 0 for m in by_strength):
        order = ", ".join(method.method for method in by_strength)
        yield f"Strengths, which know the opponents, order the methods otherwise: {order}."


def _said(question: QuestionResult, everybody: QuestionResult) -> Iterable[str]:
    yield from _ranks_said(question)
    both = everybody.retest
    if question.retest.mean is not None:
        beside = f" (nobody excluded: {_text(both)})" if both != question.retest else ""
        yield (
            f"Repeats answered as before: {_text(question.retest)} of {question.n_repeats}{beside}."
        )
    if question.first_side.mean is not None:
        yield (
            f"What was shown first won {_text(question.first_side)} of its comparisons "
            f"(p {p_text(question.first_side_p)} of a half); sides are balanced."
        )
    if question.own_liked.mean is not None:
        yield (
            f"Of what they liked and what somebody else liked, people preferred their own in "
            f"{_text(question.own_liked)}; nobody is excluded by it."
        )
    if question.both_bad.mean:
        yield f"Both bad: {_text(question.both_bad)} of the pairs."
    if question.alpha is not None:
        alpha = question.alpha
        yield (
            f"Krippendorff's alpha ({alpha.scale}): {_text(alpha.alpha)} among {alpha.alpha.n} "
            f"people over {alpha.n_units} units that two or more judged."
        )


def _extras(analysis: Analysis, question: QuestionResult) -> Iterable[Extra]:
    yield Extra(
        "Head to head",
        ("first", "second", "share of the first", "tied", "both bad", "answers", "p", "p (Holm)"),
        tuple(
            (
                pair.first, pair.second, _text(pair.share), _share(pair.tied),
                _share(pair.both_bad), str(pair.n_answers), p_text(pair.p_value),
                p_text(pair.p_holm),
            )
            for pair in question.pairs
        ),
    )  # fmt: skip
    found = analysis.runs
    if found is None or question.question != "taste":
        return
    yield Extra(
        "Metrics of the runs and people's choices (differences between methods, person by person)",
        ("metric", "correlation", "agrees with"),
        tuple((m.metric, _text(m.correlation), _text(m.agrees)) for m in found.links),
    )
    if found.powered:
        yield Extra(
            f"Win rates of {found.powered[0].plain.n} people joined with {found.metric} of "
            f"{found.n_others} users who were not asked (right if those who were asked are a "
            "random part of all)",
            ("of", "less that of", "people alone", "joined", "weight", "variance saved"),
            tuple(
                (
                    one.first, one.second, _text(one.plain), _text(one.powered),
                    f"{one.weight:.3g}", f"{one.saved:.0%}",
                )
                for one in found.powered
            ),
        )  # fmt: skip


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"
