"""What a method says of how it used a request is kept, and changes nothing else."""

import json

import pytest
from PIL import Image
from run_case import make_config
from shop_case import write_shop

import persongen_bench as pb
from persongen_bench.core.config import Config
from persongen_bench.core.method import Explanation
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.leaderboards.request_gallery import draw_request_sheet
from persongen_bench.loop.explaining import FILE, Explained, explained, parse, read_explanations
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import reopen
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.wall import resident
from persongen_bench.util.private import Pseudonyms

RESULTS = ("run.json", "samples.parquet", "scores.parquet", "summary.json")
ANNA = Request("anna", ("a", "b", "c"))


class Says:
    """A method that has something to say."""

    def __init__(self, history=None, note=""):
        self.told = Explanation(history or {}, note)

    def explain(self, request):
        return self.told


class Fails:
    def explain(self, request):
        raise KeyError(request.user_id)


# --- what is asked for ------------------------------------------------------------------------


def test_items_become_places_of_the_history():
    (said,) = explained(Says({"c": "retrieved", "a": "masked .4", "z": "elsewhere"}), [ANNA])
    assert said == Explained(ANNA.request_id, {0: "masked .4", 2: "retrieved"}, "")


def test_an_item_that_was_liked_twice_is_marked_twice():
    (said,) = explained(Says({"a": "retrieved"}), [Request("anna", ("a", "b", "a"))])
    assert said.marks == {0: "retrieved", 2: "retrieved"}


def test_words_are_short_and_on_one_line():
    (said,) = explained(Says({"a": "x\ny " * 30}, "n " * 300), [ANNA])
    assert said.marks[0].startswith("x y x y")
    assert (len(said.marks[0]), len(said.note)) == (24, 120)


def test_nothing_is_kept_of_who_says_nothing():
    assert explained(Says(), [ANNA]) == []
    assert explained(Says({"a": "  "}), [ANNA]) == []
    assert explained(object(), [ANNA]) == []


def test_an_explanation_that_fails_is_said_and_costs_nothing_else():
    (said,) = explained(Fails(), [ANNA])
    assert said == Explained(ANNA.request_id, {}, "explain failed: KeyError")
    (said,) = explained(Says({"a": 3}), [ANNA])  # no word
    assert said.note == "explain failed: AttributeError"


# --- what is kept -----------------------------------------------------------------------------

SAID = Explained("r1", {0: "retrieved", 12: "masked .4"}, "reference masked .3")


def test_a_line_reads_back():
    assert parse(SAID.line()) == SAID


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "3", "null", '{"request_id": "r"}', '{"request_id":"r","marks":[],"note":""}',
     '{"request_id":"r","marks":{"x":"y"},"note":""}', '{"request_id":"r","marks":{},"note":1}',
     '{"request_id":"r","marks":{"0":null},"note":""}', "[" * 100_000],
)  # fmt: skip
def test_another_line_says_nothing(line):
    assert parse(line) is None


def test_a_damaged_or_absent_file_marks_nothing(tmp_path):
    assert read_explanations(tmp_path) == {}
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00" + SAID.line().encode() + b"\n{")
    assert read_explanations(tmp_path) == {}
    (tmp_path / FILE).write_text(f"nonsense\n{SAID.line()}\n", encoding="utf-8")
    assert read_explanations(tmp_path) == {"r1": SAID}
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    assert read_explanations(tmp_path) == {}


def test_the_journal_keeps_them_in_the_order_of_the_requests(tmp_path):
    config, requests = make_config(), [Request("ben", ("b",)), Request("anna", ("a",))]
    samples = plan_samples(config.protocol(), requests)
    run = RunDirectory.create(tmp_path / "run", config, samples)
    run.explain(Explained(r.request_id, {0: "old"}) for r in requests[::-1])
    run.explain(Explained(r.request_id, {0: "new"}) for r in requests[:1])
    kept = run.journal.explanations()
    assert [one.request_id for one in kept] == [r.request_id for r in requests]
    assert [one.marks for one in kept] == [{0: "new"}, {0: "old"}]


def test_with_pseudonyms_neither_request_nor_user_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    config = make_config(pseudonyms=Pseudonyms.of_this_machine().fingerprint)
    run = RunDirectory.create(
        tmp_path / "run", config, plan_samples(config.protocol(), [Request("anna", ("a",))])
    )
    name = Request("anna", ("a",)).request_id
    run.explain([Explained(name, {0: "like anna"}, "anna, as ever")])
    (kept,) = run.journal.explanations()
    assert kept.request_id == run.veil.request(name) != name
    assert "anna" not in kept.line()


# --- in a run ---------------------------------------------------------------------------------


class Latest:
    """Returns the latest like, and says so."""

    class Config(Config):
        pass

    presets, privileged, generate_fields = {}, False, frozenset()
    makes, roles = "image", ()

    def __init__(self, config):
        self.config = config

    def fit(self, train, context):
        self.catalog = train.catalog

    def generate(self, samples):
        return self.catalog.images([s.request.history[-1] for s in samples])

    def explain(self, request):
        return Explanation({request.history[-1]: "copied", request.history[0]: "masked .5"}, "so")

    def save(self, folder):
        pass

    def load(self, folder, stack, train):
        self.catalog = train.catalog


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run twice: as it is, and where nobody asks for explanations."""
    home = tmp_path_factory.mktemp("explained")
    shop = write_shop(home / "shop")

    def make(name):
        return pb.run(
            Latest, "folder", data=shop, n_images=2, beside=False, batch_size=5, runs=home / name
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(home / "cache"))
        asked = make("asked")
        patch.setattr(resident, "explained", lambda method, requests: [])
        yield asked, make("silent")


def test_a_run_keeps_what_its_method_says(runs):
    asked, silent = runs
    said = read_explanations(asked.path)
    assert list(said) == list(dict.fromkeys(asked.samples["request_id"]))
    for one in said.values():
        (first, last) = one.marks
        assert (first, one.marks[first], one.marks[last]) == (0, "masked .5", "copied")
        assert one.note == "so"
    assert not (silent.path / FILE).exists()


def test_no_number_and_no_identity_depends_on_it(runs):
    asked, silent = runs
    for name in RESULTS:
        one, other = ((run.path / name).read_bytes() for run in runs)
        if name == "run.json":
            one, other = ({**json.loads(raw), "created": ""} for raw in (one, other))
        assert one == other, name
    assert asked.config.run_id == silent.config.run_id


def test_strips_of_the_run_show_it(runs, tmp_path):
    heights = []
    for k, run in enumerate(runs):
        _, world = reopen(run.path, None, Execution())
        draw_request_sheet(run.results, world, tmp_path / f"{k}.png")
        with Image.open(tmp_path / f"{k}.png") as picture:
            heights.append(picture.height)
    # Six people of one request each: 45 + 6 pixels and a gap of 6 for each, 30 for the legend.
    assert heights[0] - heights[1] == 6 * (45 + 6 + 6) + 30


def test_a_journal_made_anew_knows_them(runs):
    asked, _ = runs
    directory = RunDirectory.open(asked.path)
    before = directory.journal.explanations()
    _, world = reopen(asked.path, None, Execution())
    directory.rebuild_journal(world.asked(directory.config).samples)
    assert before
    assert directory.journal.explanations() == before
