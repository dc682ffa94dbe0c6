"""The cold-start track on the toy world: newcomers, their supports, who adapts, and the curves.

Two of the toy's people are tested; each has a twin of the same taste among the others.
"""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from arrow_case import arrow_of
from typer.testing import CliRunner

from persongen_bench.api import cold_results, cold_start
from persongen_bench.api.campaign import Campaign
from persongen_bench.api.cold_results import ColdRun
from persongen_bench.api.ledger import Ledger, NotDoneError
from persongen_bench.cli.app import app
from persongen_bench.core import registry
from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.method import FitContext
from persongen_bench.datasets.supports import supports
from persongen_bench.loop import newcomers, run
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.wall.known import facts_of, facts_of_run
from persongen_bench.loop.wall.resident import Assignment, FitOrder, Resident
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.methods.rebeca import Rebeca
from persongen_bench.testing.toy import HueTaste, ToyStack, split_by_time, toy_world

SIZES = (0, 2, 8)
NEW = ("user-0", "user-3")
CHEAP = {
    "n_tokens": 4, "n_layers": 1, "n_heads": 2, "hidden_size": 8, "max_epochs": 2,
    "sampler": "ddim", "n_inference_steps": 3, "n_token_steps": 2,
}  # fmt: skip


def of_new_people(interactions, seed):
    """The toy's split by time, where only the newcomers are tested."""
    split = split_by_time(interactions, seed)
    asked = split.test["user_id"].isin(NEW)
    return replace(split, test=split.test[asked], validation=split.test[~asked])


class Cold:
    """The toy data set with twins of its people and splits for cold start."""

    Config = Config
    tracks = ("cold-start",)

    @classmethod
    def load(cls, config, root):
        toy = toy_world().dataset
        log = toy.interactions
        twins = log.assign(user_id=log["user_id"] + "-twin")
        hues = {**toy.taste.hues, **{f"{user}-twin": hue for user, hue in toy.taste.hues.items()}}
        return replace(
            toy,
            interactions=pd.concat([log, twins], ignore_index=True),
            splits={"by-time": of_new_people, **supports("by-time", of_new_people, SIZES)},
            taste=HueTaste(hues),
        )


REGISTERED = {("datasets", "toy/cold"): Cold, ("stacks", "toy"): ToyStack}


@pytest.fixture(autouse=True)
def toy_names(monkeypatch, tmp_path_factory):
    """Makes the toy's parts known by name, and gives the tests a cache of their own."""
    known = registry.get
    monkeypatch.setattr(
        registry, "get", lambda kind, name: REGISTERED.get((kind, name)) or known(kind, name)
    )
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cold-cache"))


def world(k):
    return load_world(WorldRef("toy/cold", "toy", {}, split=f"by-time@{k}"))


def plan(tmp_path, *methods, **changes):
    given = {"dataset": "toy/cold", "stack": "toy", "n_images": 2, "beside": False, **changes}
    return Campaign(methods=methods, runs=tmp_path / "runs", **given)


def execute(tmp_path, *methods, **changes):
    return list(cold_start.execute(plan(tmp_path, *methods, **changes), Execution(), SIZES))


# --- newcomers ------------------------------------------------------------------------------


@pytest.mark.parametrize("k", SIZES)
def test_support_is_what_the_tested_people_bring(k):
    support = newcomers.support_of(world(k))
    counts = support.interactions["user_id"].value_counts()
    assert counts.to_dict() == (dict.fromkeys(NEW, k) if k else {})
    assert support.catalog.hash == world(k).train.catalog.hash


def test_the_world_before_them_is_the_same_whatever_they_bring():
    hashes = {newcomers.without_newcomers(world(k)).train.hash for k in SIZES}
    assert len(hashes) == 1
    before = newcomers.without_newcomers(world(8))
    assert before.split.name == before.ref.split == "by-time@0"
    assert not set(NEW) & set(before.train.users)
    assert before.test.users == NEW


class Noting:
    """A method that takes in newcomers, and notes what happens to it."""

    adapt_fields = frozenset({"unseen_user", "n_token_steps"})
    heads = ()
    adapts = True

    def __init__(self):
        self.calls = []

    def load(self, folder, stack, train):
        self.calls.append(("load", folder, train.users))

    def adapt(self, support, context):
        self.calls.append(("adapt", support.users, context))

    def save(self, folder):
        self.calls.append(("save", folder))


def config_of(of, **options):
    choice = MethodChoice("rebeca", options={**CHEAP, **options})
    facts = facts_of(choice)
    protocol = Terms("catalogue", "cold-start", ("true-taste",), 1, 3)
    return run_config(of, protocol, choice.ref(facts, anchor=False), seed=0, code="c", threads=1)


def test_the_fit_before_the_newcomers_is_shared_by_all_heads():
    """Of the configuration only what that fit reads is kept."""
    config = config_of(world(8), unseen_user="fitted", n_token_steps=7, n_layers=2)
    base = newcomers.unadapted(config, facts_of_run(config))
    assert base.method.config["n_layers"] == 2
    assert base.method.config["unseen_user"] == "refuse"
    assert base.method.config["n_token_steps"] == Rebeca.Config().n_token_steps
    assert base.seed == config.seed


def test_a_method_that_adapts_is_loaded_without_the_newcomers_and_meets_them_then(tmp_path):
    given = world(8)
    before = newcomers.without_newcomers(given).train
    views = {"train": given.train, "before": before, "support": newcomers.support_of(given)}
    home = Resident(Assignment.of(config_of(given)), RecordingStack(given.stack), views)
    home.method = made = Noting()
    context = FitContext(given.stack, 0, given.features.for_view)
    home.fit(FitOrder(tmp_path / "out", adapted=tmp_path), context)
    assert made.calls == [
        ("load", tmp_path, before.users), ("adapt", NEW, context), ("save", tmp_path / "out"),
    ]  # fmt: skip
    assert not set(NEW) & set(before.users)


@pytest.mark.parametrize("why", ["no method that adapts", "switched off", "no newcomers"])
def test_others_are_fitted_as_always(why):
    given = world(8)
    if why == "no newcomers":
        given = replace(given, split=given.dataset.split("by-time"))
    name = "mean-embedding" if why == "no method that adapts" else "rebeca"
    unseen = {} if why == "switched off" else {"unseen_user": "fitted"}
    facts = facts_of(MethodChoice(name, options=unseen if name == "rebeca" else {}))
    assert not newcomers.adapts(facts, given)
    adapting = facts_of(MethodChoice("rebeca", options={"unseen_user": "fitted"}))
    assert newcomers.adapts(adapting, world(8))


# --- the track --------------------------------------------------------------------------------


def test_every_method_and_support_is_a_run_of_the_track(tmp_path):
    made = execute(tmp_path, "mean-embedding", "random-item", seeds=(0, 1))
    assert [cold.k for cold in made] == [k for k in SIZES for _ in range(4)]
    for cold in made:
        config = cold.results.config
        assert config.track == "cold-start"
        assert config.dataset.split == f"by-time@{cold.k}"
        assert set(cold.results.scores["unit"]) == set(NEW)
        assert set(cold.results.summary.metrics) == {"taste-gap"}
    assert len({cold.results.config.run_id for cold in made}) == len(made)


def test_who_cannot_serve_a_user_without_ratings_fails_there_and_that_counts(tmp_path):
    made = execute(tmp_path, "mean-embedding")
    states = [cold.results.summary.states for cold in made]
    assert states[0] == {"method_error": 4}  # two people, two images each, nothing known
    assert states[-1] == {"ok": 4}  # the eight first ratings of each hold a like


def test_runs_that_are_done_are_not_made_again(tmp_path, monkeypatch):
    first = execute(tmp_path, "random-item")
    monkeypatch.setattr(run, "generate", None)
    monkeypatch.setattr(run, "rescore", None)
    again = execute(tmp_path, "random-item")
    assert [a.results.path for a in again] == [f.results.path for f in first]


def test_methods_that_adapt_are_run_with_each_of_their_heads():
    labels = [made.label for made in cold_start._heads(MethodChoice("rebeca"))]
    assert labels == ["rebeca[unseen_user=mixture]", "rebeca[unseen_user=fitted]"]
    said = MethodChoice("rebeca", options={"unseen_user": "refuse"})
    assert cold_start._heads(said) == [said]
    for name in ("mean-embedding", "rebeca-no-user"):
        assert cold_start._heads(MethodChoice(name)) == [MethodChoice(name)]


def test_a_split_that_cannot_be_cut_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"toy has no split 'by-hue' .* are cut: by-time "):
        execute(tmp_path, "random-item", split="by-hue")


def test_a_support_that_the_data_set_does_not_have_is_told(tmp_path):
    with pytest.raises(DataError, match=r"no split 'by-time' with a support of 5.*by-time@8"):
        list(cold_start.execute(plan(tmp_path, "random-item"), Execution(), (0, 5)))


# --- curves of runs ---------------------------------------------------------------------------


def with_values(cold, values):
    """The run with these taste gaps instead of its own."""
    scores = cold.results.scores.copy()
    own = scores["metric"] == "taste-gap"
    scores.loc[own, "value"] = scores.loc[own, "unit"].map(values)
    return ColdRun(cold.k, replace(cold.results, score_table=arrow_of(scores)))


def test_a_curve_is_the_mean_over_seeds_then_users(tmp_path):
    made = execute(tmp_path, "random-item", seeds=(0, 1))
    planted = [
        with_values(cold, {NEW[0]: 0.1 * i, NEW[1]: 0.3 + 0.1 * i}) for i, cold in enumerate(made)
    ]
    # Runs i = 0..5 are (k=0, seeds 0 and 1), (k=2, ...), (k=8, ...): the users' means at k are
    # .05, .25, .45 and .35, .55, .75, hence the curve .2, .4, .6 over log2(k + 1) = 0, 1.585, 3.17.
    (found,) = cold_results.curves_of(planted, "taste-gap")
    assert found.label == "random-item"
    assert [point.mean for point in found.points] == pytest.approx([0.2, 0.4, 0.6])
    assert found.area.mean == pytest.approx(0.4)


def test_a_method_that_lacks_a_run_has_no_curve(tmp_path):
    made = execute(tmp_path, "random-item", seeds=(0, 1))
    other = execute(tmp_path, "copy-history", seeds=(0, 1))
    assert len(cold_results.curves_of([*made, *other], "taste-gap")) == 2
    (curve,) = cold_results.curves_of([*made, *other[:-1]], "taste-gap")  # seed 1 at k=8
    assert curve.label == "random-item"
    assert cold_results.unfinished([*made, *other[:-1]]) == {"copy-history": (8,)}
    assert cold_results.curves_of(made, "taste-gap", (*SIZES, 16)) == []


@pytest.mark.usefixtures("unwalled")
def test_a_method_that_fails_stops_no_other(tmp_path, monkeypatch):
    """One fails once the newcomers have brought eight ratings, one does not exist."""
    original = registry.get("methods", "copy-history").fit

    def fit(self, train, context):
        if (train.interactions["user_id"] == NEW[0]).sum() == 8:
            raise ValueError("no luck")
        original(self, train, context)

    monkeypatch.setattr(registry.get("methods", "copy-history"), "fit", fit)
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    told = []
    methods, settings = (
        ["copy-history", "nowhere", "random-item"],
        {"stack": "toy", "beside": False},
    )
    made = cold_start.attempted(
        methods, "toy/cold", Ledger(told.append), known=SIZES, runs=tmp_path, **settings
    )
    assert [curve.label for curve in made.curves()] == ["random-item"]
    assert made.unfinished == {"copy-history": (8,)}
    rows = {row[0]: row[2:] for row in made.ledger.rows()}
    assert {name: state for name, (state, _) in rows.items()} == {
        "nowhere": "refused", "copy-history k=8": "failed",
        **{f"copy-history k={k}": "done" for k in (0, 2)},
        **{f"random-item k={k}": "done" for k in SIZES},
    }  # fmt: skip
    assert "no luck" in rows["copy-history k=8"][1]
    assert len(told) == 2
    kept = json.loads((made.save(tmp_path / "out") / cold_results.JSON).read_text())
    assert kept["unfinished"] == {"copy-history": [8]}
    with pytest.raises(NotDoneError, match=r"2 of 7 .*nowhere .*history k=8 \(seed 0\).*luck"):
        cold_start.cold_start(methods, "toy/cold", known=SIZES, runs=tmp_path, **settings)
    said = CliRunner().invoke(app, [
        "cold-start", *(f"--method={name}" for name in methods), "--dataset=toy/cold",
        "--stack=toy", "--no-beside", *(f"-k{k}" for k in SIZES), f"--runs={tmp_path}",
        f"--output={tmp_path / 'cli'}",
    ])  # fmt: skip
    assert said.exit_code == 2
    assert re.search(r"copy-history k=8 +0 +failed .*luck", said.stdout)
    assert "copy-history: no curve, for lack of runs with 8 ratings known" in said.stderr
    assert (tmp_path / "cli" / cold_results.PLOTS[0]).exists()


def test_everything_is_written(tmp_path):
    made = execute(tmp_path, "random-item", "mean-embedding")
    found = cold_results.ColdStart(tuple(made))
    found.save(tmp_path / "out")
    assert {curve.label for curve in found.curves()} == {"random-item", "mean-embedding"}
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert files == {cold_results.CSV, cold_results.JSON, *cold_results.PLOTS}
    table = pd.read_csv(tmp_path / "out" / cold_results.CSV)
    assert len(table) == len(made) * len(NEW)  # one metric
    assert set(table["k"]) == set(SIZES)
    kept = json.loads((tmp_path / "out" / cold_results.JSON).read_text())
    by_hand = table[(table["method"] == "random-item") & (table["k"] == 2)]["value"].mean()
    random = next(c for c in kept["curves"] if c["method"] == "random-item")
    assert random["points"][1]["mean"] == pytest.approx(by_hand)


# --- with the loop's own hook -------------------------------------------------------------------


@pytest.mark.usefixtures("unwalled")
def test_the_prior_is_fitted_once_for_all_supports_and_heads(tmp_path, monkeypatch):
    fits = []
    original = Rebeca.fit

    def counted(self, train, context):
        fits.append(train.users)
        original(self, train, context)

    monkeypatch.setattr(Rebeca, "fit", counted)
    monkeypatch.setattr(Rebeca, "presets", {"cheap": CHEAP})
    made = execute(tmp_path, "rebeca", preset="cheap")
    assert len(fits) == 1
    assert not set(NEW) & set(fits[0])
    assert all(cold.results.summary.states == {"ok": 4} for cold in made)
    labels = {cold.results.config.method.label for cold in made}
    assert labels == {"rebeca[preset=cheap,unseen_user=mixture]",
                      "rebeca[preset=cheap,unseen_user=fitted]"}  # fmt: skip
    values = [cold.results.scores["value"].to_numpy() for cold in made]
    assert not np.allclose(values[0], values[-1])
