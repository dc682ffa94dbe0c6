"""A file of claims is read whole, or refused on one line that says where it is wrong."""

import json
import re

import pytest
from refusals import refused

from persongen_bench.core.errors import DataError
from persongen_bench.leaderboards.claims.reading import read_claims

GOOD = """
title = "T"
short = "S"
[data.D]
board = "controlled"
tables = ["t"]
[methods.A]
method = "rebeca"
[methods.B]
missing = "why"
[metrics.M]
ours = "true-taste"
[[claims]]
where = "Table 1"
data = "D"
a = ["A"]
b = ["B"]
metrics = ["M"]
"""
ROW = {"method": "A", "metrics": {"true-taste": 1.0}}
GOOD_TABLE = {"schema_version": 1, "title": "T", "source": "S", "world": "W", "rows": [ROW]}


def own(folder, text=GOOD, table=GOOD_TABLE):
    (folder / "own.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "t.json").write_text(table if isinstance(table, str) else json.dumps(table))
    return folder / "own.toml"


def test_a_file_of_ones_own_is_read(tmp_path):
    paper, (claim,) = read_claims(own(tmp_path), tmp_path)
    assert (paper.name, claim.name, claim.sentence) == ("own", "own-001", "A > B in M")
    assert (claim.printed, claim.holds) == ("", None)  # the table has no row of B


BROKEN = {
    "not TOML": ("title = ", "not a TOML file"),
    "not UTF-8": (b"\xff\xfe", "not a TOML file"),
    "empty": ("", "field 'title': Field required"),
    "misspelt field": (GOOD.replace("where", "wear"), "field 'claims.0.wear'"),
    "no claims": (GOOD.partition("[[claims]]")[0], "field 'claims'"),
    "a method nobody knows": (GOOD.replace('a = ["A"]', 'a = ["X"]'), "methods has no 'X'"),
    "a metric nobody knows": (GOOD.replace('["M"]', '["X"]'), "metrics has no 'X'"),
    "data nobody knows": (GOOD.replace('data = "D"', 'data = "X"'), "data has no 'X'"),
    "a rival nobody knows": (GOOD.replace('missing = "why"', 'best_of = ["X"]'), "no 'X'"),
    "neither method nor reason": (GOOD.replace('missing = "why"', ""), "say one of method"),
    "method and reason": (GOOD.replace('method = "rebeca"', 'method = "r"\nmissing = "m"'),
                          "not method and missing"),
    "a direction that is none": (GOOD.replace('["M"]', '["M"]\nsays = "best"'), "says"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_damaged_file_is_one_line(tmp_path, case):
    text, told = BROKEN[case]
    with refused(re.escape(told), "own.toml"):
        read_claims(own(tmp_path, text), tmp_path)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("{", "not valid JSON"),
        ({**GOOD_TABLE, "differs": {"x": "y"}}, "differs: no row has x"),
        ({**GOOD_TABLE, "rows": "none"}, "field 'rows'"),
    ],
)
def test_a_damaged_table_is_one_line(tmp_path, table, told):
    with pytest.raises(DataError, match=told) as caught:
        read_claims(own(tmp_path, table=table), tmp_path)
    assert "t.json" in str(caught.value)


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(DataError, match=r"x\.toml: no such file"):
        read_claims(tmp_path / "x.toml", tmp_path)
    file = own(tmp_path)
    (tmp_path / "t.json").unlink()
    with pytest.raises(DataError, match=r"t\.json: no such table"):
        read_claims(file, tmp_path)
