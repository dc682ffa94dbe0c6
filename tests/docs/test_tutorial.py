"""The tutorial and the README's Python run as they stand; the page shows what they print."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runner():
    """`docs/run_tutorial.py`, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("run_tutorial", ROOT / "docs/run_tutorial.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def told(runner):
    return runner.PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(runner):
    with runner.own_folder() as path:
        yield path


@pytest.fixture(scope="module")
def session(runner, told, folder):
    """What the cells of the tutorial print, and the names they leave."""
    return runner.execute(told)


@pytest.mark.slow
def test_the_page_shows_what_its_cells_print(runner, told, session):
    for (source, shown), printed in zip(runner.cells(told), session[0], strict=True):
        assert runner.same(shown, printed), f"{source}\nprints\n{printed}\nnot\n{shown}"


@pytest.mark.slow
def test_the_class_of_a_cell_is_ranked_beside_the_built_ins_and_marked(session):
    names = session[1]
    (table,) = names["board"]
    rows = {row.label: row for row in table.methods}
    # The baselines of the board `controlled`, and the method of the page.
    assert set(rows) == {
        "local/local-mean[k=3]", "random-item", "nearest-item", "mean-embedding",
    }  # fmt: skip
    mine = rows["local/local-mean[k=3]"]
    assert mine.rank is not None
    assert mine.n_ok == mine.n_expected > 0
    assert mine.distribution == "local"
    assert {row.distribution for row in table.rows if row is not mine} == {"persongen-bench"}
    lines = names["board"].to_markdown().splitlines()
    marked = [line for line in lines if line.startswith("|") and "(local)" in line]
    assert len(marked) == 1
    assert "local/local-mean" in marked[0]
    assert names["LocalMean"].__module__ == "tutorial_cells"


@pytest.mark.slow
def test_its_source_is_that_of_its_cell(session):
    from persongen_bench.util.unfiled import source_hash

    names = session[1]
    assert names["run"].config.code.endswith(f"+{source_hash(names['LocalMean'])}")


@pytest.mark.slow
def test_the_python_of_the_readme_runs(runner, folder):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)
    session = runner.Session("readme_cells")
    session.run(source)
    # 400 sprites, four tastes, 8 images each: what the call asks for.
    assert session.names["run"].summary.n_ok == 4 * 8
    assert (folder / "runs").is_dir()


def test_a_last_digit_counts_as_the_same_and_a_word_does_not(runner):
    shown = "true-taste   0.842  0.810\nlocal  1\n"
    assert runner.same(shown, "true-taste 0.843 0.810\nlocal 1")
    assert not runner.same(shown, shown.replace("0.842", "0.742"))
    assert not runner.same(shown, shown.replace("local", "other"))
    assert not runner.same(shown, shown + "2")


def test_outputs_are_written_below_their_cells(runner):
    page = "a\n\n```python\n1 + 1\n```\n\n```text\n3\n```\n\nb\n\n```python\nx = 1\n```\n"
    assert runner.cells(page) == [("1 + 1\n", "3\n"), ("x = 1\n", "")]
    fresh = runner.shown(page, ["2\n", ""])
    assert fresh == page.replace("3", "2")
    assert runner.shown(fresh, ["2\n", "4\n"]).endswith("x = 1\n```\n\n```text\n4\n```\n")


def test_cells_share_names_and_print_their_last_expression(runner):
    session = runner.Session("cells_of_a_test")
    assert session.run("x = 2\nprint(x)\nx + 1") == "2\n3\n"
    assert session.run("x") == "2\n"
    assert session.run("None") == ""
    with pytest.raises(NameError):
        session.run("y")
