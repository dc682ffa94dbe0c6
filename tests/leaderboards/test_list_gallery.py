"""Lists as strips: history, the held-out item, the first ten, framed where it is found."""

import json

import numpy as np
import pytest
from hash_list_case import HashList
from PIL import Image as PilImage
from plugin_case import fresh_registry

import persongen_bench as pb
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import Explanation
from persongen_bench.core.request import Failure
from persongen_bench.leaderboards import sheets
from persongen_bench.leaderboards.list_gallery import MARK, _told, _where
from persongen_bench.leaderboards.strips import RequestStrip, request_sheet
from persongen_bench.loop.explaining import Explained, read_explanations

WORLD = {
    "n_panel": 4, "n_cold": 0, "n_users": 8, "n_items": 60, "n_ratings": 240, "panel_ratings": 30,
}  # fmt: skip


class Reasons(HashList):
    """Says why the first two items stand where they stand."""

    def explain(self, request):
        (made,) = [self._one(request)]
        said = {item: f"reason of {k}" for k, item in enumerate(made.item_ids[:2])}
        return Explanation(note="by hash", listed=said)


@pytest.fixture
def printed(monkeypatch):
    texts = []
    real = sheets.ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        sheets.ImageDraw.ImageDraw,
        "text",
        lambda self, at, text, **k: (texts.append(text), real(self, at, text, **k))[1],
    )
    return texts


@pytest.fixture
def recommenders(monkeypatch):
    fresh_registry(monkeypatch)
    registry.register("methods", "hash-list", HashList)
    registry.register("methods", "reasons", Reasons)


def test_a_marked_answer_is_framed_and_explained_in_the_legend(tmp_path, printed):
    """Two green answers of 96 x 96 pixels; the frame of the second is three pixels wide."""
    green = np.broadcast_to(np.array([30, 160, 60], np.uint8)[:, None, None], (3, 96, 96))

    def n_green(marks):
        one = RequestStrip("anna", "", [], None, [green, green], (), marks)
        request_sheet([one], ["1", "2"], tmp_path / "x.png", title="t", subtitle="s")
        with PilImage.open(tmp_path / "x.png") as picture:
            return int((np.asarray(picture.convert("RGB")) == [30, 160, 60]).all(axis=2).sum())

    assert n_green(()) == 2 * 96 * 96
    assert MARK not in printed
    assert n_green(("", MARK)) == 96 * 96 + 90 * 90
    assert MARK in printed


def test_the_place_of_the_held_out_item_is_said():
    assert _where(["a", "b", "c"], ["c"]) == "held out: place 3 of 3"
    assert _where(["a", "b"], ["z"]) == "held out: not listed"
    assert _where([], ["z"]) == "no list came"


def test_reasons_of_the_first_items_stand_in_the_order_of_the_list():
    said = Explained("r", {}, "note", {"b": "why b", "a": "why a", "z": "why z"})
    lines = [(use.method, use.note) for use in _told(said, ["a", "b", "c", "d"])]
    assert lines == [("place 1", "why a"), ("place 2", "why b"), ("", "note")]


def run(method, tmp_path, **more):
    return pb.run(
        method, "tasteworld", data_options=WORLD, track="recommendation",
        runs=tmp_path / "runs", beside=False, **more,
    )  # fmt: skip


def test_a_run_leaves_a_strip_for_each_user(tmp_path, recommenders, printed):
    made = run("local/reasons", tmp_path)
    with PilImage.open(made.contact_sheet) as picture:
        assert picture.width > 24 + 168 + 10 * 96
    assert {"liked", "held out", "place 1", "place 10"} <= set(printed)
    assert {"reason of 0", "reason of 1", "by hash"} <= set(printed)
    assert any(text.startswith("held out: place") for text in printed)
    said = next(iter(read_explanations(made.path).values()))
    assert set(said.listed.values()) == {"reason of 0", "reason of 1"}


@pytest.mark.slow
def test_pseudonyms_hide_the_users_of_lists_too(tmp_path, recommenders, printed):
    made = run("local/hash-list", tmp_path, pseudonymize=True)
    assert made.contact_sheet.exists()
    assert sum(text.startswith("u-") for text in printed) == 8  # cut in the middle
    assert not any(text.startswith("person") for text in printed)


@pytest.mark.slow
def test_a_table_has_a_strip_for_each_method_and_user(tmp_path, recommenders, printed):
    run("local/hash-list", tmp_path)
    run("local/reasons", tmp_path)
    board = pb.leaderboard(tmp_path / "runs")
    printed.clear()
    (path,) = board.draw_requests()
    assert path.name == "strips.png"
    assert printed.count("local/hash-list") == printed.count("local/reasons") == 4
    assert "by hash" not in printed


@pytest.fixture
def films(tmp_path):
    """Three people, twelve films, no posters."""
    rng = np.random.default_rng(0)
    films = "\n".join(f"{k},Film {k} (1999),Drama" for k in range(1, 13))
    rows = [
        f"{user},{film},{4.5 if rng.random() < 0.7 else 2.0},{1000 + k}"
        for user in (1, 2, 3)
        for k, film in enumerate(rng.permutation(12)[:10] + 1)
    ]
    (tmp_path / "movies.csv").write_text(f"movieId,title,genres\n{films}\n", encoding="utf-8")
    log = "\n".join(rows)
    (tmp_path / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\n{log}\n", "utf-8")
    return tmp_path


def test_items_without_pictures_are_ranked_and_nothing_is_drawn(films, recommenders):
    settings = {
        "data": films, "data_options": {"pictures": "none"}, "track": "recommendation",
        "runs": films / "runs", "beside": False,
    }  # fmt: skip
    made = pb.run("local/hash-list", "ml-latest-small", **settings)
    pb.run("local/reasons", "ml-latest-small", **settings)
    assert made.config.board == "movies"
    assert made.summary.n_ok == made.summary.n_expected == 3
    assert not made.contact_sheet.exists()
    board = pb.leaderboard(films / "runs")
    assert board.draw_requests() == []
    with pytest.raises(ConfigError, match="its items have no pictures"):
        board.draw_strips(films / "x.png")
    sample = json.loads(next((made.path / "rankings").rglob("*.json")).read_text())
    assert set(sample) == {"item_ids", "scores"}


class Refuses(HashList):
    """Nothing for user 1."""

    def _one(self, request):
        if request.user_id == "1":
            return Failure("method_error", "not today")
        return super()._one(request)


def test_who_refuses_a_list_counts_the_worst(films, monkeypatch):
    """Twelve films; user 1 gets 0 and the last place, without a picture being looked for."""
    fresh_registry(monkeypatch)
    registry.register("methods", "refuses", Refuses)
    made = pb.run(
        "local/refuses", "ml-latest-small", data=films, data_options={"pictures": "none"},
        track="recommendation", runs=films / "runs", beside=False,
    )  # fmt: skip
    scores = made.scores.pivot(index="unit", columns="metric", values="value")
    n_seen = 10 - 1  # of ten ratings the latest like is held out
    assert scores.loc["1", "list-recall@100"] == 0.0
    assert scores.loc["1", "list-rank"] == 12 - n_seen
    assert (scores.loc[["2", "3"], "list-recall@100"] == 1.0).all()
    assert made.summary.metrics["list-ndcg@10"].n_units == 3
    said = made.summary.metrics["list-rank"].caveats
    assert any("1 users without a list count the last place" in line for line in said)
