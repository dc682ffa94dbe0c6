"""The analyses as a user runs them, on a shop of two dozen pictures."""

from pathlib import Path

import pytest
from shop_case import write_shop
from typer.testing import CliRunner

from persongen_bench.cli.app import app

RUN = ("run", "-m", "random-item", "-d", "folder", "--n-images", "1", "--no-beside",
       "--stack", "sandbox")  # fmt: skip


def pgbench(*arguments, status=0):
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(autouse=True, scope="module")
def run(tmp_path_factory):
    """A finished run that follows no references."""
    base = tmp_path_factory.mktemp("analyses")
    write_shop(base / "shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        patch.chdir(base)
        pgbench(*RUN, "--data", base / "shop")
        yield next(Path("runs/catalogue").iterdir())


def test_histories_are_printed(run):
    said = pgbench("audit", "retrieval", run, "--k", "2", "--seeds", "1").output
    assert "Histories of 2 items: " in said
    for words in ("| Ret |", "| Exp-Ret - Random |", "Ranker vbpr, 1 seeds."):
        assert words in said
    assert "@shop.example" not in said


def test_histories_that_are_too_long_are_one_line(run):
    done = pgbench("audit", "retrieval", run, "--k", "9", status=2)
    assert done.stderr.count("\n") == 1
    assert "nobody has a held-out like and 27 training likes" in done.stderr


def test_a_run_without_references_is_one_line(run):
    done = pgbench("audit", "auxiliary", run, status=2)
    assert done.stderr.count("\n") == 1
    assert "follows no references" in done.stderr


def test_another_ranker_is_refused(run):
    assert "'vbpr', 'micro'" in pgbench("audit", "retrieval", run, "--ranker", "x", status=2).stderr


@pytest.mark.parametrize("aspect", ["content", "style"])
def test_topics_are_printed_with_their_words(run, aspect):
    said = pgbench("audit", "topics", run, "--aspect", aspect).stdout.splitlines()
    rows = [line.strip("| ").split(" | ") for line in said[4:]]
    # Every one of the shop's thirty pictures has a topic, and every like is one of a topic.
    assert said[0] == f"{len(rows)} {aspect} topics of 30 images; keywords by class-based tf-idf"
    assert len(rows) >= 2
    assert sum(int(row[1]) for row in rows) == 30
    assert sum(float(row[3]) for row in rows) == pytest.approx(1, abs=0.01)
    assert all(1 <= len(row[4].split(", ")) <= 5 and row[4].islower() for row in rows)


def test_fewer_words(run):
    said = pgbench("audit", "topics", run, "--words", "1").stdout.splitlines()
    assert all("," not in line.rsplit(" | ", 1)[1] for line in said[4:])


def test_another_aspect_is_refused(run):
    assert "'content', 'style'" in pgbench("audit", "topics", run, "--aspect", "x", status=2).stderr
