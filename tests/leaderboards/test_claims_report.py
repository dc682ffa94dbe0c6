"""What is printed of claims: every format the same, and on every line where it was compared."""

import json
import re

import numpy as np
import pytest
from claims_case import a_claim, report_of

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.claims.report import ClaimsReport, page, render

SPREAD = np.linspace(-0.02, 0.02, 20)
ALL_STATES = (
    ("Good", "Bad", "Taste"), ("Bad", "Good", "Taste"), ("Good", "Same", "Taste"),
    ("Strong", "Bad", "Taste"), ("Good", "Other", "Taste"),
)  # fmt: skip


@pytest.fixture
def report(tmp_path, make_run):
    """A claim in every state: the methods lie .3 apart, and a third is as good as the first."""
    taste = {"rebeca": 0.8 + SPREAD, "random-item": 0.5 + SPREAD[::-1], "rebeca-v1": 0.8 - SPREAD}
    runs = [make_run(label, {"true-taste": values}) for label, values in taste.items()]
    said = [a_claim(*claim) for claim in ALL_STATES]
    return ClaimsReport(papers=(report_of(tmp_path, runs, said),))


def test_counts_are_of_claims(report):
    # two have printed numbers: Good > Bad does not hold, Bad > Good does
    assert report.counts() == (("p Paper", "5", "1", "1", "3", "1", "1", "1", "1", "1", "0"),)


def test_every_format_has_every_claim_and_its_stand_in(report):
    loaded = ClaimsReport.model_validate(json.loads(render(report, "json")))
    assert loaded == report
    text, markdown = render(report, width=200), render(report, "markdown")
    for found in report.papers[0].findings:
        number = found.first.name.rpartition("-")[2]
        assert f"p-{number}" in text
        assert f"p-{number}" in markdown
        if found.difference is not None:
            (line,) = [li for li in markdown.splitlines() if li.startswith(f"| p-{number} ")]
            assert "on the sandbox's stand-in controlled" in line
            assert f"| {found.difference.mean:.3f} |" in line
            assert line.endswith(f"| {found.state} |")
    assert text.count("on the sandbox's stand-in controlled") == 3
    assert "Its table is out of order." in markdown
    assert max(map(len, render(report, width=120).splitlines())) <= 120


def test_a_page_says_how_it_is_made_again(report):
    first = page(report, every=True)
    assert first.startswith("# Claims of the papers\n")
    assert re.search(r"<!-- Written by `pgbench claims --all --no-run .*do not edit", first)


def test_an_unknown_format_lists_the_known_ones(report):
    with pytest.raises(ConfigError, match="Formats: table, markdown, json"):
        render(report, "latex")
