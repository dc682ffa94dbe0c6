"""One method that cannot be run, or fails, is named; the others are made and all is listed."""

import pytest
from plugin_case import install
from typer.testing import CliRunner

from persongen_bench.api.campaign import Campaign
from persongen_bench.api.executing import execute
from persongen_bench.api.ledger import HEADER, Ledger, Line, NotDoneError
from persongen_bench.api.running import run_many
from persongen_bench.cli.app import app
from persongen_bench.core.errors import MissingRoleError, PgbenchError, UnknownNameError
from persongen_bench.leaderboards.gathering import gather
from persongen_bench.loop.generate import Execution

METHOD = """
from persongen_bench.core import registry
base = registry.get("methods", "random-item")
class Mine(base):
    '''Fails.'''
    def fit(self, train, context):
        {body}
"""
FILES = {
    "bad_tools/__init__.py": "",
    "bad_tools/raises.py": METHOD.format(body="raise ValueError('no luck')"),
    "bad_tools/leaves.py": METHOD.format(body="raise SystemExit(0)"),
    "bad_tools/dies.py": METHOD.format(body="import os; os._exit(0)"),
    "bad_tools/syntax.py": "def f(:\n",
    "bad_tools/imports.py": "raise SystemExit(0)\n",
    "bad_tools/init.py": METHOD.format(body="pass").replace(
        "    def fit", "    def __init__(self, config):\n        raise SystemExit(0)\n    def fit"
    ),
}
POINTS = {name: f"bad_tools.{name}:Mine" for name in
          ("raises", "leaves", "dies", "syntax", "imports", "init")}  # fmt: skip
REASONS = {
    "bad-tools/raises": ("failed", "no luck"),
    "bad-tools/leaves": ("failed", ""),
    "bad-tools/syntax": ("refused", "SyntaxError"),
    "bad-tools/imports": ("refused", "SystemExit"),
    "bad-tools/init": ("refused", "SystemExit"),
    "textual-inversion": ("refused", "needs decoder"),
    "two-tower": ("refused", "makes rankings"),
    "nowhere": ("refused", "no method is called"),
}


@pytest.fixture
def bad(tmp_path, monkeypatch):
    install(tmp_path / "site", monkeypatch, {"methods": POINTS}, FILES, name="bad-tools")


def campaign(folder, *methods, **options):
    options = {"beside": False, "stack": "pixels", **options}
    return Campaign(methods, "dsprites", folder, {"n_images": 40}, n_images=1, **options)


def test_what_cannot_be_made_is_named_and_the_rest_is_made(tmp_path, bad):
    told = []
    ledger = Ledger(told.append)
    names = [*REASONS, "random-item"]
    asked = campaign(tmp_path / "runs", *names)
    with pytest.raises(NotDoneError, match=r"8 of 9 runs were not made: .*and 5 more") as missing:
        list(execute(asked, Execution(), 1, ledger))
    lines = {line.method: line for line in missing.value.lines}
    assert set(lines) == set(names)
    for name, (state, words) in REASONS.items():
        assert lines[name].state == state
        assert words in lines[name].reason
    assert len(told) == 8  # each at once, on one line
    assert all(text.isprintable() for text in told)
    assert [run.config.method.name for run in gather(tmp_path / "runs")[0]] == ["random-item"]


def test_side_by_side_a_process_that_dies_takes_nothing_with_it(tmp_path, bad):
    ledger = Ledger()
    asked = campaign(tmp_path / "runs", "bad-tools/dies", "bad-tools/leaves", "random-item")
    with pytest.raises(NotDoneError, match="2 of 3 runs"):
        list(execute(asked, Execution(), 2, ledger))
    states = {line.method: (line.state, line.reason) for line in ledger.lines}
    assert states["random-item"] == ("done", "")
    assert states["bad-tools/leaves"][0] == "failed"
    assert states["bad-tools/dies"][0] == "failed"
    assert states["bad-tools/dies"][1]


@pytest.mark.parametrize(
    ("name", "kind"), [("textual-inversion", MissingRoleError), ("nowhere", UnknownNameError)]
)
def test_one_method_alone_is_refused_as_ever_and_nothing_is_made(tmp_path, name, kind):
    with pytest.raises(kind):
        list(execute(campaign(tmp_path / "runs", name, beside=True), Execution()))
    assert not (tmp_path / "runs").exists()


def test_nothing_is_made_beside_what_failed(tmp_path, bad):
    ledger = Ledger()
    asked = campaign(tmp_path / "runs", "bad-tools/raises", beside=True)
    with pytest.raises(PgbenchError, match="no luck"):
        list(execute(asked, Execution(), 1, ledger))
    states = {line.method: line.state for line in ledger.lines if not line.own}
    assert states["random-item"] == "not begun"
    assert not ledger.whole


def test_a_baseline_that_cannot_be_run_here_is_no_failure_of_the_users(tmp_path):
    ledger = Ledger()
    made = list(execute(campaign(tmp_path / "runs", "random-item", beside=True), Execution(),
                        1, ledger))  # fmt: skip
    assert made[0].config.method.name == "random-item"
    states = {line.method: line.state for line in ledger.lines}
    assert states["mean-embedding"] == "refused"  # it draws, and this stack has no decoder
    assert states["nearest-item"] == "done"


def test_the_program_ends_with_the_table_and_a_status(tmp_path, bad):
    words = ["run", "-d", "dsprites", "--data-option", "n_images=40", "--n-images", "1",
             "--stack", "pixels", "--no-beside", "--runs", str(tmp_path / "runs"),
             "--method", "bad-tools/leaves", "--method", "random-item"]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    table = done.stdout[done.stdout.rindex(HEADER[0]) :]
    assert "bad-tools/leaves" in table
    assert "failed" in table
    assert "random-item" in table
    assert "done" in table
    assert "error: 1 of 2 runs were not made: bad-tools/leaves (seed 0)" in done.stderr


def test_python_gets_the_lines_with_the_error(tmp_path, bad):
    settings = {"runs": tmp_path / "runs", "stack": "pixels", "n_images": 1, "beside": False}
    with pytest.raises(NotDoneError) as missing:
        run_many(["random-item", "nowhere"], "dsprites", data_options={"n_images": 40}, **settings)
    assert [(line.method, line.state) for line in missing.value.lines] == [
        ("nowhere", "refused"), ("random-item", "done"),
    ]  # fmt: skip


def test_the_users_own_stand_first_in_the_table():
    ledger = Ledger()
    ledger.enter(Line("oracle", 0, "done", own=False))
    ledger.enter(Line("mine", 1, "failed", "why"))
    assert ledger.rows() == [("mine", "1", "failed", "why"), ("oracle", "0", "done", "-")]
