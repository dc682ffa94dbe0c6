"""The example package, installed from its folder, is found, checked and run like any other.

The board ``follow`` has two requests a user, each with its own history and reference: what a user
gets is worked out here by hand from the hues, which stand in the items' ids (hueHH-N is HH/12).
"""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from example_case import EXAMPLE, TIMEOUT_SECONDS, Place, only_run

from persongen_bench.loop.store import RunDirectory
from persongen_bench.stacks.pixels import PixelsEncoder

pytestmark = pytest.mark.slow

ENTRIES = {
    "methods": ("blend", "follower", "popular", "tilt"),
    "datasets": ("pairs",),
    "tracks": ("follow", "recommend", "edit"),
    "metrics": ("hue-match", "hits"),
    "stacks": ("quick",),
    "boards": ("follow", "recommend", "edit"),
}
PAIRS = ("-d", "plugin-example/pairs")
HISTORY, REFERENCE = "plugin-example/hue-match@history", "plugin-example/hue-match@reference"
ROUNDING = 0.01
"""Pixels are whole numbers: a hue is off by less than this."""


@pytest.fixture
def place(installed, tmp_path) -> Place:
    return Place(installed, tmp_path)


@pytest.mark.parametrize("kind", ENTRIES)
def test_is_listed_with_its_distribution(place, kind):
    said = place.pgbench("list", kind)
    assert all(f"plugin-example/{name}" in said for name in ENTRIES[kind])


CHECKED = [f"{kind[:-1]}:plugin-example/{name}" for kind in ENTRIES for name in ENTRIES[kind]]


@pytest.fixture(scope="module")
def checks(installed, tmp_path_factory) -> dict[str, tuple[int, str]]:
    """Entry => status and output of `pgbench check`, all in one process that has the example."""
    code = (
        "import json, sys; from typer.testing import CliRunner;"
        "from persongen_bench.cli.app import app;"
        "done = {name: CliRunner().invoke(app, ['check', name]) for name in sys.argv[1:]};"
        "print(json.dumps({name: (one.exit_code, one.output) for name, one in done.items()}))"
    )
    done = Place(installed, tmp_path_factory.mktemp("checks")).python("-c", code, *CHECKED)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("entry", CHECKED)
def test_passes_the_check(checks, entry):
    status, said = checks[entry]
    assert status == 0, said
    assert "all passed" in said
    assert "FAIL" not in said


def test_the_command_passes_it_too(place):
    """From the start of an interpreter, and with workers that start their own."""
    process = place.start("-m", "persongen_bench", "check", "method:plugin-example/blend")
    said, complaint = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, complaint
    assert "all passed" in said


def test_bare_name_suggests_the_full_one(place):
    done = place.python("-m", "persongen_bench", "check", "blend")
    assert done.returncode == 2
    assert "Did you mean plugin-example/blend?" in done.stderr
    assert "Traceback" not in done.stderr


def test_name_of_a_track_and_a_board_must_be_told_apart(place):
    done = place.python("-m", "persongen_bench", "check", "plugin-example/follow")
    assert done.returncode == 2
    assert "Say track:plugin-example/follow or board:plugin-example/follow" in done.stderr


def test_own_tests_pass(place):
    tests = place.folder / "tests"
    shutil.copytree(EXAMPLE / "tests", tests, ignore=shutil.ignore_patterns("__pycache__"))
    done = place.python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(tests)
    )
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout


# --- two requests a user --------------------------------------------------------------------


@pytest.fixture(scope="module")
def follow(installed, tmp_path_factory) -> Place:
    """A folder with the runs of the board: a method, its baselines and anchors."""
    place = Place(installed, tmp_path_factory.mktemp("follow"))
    chosen = ("--preset", "reference-only", "--runs", "runs")
    place.pgbench("run", *PAIRS, "-m", "plugin-example/follower", *chosen)
    return place


def scores(place: Place, method: str) -> pd.DataFrame:
    """User => metric => value."""
    run = only_run(place.folder / "runs", method)
    return pd.read_parquet(run / "scores.parquet").pivot(
        index="unit", columns="metric", values="value"
    )


def match(one: str, other: str) -> float:
    """1 - 2 d of the hues in two items' ids, on the circle of twelve."""
    away = abs(int(one[3:5]) - int(other[3:5]))
    return 1 - 2 * min(away, 12 - away) / 12


def test_each_user_has_two_requests_of_their_own(follow):
    asked = follow.requests()
    assert len(asked) == 24
    assert [(r["history"], r["reference"]) for r in asked if r["user_id"] == "user-02"] == [
        (["hue02-0", "hue02-1", "hue02-2", "hue02-3"], "hue10-4"),
        (["hue00-0", "hue00-1", "hue00-2", "hue00-3"], "hue03-4"),
    ]


def test_one_user_by_hand(follow):
    """Histories of hues 2/12 and 0/12, references of 10/12 and 3/12: see the test above.

    The method gives back the references. Against its own history the first is 4/12 away, the
    second 3/12: matches of 1 - 8/12 and 1 - 6/12, mean 5/12. Against both histories, as if they
    were the user's, the matches were 4/12, 8/12, 10/12 and 6/12, mean 7/12.
    The anchor gives back history items: each matches its own history fully, its own reference
    with 4/12 and 6/12; the histories of both together it would match with (1 + 8/12) / 2.
    """
    ours = scores(follow, "plugin-example_follower").loc["user-02"]
    assert ours[REFERENCE] == pytest.approx(1, abs=ROUNDING)
    assert ours[HISTORY] == pytest.approx(5 / 12, abs=ROUNDING)
    copied = scores(follow, "copy-history").loc["user-02"]
    assert copied[HISTORY] == pytest.approx(1, abs=ROUNDING)
    assert copied[REFERENCE] == pytest.approx(5 / 12, abs=ROUNDING)


def test_every_user_is_the_mean_over_two_requests(follow):
    asked = pd.DataFrame(follow.requests())
    asked["match"] = [match(r.history[0], r.reference) for r in asked.itertuples()]
    expected = asked.groupby("user_id")["match"].mean()
    for method, metric in (("plugin-example_follower", HISTORY), ("copy-history", REFERENCE)):
        np.testing.assert_allclose(scores(follow, method)[metric], expected, atol=ROUNDING)


@pytest.mark.parametrize("method", ["plugin-example_follower", "copy-history", "random-item"])
def test_similarity_to_the_history_is_to_the_history_of_the_request(follow, method):
    """Worked out from the recorded pictures: mean cosine with the four items of the request."""
    run = RunDirectory.open(only_run(follow.folder / "runs", method))
    asked = {request["request_id"]: request for request in follow.requests()}
    items = _pictures(follow, sorted({item for r in asked.values() for item in r["history"]}))
    values: dict[str, list[float]] = {}
    for row in run.samples().itertuples():
        made = _unit(PixelsEncoder().encode([run.read_image(row.sample_id, row.pixel_hash)]))
        seen = _unit(np.stack([items[item] for item in asked[row.request_id]["history"]]))
        values.setdefault(row.user_id, []).append(float((made @ seen.T).mean()))
    expected = [np.mean(values[user]) for user in sorted(values)]
    assert {len(own) for own in values.values()} == {4}  # two answers to each of two requests
    np.testing.assert_allclose(scores(follow, method)["history-similarity"], expected, atol=1e-6)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _pictures(place: Place, items: list[str]) -> dict[str, np.ndarray]:
    """Descriptors of items as the example draws them, drawn in a process that has it."""
    code = (
        "import numpy, sys; from plugin_example.pairs import Pairs;"
        "data = Pairs.load(Pairs.Config(), None);"
        "numpy.save(sys.argv[1], numpy.stack(data.catalog.images(sys.argv[2:])))"
    )
    done = place.python("-c", code, str(place.folder / "items.npy"), *items)
    assert done.returncode == 0, done.stderr
    drawn = PixelsEncoder().encode(list(np.load(place.folder / "items.npy")))
    return dict(zip(items, drawn, strict=True))


def test_every_reference_was_opened_by_the_method_that_follows(follow):
    opened = RunDirectory.open(only_run(follow.folder / "runs", "plugin-example_follower"))
    asked = follow.requests()
    counts = pd.Series([r["reference"] for r in asked for _ in range(2)]).value_counts()
    assert opened.noted("references") == counts.to_dict()
    assert RunDirectory.open(only_run(follow.folder / "runs", "copy-history")).noted(
        "references"
    ) is None  # fmt: skip


def test_leaderboard_ranks_the_method_and_shows_the_anchor_apart(follow):
    said = follow.pgbench(
        "leaderboard", "--runs", "runs", "--board", "plugin-example/follow", "-f", "csv"
    )
    rows = [row for row in csv.DictReader(io.StringIO(said)) if row["metric"] == HISTORY]
    blocks = {row["method"]: row["block"] for row in rows}
    assert blocks == {
        "plugin-example/follower[preset=reference-only]": "methods",
        "random-item": "methods",
        "copy-history": "anchors",
    }


def test_a_method_of_rankings_is_refused_before_anything_is_made(place):
    arguments = ("run", *PAIRS, "-m", "plugin-example/popular", "--runs", "runs")
    done = place.python("-m", "persongen_bench", *arguments)
    assert done.returncode == 2
    assert "makes rankings" in done.stderr
    assert not (place.folder / "runs").exists()
