"""The Python door: runs, answers from elsewhere and tables, as a script or a notebook uses them."""

import json

import numpy as np
import pytest

import persongen_bench as pb
from persongen_bench.api.local import as_choice, kebab
from persongen_bench.api.requests import requests
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.methods.random_item import RandomItem

SMALL = {"data_options": {"n_images": 40}, "n_images": 2, "beside": False}
HEADLINE = "true-taste"


class AlwaysTheFirst(RandomItem):
    """Gives everybody the first picture of the catalogue: a class that no package registers."""

    def generate(self, samples):
        (image,) = self._catalog.images(self._catalog.ids[:1])
        return [image for _ in samples]

    def fit(self, train, context):
        super().fit(train, context)
        self._catalog = train.catalog

    def load(self, folder, stack, train):
        super().load(folder, stack, train)
        self._catalog = train.catalog


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))


def test_the_door_lists_what_it_opens():
    for name in pb.__all__:
        assert getattr(pb, name) is not None
    assert set(pb.__all__) <= set(dir(pb))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pb.nothing


def test_a_run_by_name_is_the_run_of_the_command_line():
    made = pb.run("random-item", "dsprites", **SMALL)
    assert made.label == "random-item"
    assert made.summary.n_ok == made.summary.n_expected == 2 * len(made.images)
    assert list(made.scores) == ["unit", "metric", "value", "signature"]
    frame = made.to_frame()
    own = made.scores[made.scores["metric"] == HEADLINE]["value"].mean()
    assert frame.loc[HEADLINE, "mean"] == pytest.approx(own, abs=1e-12)
    assert (frame["low"].dropna() <= frame["mean"][frame["low"].notna()]).all()
    again = pb.Run.open(made.path)
    assert again.summary == made.summary
    assert "random-item" in made._repr_html_()


def test_images_and_outputs_are_what_was_recorded():
    made = pb.run("random-item", "dsprites", **SMALL)
    user, images = next(iter(made.images.items()))
    assert [image.dtype for image in images] == [np.uint8, np.uint8]
    assert images[0].shape[0] == 3
    rows = made.samples[made.samples["user_id"] == user]
    request = str(rows["request_id"].iloc[0])
    assert np.array_equal(made.outputs[request][0], images[0])
    made.results.samples.loc[made.samples["user_id"] == user, "state"] = "filtered"
    assert pb.Run(made.results).images[user] == [None, None]


def test_a_class_of_a_script_runs_ranks_and_is_marked():
    mine = pb.run(AlwaysTheFirst, "dsprites", **SMALL)
    pb.run("random-item", "dsprites", **SMALL)
    assert mine.config.method.name == "local/always-the-first"
    assert mine.config.method.local
    table = pb.leaderboard()
    frame = table.to_frame()
    assert set(frame["method"]) == {"local/always-the-first", "random-item"}
    assert frame["rank"].notna().all()
    assert "(local)" in table.to_text()
    assert "(local)" in table.to_latex()
    assert "(local)" in table.to_markdown()
    assert "(local)" in table.to_html()
    assert "local/always-the-first" in table._repr_html_()
    assert len(json.loads(table.to_json())["tables"]) == len(table)
    long = table.to_long_frame()
    shown = long[(long["method"] == "random-item") & (long["metric"] == HEADLINE)]["mean"].item()
    wide = frame.set_index("method").loc["random-item", HEADLINE]
    assert shown == pytest.approx(wide)


def test_its_source_is_part_of_the_run():
    first = pb.run(AlwaysTheFirst, "dsprites", **SMALL)
    assert first.config.code == pb.run(AlwaysTheFirst, "dsprites", **SMALL).config.code
    assert first.config.code != pb.run("random-item", "dsprites", **SMALL).config.code


def test_only_this_process_knows_it():
    with pytest.raises(ConfigError, match="defined in this process only"):
        pb.run(AlwaysTheFirst, "dsprites", workers=2, **SMALL)
    with pytest.raises(ConfigError, match="defined in this process only"):
        pb.run_many([AlwaysTheFirst, "random-item"], "dsprites", jobs=2, **SMALL)


def test_several_methods_and_seeds_come_in_order():
    made = pb.run_many(["random-item", "nearest-item"], "dsprites", seeds=(0, 1), **SMALL)
    assert [(run.label, run.config.seed) for run in made] == [
        ("random-item", 0), ("random-item", 1), ("nearest-item", 0), ("nearest-item", 1),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="run_many"):
        pb.run("random-item", "dsprites", seeds=(0, 1), **SMALL)


def test_an_instance_brings_its_settings():
    cls = registry.get("methods", "wrong-user")
    choice = as_choice(cls(cls.Config(n_history=7)))
    assert (choice.name, choice.label) == ("wrong-user", "wrong-user[n_history=7]")
    assert choice.build().config == cls.Config(n_history=7)
    assert as_choice(cls) == "wrong-user"
    assert [kebab(name) for name in ("MyMethod", "LoRA", "Plain")] == [
        "my-method",
        "lo-ra",
        "plain",
    ]


def test_images_of_anybody_are_scored_and_the_missing_count():
    made = pb.run("random-item", "dsprites", **SMALL)
    users = sorted(made.images)
    given = {user: made.images[user] for user in users[:-1]}
    options = {"data_options": SMALL["data_options"]}
    scored = pb.score(given, "dsprites", label="copied", **options)
    assert scored.config.method.external
    assert scored.summary.states["missing"] > 0
    own = made.scores[made.scores["metric"] == "novelty"].set_index("unit")["value"]
    theirs = scored.scores[scored.scores["metric"] == "novelty"].set_index("unit")["value"]
    # 2 of 25 images were delivered; the other 23 count novelty's failed value of -2.
    expected = (own[users[0]] * 2 + 23 * -2.0) / 25
    assert theirs[users[0]] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(own[users[0]]) == np.isnan(theirs[users[0]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nobody": []}, "^no answer$|unknown user"),
        ({"nobody": [np.zeros((3, 4, 4), np.uint8)]}, "unknown user 'nobody'"),
    ],
)
def test_answers_for_nobody_are_refused(given, message, tmp_path):
    with pytest.raises(DataError, match=message):
        pb.score(given, "dsprites", data_options={"n_images": 40})
    assert not (tmp_path / "runs").exists()


def test_answers_of_another_kind_are_refused(tmp_path):
    user = requests("dsprites", data_options={"n_images": 40})[0]["user_id"]
    with pytest.raises(DataError, match="expected a uint8 array"):
        pb.score({user: [pb.Ranking(("a",))]}, "dsprites", data_options={"n_images": 40})
    assert not (tmp_path / "runs").exists()


def test_a_run_is_scored_again_by_another_metric():
    made = pb.run("random-item", "dsprites", **SMALL)
    again = pb.score(made, metrics=("vendi",))
    assert set(again.summary.metrics) - set(made.summary.metrics) == {"vendi"}
    assert again.path == made.path


def test_two_runs_are_compared():
    first, second = pb.run_many(["random-item", "nearest-item"], "dsprites", **SMALL)
    found = pb.compare(first, second.path)
    assert (found.a, found.b) == ("random-item (seed 0)", "nearest-item (seed 0)")
    assert HEADLINE in {row.metric for row in found.metrics}


def test_requests_say_what_is_asked():
    lines = requests("dsprites", data_options={"n_images": 40})
    assert len({line["request_id"] for line in lines}) == len(lines)
    assert {line["answers"] for line in lines} == {25}
    assert all(line["reference"] is None for line in lines)
