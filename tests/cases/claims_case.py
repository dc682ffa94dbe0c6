"""A made-up paper, its printed table, and the claims that a test writes for it."""

import json

from persongen_bench.leaderboards.claims.evidence import Evidence, Wanted
from persongen_bench.leaderboards.claims.reading import read_claims
from persongen_bench.leaderboards.claims.report import PaperReport
from persongen_bench.leaderboards.claims.verdicts import judge

PAPER = """
title = "A Paper"
short = "Paper"
notes = ["Its table is out of order."]
[data.D]
board = "controlled"
about = "planted people stand in"
tables = ["table"]
[data.E]
board = "controlled"
[data.people]
missing = "a study with people"
[methods.Good]
method = "rebeca"
[methods.Bad]
method = "random-item"
[methods.Same]
method = "rebeca-v1"
[methods.Strong]
method = "rebeca"
options = { guidance_scale = 9.0 }
[methods.Absent]
method = "no-such-method"
[methods.Other]
missing = "it is a person"
[methods.Best]
best_of = ["Same", "Bad", "Absent"]
[metrics.Taste]
ours = "true-taste"
default = true
[metrics.Copies]
ours = "copy-rate"
better = "lower"
[metrics.Secret]
missing = "nobody says what it is"
"""
TABLE = {
    "schema_version": 1, "title": "A Paper, Table 1", "source": "A Paper", "world": "X",
    "rows": [{"method": "Good", "metrics": {"true-taste": 0.5, "copy-rate": 0.1}},
             {"method": "Bad", "metrics": {"true-taste": 0.75, "copy-rate": 0.2}}],
}  # fmt: skip


def a_claim(a, b, metric, data="D", says=None):
    extra = "" if says is None else f'says = "{says}"\n'
    return (
        f'[[claims]]\nwhere = "Table 1"\ndata = "{data}"\na = ["{a}"]\nb = ["{b}"]\n'
        f'metrics = ["{metric}"]\n{extra}'
    )


def resolve(board, named):
    if named.method == "no-such-method":
        return "no method no-such-method is here"
    label = f"{named.method}{dict(named.options) or ''}"
    return Wanted(board, named.method, named.options, label)


def report_of(folder, runs, claims, resolve=resolve):
    """Claims in the paper's own words, judged by runs in memory."""
    (folder / "p.toml").write_text(PAPER + "\n".join(claims), encoding="utf-8")
    (folder / "table.json").write_text(json.dumps(TABLE), encoding="utf-8")
    paper, read = read_claims(folder / "p.toml", folder)
    findings = judge(paper, read, Evidence(runs), resolve)
    return PaperReport(paper=paper, claims=read, findings=tuple(findings))
