"""An analysis for spreadsheets: every number in full precision, no text that is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from persongen_bench.study.analysis.results import Analysis, Estimate, QuestionResult
from persongen_bench.util.spreadsheet import cell

COLUMNS = (
    "study", "question", "people", "quantity", "method", "versus", "mean", "low", "high", "n",
    "rank", "rank_low", "rank_high", "ties", "p_value", "p_holm", "participant", "text",
)  # fmt: skip
"""``people``: ``kept`` or ``everybody``, that is, nobody excluded."""


def to_csv(analysis: Analysis) -> str:
    """A line per number: of methods, of pairs, of the question, of each participant and comment."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for line in _lines(analysis):
        row = {"study": analysis.study, **line}
        writer.writerow({name: cell(value) for name, value in row.items()})
    return buffer.getvalue()


def _lines(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for one in analysis.participants:
        yield {
            "quantity": "excluded" if one.excluded else "counted",
            "participant": one.number,
            "text": ", ".join(one.excluded),
        }
    for people, questions in (("kept", analysis.questions), ("everybody", analysis.everybody)):
        for question in questions:
            for line in _question(question):
                yield {"question": question.question, "people": people, **line}
    for link in analysis.runs.links if analysis.runs else ():
        yield {"quantity": "correlation", "text": link.metric, **_number(link.correlation)}
        yield {"quantity": "agrees", "text": link.metric, **_number(link.agrees)}
    for joined in analysis.runs.powered if analysis.runs else ():
        about = {"method": joined.first, "versus": joined.second}
        yield {"quantity": "powered", **about, **_number(joined.powered)}
    for comment in analysis.comments:
        yield {"quantity": "comment", "participant": comment.number, "text": comment.text}


def _question(question: QuestionResult) -> Iterator[dict[str, Any]]:
    for method in question.methods:
        about = {"method": method.method}
        places = {
            "rank": method.rank,
            "rank_low": method.rank_low,
            "rank_high": method.rank_high,
            "ties": method.group,
        }
        yield {"quantity": "win-rate", **about, **places, **_number(method.win_rate)}
        yield {"quantity": "strength", **about, **_number(method.strength)}
        if method.average_rank.mean is not None:
            yield {"quantity": "average-rank", **about, **_number(method.average_rank)}
    for pair in question.pairs:
        about = {"method": pair.first, "versus": pair.second}
        tests = {"p_value": pair.p_value, "p_holm": pair.p_holm}
        yield {"quantity": "head-to-head", **about, **tests, **_number(pair.share)}
        yield {"quantity": "strength-difference", **about, **_number(pair.difference)}
    for name, estimate in (
        ("both-bad", question.both_bad),
        ("first-side", question.first_side),
        ("retest", question.retest),
        ("own-liked", question.own_liked),
    ):
        yield {"quantity": name, **_number(estimate)}
    if question.alpha is not None:
        yield {"quantity": "alpha", **_number(question.alpha.alpha)}


def _number(estimate: Estimate) -> dict[str, Any]:
    return estimate.model_dump()
