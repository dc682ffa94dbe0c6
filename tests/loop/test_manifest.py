"""Answers made elsewhere: each to its own request, checked, and a run of their own content."""

from functools import partial

import numpy as np
import pytest
from PIL import Image as PilImage

from persongen_bench.core.errors import DataError
from persongen_bench.core.output import IMAGE, RANKING, Ranking
from persongen_bench.core.progress import no_progress
from persongen_bench.core.request import Request
from persongen_bench.loop import external, manifest
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.toy import toy_world, write_folder

FIRST, SECOND = (Request("anna", (item,), request_id=f"anna-{item}") for item in "xy")
BEN = Request("ben")
REQUESTS = [FIRST, SECOND, BEN]


def ranked(*ids):
    return Ranking(ids)


def delivered(folder, rows, header="user_id,ranking"):
    """The answers of a manifest whose files a.json, b.json, ... rank an item of that name."""
    folder.mkdir(exist_ok=True)
    for name in "abcd":
        (folder / f"{name}.json").write_bytes(RANKING.to_bytes(ranked(name)))
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    return manifest.from_folder(folder, REQUESTS, RANKING)


def places(answers):
    return [(answer.request_id, answer.index, *answer.open().item_ids) for answer in answers]


# --- a folder ---------------------------------------------------------------------------------


def test_rows_are_numbered_within_their_request(tmp_path):
    rows = ["anna,a.json,anna-y", f"ben,b.json,{BEN.request_id}", "anna,c.json,anna-y",
            "anna,d.json,anna-x"]  # fmt: skip
    answers = delivered(tmp_path, rows, "user_id,ranking,request_id")
    assert places(answers) == [
        ("anna-y", 0, "a"), (BEN.request_id, 0, "b"), ("anna-y", 1, "c"), ("anna-x", 0, "d"),
    ]  # fmt: skip
    assert manifest.most_answers(answers) == 2


def test_a_user_with_one_request_needs_no_id(tmp_path):
    assert places(delivered(tmp_path, ["ben,a.json", "ben,b.json"])) == [
        (BEN.request_id, 0, "a"), (BEN.request_id, 1, "b"),
    ]  # fmt: skip


def test_an_index_that_is_given_counts(tmp_path):
    answers = delivered(tmp_path, ["ben,a.json,4", "ben,b.json,0"], "user_id,ranking,index")
    assert [answer.index for answer in answers] == [4, 0]
    assert manifest.most_answers(answers) == 5
    assert manifest.most_answers([]) == 0


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("user_id,ranking", ["anna,a.json"], "row 2: user 'anna' has several requests"),
        ("user_id,ranking,request_id", ["ben,a.json,anna-x"],
         "row 2: 'ben' has no request 'anna-x'"),
        ("user_id,ranking", ["cleo,a.json"], "row 2: unknown user 'cleo'"),
        ("user_id,ranking,index", ["ben,a.json,0", "ben,b.json,0"], "row 3: .*already in row 2"),
        ("user_id,ranking,index", ["ben,a.json,100001"], "row 2: index is '100001', expected"),
        ("user_id,ranking,index", ["ben,a.json,0.5"], "row 2: index is '0.5', expected"),
        ("user_id,ranking", ["ben,a.json", "ben,e.json"], "row 3: .*e.json: no such ranking file"),
        ("user_id,ranking", ["ben,../out.json"], "row 2: .*lies outside the folder"),
        ("user_id,ranking", ["ben,manifest.csv"], "row 2: .*manifest.csv: not a ranking"),
        ("user_id,ranking,state", ["ben,a.json,ok", "ben,b.json,unscored"],
         "row 3: state is 'unscored'.*counts as missing"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(tmp_path, header, rows, message):
    (tmp_path / "out.json").write_bytes(RANKING.to_bytes(ranked("out")))
    with pytest.raises(DataError, match=message):
        delivered(tmp_path / "folder", rows, header)


def test_the_content_of_an_answer_is_that_of_its_file(tmp_path):
    a, b, again = delivered(tmp_path, ["ben,a.json", "ben,b.json", "ben,a.json"])
    assert a.content == again.content != b.content


# --- values in memory -------------------------------------------------------------------------


def test_values_go_to_a_user_or_to_a_request():
    values = {"ben": [ranked("b")], "anna-y": [ranked("c"), ranked("d")]}
    answers = manifest.from_values(values, REQUESTS, RANKING)
    assert places(answers) == [(BEN.request_id, 0, "b"), ("anna-y", 0, "c"), ("anna-y", 1, "d")]
    assert answers[0].content == RANKING.digest(ranked("b"))


def test_what_was_not_made_leaves_its_place_empty():
    answers = manifest.from_values({"ben": [None, ranked("b")]}, REQUESTS, RANKING)
    assert places(answers) == [(BEN.request_id, 1, "b")]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"anna": [ranked("a")]}, "user 'anna' has 2 requests.*such as 'anna-x'"),
        ({"cleo": [ranked("a")]}, "unknown user 'cleo'.*anna, ben"),
        ({"ben": [ranked("a", "a")]}, "names an item twice"),
        ({"ben": ["a"]}, "expected a Ranking"),
    ],
)
def test_bad_values_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        manifest.from_values(values, REQUESTS, RANKING)


# --- a run ------------------------------------------------------------------------------------

TERMS = Terms("catalogue", "prompt-free", ("diversity",), n_images=2, n_history=3)


def picture(grey):
    return np.full((3, 8, 8), grey, dtype=np.uint8)


@pytest.fixture
def ingest(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    data = write_folder(toy_world(), tmp_path / "data")
    world = load_world(WorldRef("folder", "pixels", {"like_threshold": 2}, data))

    def of(*greys, user="user-0", **options):
        values = {user: [g if isinstance(g, np.ndarray) else picture(g) for g in greys]}
        delivery = external.Delivery(partial(manifest.from_values, values), "theirs", **options)
        return external.ingest(delivery, world, TERMS, tmp_path / "runs", no_progress)

    return of


def outcome(run):
    """User and index => state and pixel hash of what has an outcome."""
    table = run.samples()
    known = table[table["state"] != "pending"]
    return {(r.user_id, r.index): (r.state, r.pixel_hash) for r in known.itertuples()}


def test_every_answer_is_a_sample_of_its_user(ingest):
    run = ingest(10, 20)
    assert outcome(run) == {("user-0", k): ("ok", IMAGE.digest(picture(grey)))
                            for k, grey in enumerate((10, 20))}  # fmt: skip
    assert len(run.samples()) == 6 * 2  # the toy world has six users
    (sample,) = run.samples().query("user_id == 'user-0' and index == 1")["sample_id"]
    assert np.array_equal(run.read_image(sample, IMAGE.digest(picture(20))), picture(20))
    assert (run.config.method.external, run.config.method.label) == (True, "theirs")


def test_a_manifest_may_say_that_everything_is_delivered(tmp_path):
    assert len(delivered(tmp_path, ["ben,a.json,ok"], "user_id,ranking,state")) == 1


def test_modes_of_files_are_remembered(tmp_path):
    """Two are laid on white and one is palette: what is scored is not what was sent."""
    modes = {"a": "RGBA", "b": "RGB", "c": "RGBA", "d": "P"}
    for name, mode in modes.items():
        PilImage.new(mode, (8, 8)).save(tmp_path / f"{name}.png")
    rows = [f"ben,{name}.png" for name in modes]
    (tmp_path / "manifest.csv").write_text("\n".join(["user_id,image", *rows]) + "\n")
    answers = manifest.from_folder(tmp_path, [BEN], IMAGE)
    assert [answer.mode for answer in answers] == list(modes.values())
    assert all(answer.open().shape == (3, 8, 8) for answer in answers)


def test_a_picture_that_shows_nothing_is_an_error_of_its_sample(tmp_path):
    """Wherever it comes from; the rest of the delivery stands, and what is no picture does not."""
    sizes = {"a": (8, 8), "b": (90, 7), "c": (1, 1)}
    for name, (width, height) in sizes.items():
        PilImage.new("RGB", (width, height)).save(tmp_path / f"{name}.png")
    rows = [f"ben,{name}.png" for name in sizes]
    (tmp_path / "manifest.csv").write_text("\n".join(["user_id,image", *rows]) + "\n")
    in_files = manifest.from_folder(tmp_path, [BEN], IMAGE)
    values = [np.zeros((3, height, width), np.uint8) for width, height in sizes.values()]
    in_memory = manifest.from_values({"ben": values}, [BEN], IMAGE)
    for answers in (in_files, in_memory):
        assert [answer.fault for answer in answers] == [
            "", "bad image: 90 x 7 pixels, an answer has at least 8 a side",
            "bad image: 1 x 1 pixels, an answer has at least 8 a side",
        ]  # fmt: skip
    with pytest.raises(DataError, match="expected uint8"):
        manifest.from_values({"ben": [np.zeros((3, 1, 1))]}, [BEN], IMAGE)


def test_what_counts_as_no_answer_is_entered_as_an_error(ingest):
    run = ingest(10, np.zeros((3, 8, 7), np.uint8), 30)
    assert outcome(run)["user-0", 1] == ("method_error", "")
    assert [outcome(run)["user-0", k][0] for k in (0, 2)] == ["ok", "ok"]
    (reason,) = run.samples().query("state == 'method_error'")["reason"]
    assert reason == "bad image: 7 x 8 pixels, an answer has at least 8 a side"


def test_who_delivers_more_is_asked_for_more(ingest):
    assert ingest(10).config.n_images == 2
    run = ingest(10, 20, 30)
    assert run.config.n_images == 3
    assert len(run.samples()) == 6 * 3


def test_a_run_is_known_by_what_was_delivered_and_by_its_seed(ingest):
    runs = [ingest(10, 20), ingest(10, 30), ingest(10), ingest(10, 20, seed=7),
            ingest(10, 20, user="user-1")]  # fmt: skip
    assert len({run.config.run_id for run in runs}) == 5
    assert [run.config.seed for run in runs] == [0, 0, 0, 7, 0]
    assert ingest(10, 20).path == runs[0].path
