"""The loop on a small catalogue on disk: the same result however it is run, and nothing lost."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from home_case import made_by

from persongen_bench.core.errors import ConfigError, RunError, UnsupportedRequestError
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.loop import run
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.fit_key import fit_key
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.making import Maker
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import WorldRef, load_world, reopen_world
from persongen_bench.methods._items import NoConfig
from persongen_bench.methods.oracle import no_likes
from persongen_bench.methods.random_item import RandomItem
from persongen_bench.testing.leaks import find_strings
from persongen_bench.testing.toy import toy_world, write_folder

METRICS = ("taste-gap", "precision@1", "recall@1", "novelty", "copy-rate", "diversity")
PROTOCOL = Terms("catalogue", "prompt-free", METRICS, n_images=4, n_history=3)
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return write_folder(toy_world(), tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def world(catalogue, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return load_world(WorldRef("folder", "pixels", {"like_threshold": 2}, catalogue))


def make(world, folder, name="copy-history", execution=None, **options):
    job = run.Job(world, PROTOCOL, MethodChoice(name, options=options), seed=3)
    return run.run(job, folder, execution)


def maker(method, world, directory):
    return Maker(method, directory.kind, world.stack, threads=1)


def table(results):
    return [(results.path / name).read_bytes() for name in RESULTS]


def test_a_run_leaves_everything_a_reader_needs(world, tmp_path):
    results = make(world, tmp_path)
    assert results.summary.n_ok == results.summary.n_expected == 4 * len(world.test.users)
    assert set(results.summary.metrics) == set(METRICS)
    assert {"permutation.block", "permutation.image"} == set(results.summary.tests)
    files = {file.name for file in results.path.iterdir()}
    assert {"run.json", "journal.sqlite", "provenance.json", "cost.json", *RESULTS} <= files
    provenance = json.loads((results.path / "provenance.json").read_text())["scored"]
    assert provenance["libraries"]["numpy"] == np.__version__
    assert results.cost["fit_seconds"] >= 0
    assert results.cost["seconds_per_image_p95"] >= results.cost["seconds_per_image_p50"] > 0


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_batch_size_changes_nothing(world, tmp_path, batch_size):
    a = make(world, tmp_path / "a", execution=Execution(1, 7))
    b = make(world, tmp_path / "b", execution=Execution(1, batch_size))
    assert table(a) == table(b)


@pytest.mark.slow
def test_two_workers_give_what_one_gives(world, tmp_path):
    a = make(world, tmp_path / "a", "nearest-item")
    b = make(world, tmp_path / "b", "nearest-item", Execution(2, 5))
    assert table(a) == table(b)


def test_a_run_that_stopped_half_way_ends_the_same(world, tmp_path):
    whole = make(world, tmp_path / "a")
    half = make(world, tmp_path / "b")
    directory = RunDirectory.open(half.path)
    with directory.journal.transaction() as db:
        db.execute("UPDATE samples SET state='pending', pixel_hash='' WHERE position % 2")
    for name in RESULTS:
        (half.path / name).unlink()
    assert table(run.resume(directory, world, Execution(1, 3))) == table(whole)


def test_lost_images_are_made_again(world, tmp_path):
    results = make(world, tmp_path)
    before = table(results)
    for file in list((results.path / "images").rglob("*.png"))[::3]:
        file.unlink()
    directory = RunDirectory.open(results.path)
    assert table(run.resume(directory, world, Execution())) == before


def test_the_journal_can_be_remade_from_the_images(world, tmp_path):
    results = make(world, tmp_path)
    before = table(results)
    (results.path / "journal.sqlite").write_bytes(b"rubbish" * 1000)
    directory = RunDirectory.open(results.path)
    assert table(run.resume(directory, world, Execution(), rebuild=True)) == before


def test_running_again_does_no_work(world, tmp_path, monkeypatch):
    first = make(world, tmp_path)
    monkeypatch.setattr(run, "generate", None)
    monkeypatch.setattr(run, "rescore", None)
    assert table(make(world, tmp_path)) == table(first)


def test_more_images_keep_those_there_are(world, tmp_path):
    few = make(world, tmp_path)
    more = run.run(
        run.Job(world, PROTOCOL.__class__("catalogue", "prompt-free", METRICS, 6, 3),
                MethodChoice("copy-history"), seed=3),
        tmp_path,
    )  # fmt: skip
    hashes = dict(zip(more.samples["sample_id"], more.samples["pixel_hash"], strict=True))
    assert len(hashes) == 6 * len(world.test.users)
    for row in few.samples.itertuples():
        assert hashes[row.sample_id] == row.pixel_hash


def test_fits_are_shared_only_by_what_has_the_same_fit(world):
    def key(name="wrong-user", seed=0, **options):
        choice = MethodChoice(name, options=options)
        config = run_config(
            world,
            PROTOCOL,
            choice.ref(facts_of(choice), anchor=False),
            seed=seed,
            code="c",
            threads=1,
        )
        return fit_key(config, world)

    assert key() == key(n_history=7)  # a generate-only field
    assert len({key(), key(seed=1), key(base="random-item"), key("copy-history")}) == 4


def test_changed_data_is_refused(world, catalogue, tmp_path):
    results = make(world, tmp_path)
    config = RunDirectory.open(results.path).config
    other = toy_world()
    folder = write_folder(other, tmp_path / "other")
    log = (folder / "interactions.csv").read_text().splitlines()
    (folder / "interactions.csv").write_text("\n".join(log[:-1]) + "\n")
    with pytest.raises(ConfigError, match="data of this run changed"):
        reopen_world(config, folder, Execution().progress)


# --- faults of methods --------------------------------------------------------------------


class Faulty(RandomItem.__mro__[1]):
    """Fails for one user in a chosen way."""

    def __init__(self, how):
        self.config, self.how = NoConfig(), how

    def generate(self, samples):
        made = []
        for sample in samples:
            bad = sample.request.user_id.endswith("0")
            if bad and self.how == "raises":
                raise ZeroDivisionError("no such luck")
            if bad and self.how == "refuses":
                raise UnsupportedRequestError("not this one")
            image = np.zeros(
                (3, 8, 8), dtype=np.float32 if bad and self.how == "float" else np.uint8
            )
            made.append(Failure("filtered", "unsafe") if bad and self.how == "filters" else image)
        return made[:-1] if self.how == "short" else made


@pytest.mark.parametrize(
    ("how", "state", "reason"),
    [
        ("raises", "method_error", "ZeroDivisionError: no such luck"),
        ("refuses", "method_error", "not this one"),
        ("float", "method_error", "expected uint8"),
        ("filters", "filtered", "unsafe"),
    ],
)
def test_a_fault_costs_only_its_own_samples(world, tmp_path, how, state, reason):
    results = make(world, tmp_path)
    directory = RunDirectory.open(results.path)
    samples = world.asked(directory.config).samples
    outcomes = made_by(maker(Faulty(how), world, directory), samples, directory)
    assert [o.sample_id for o in outcomes] == [s.sample_id for s in samples]
    for sample, outcome in zip(samples, outcomes, strict=True):
        bad = sample.request.user_id.endswith("0")
        assert outcome.state == (state if bad else "ok")
        assert (reason in outcome.reason) == bad


def test_a_method_that_forgets_images_fails_them_all(world, tmp_path):
    directory = RunDirectory.open(make(world, tmp_path).path)
    samples = world.asked(directory.config).samples[:3]
    outcomes = made_by(maker(Faulty("short"), world, directory), samples, directory)
    assert {o.state for o in outcomes} == {"method_error"}
    assert "0 answers for 1 samples" in outcomes[0].reason


@pytest.mark.usefixtures("unwalled")
def test_a_fit_that_fails_is_one_clear_error(world, tmp_path, monkeypatch):
    def fail(self, train, context):
        raise KeyError("colour")

    monkeypatch.setattr(RandomItem, "fit", fail)
    with pytest.raises(RunError, match=r"random-item failed to fit: KeyError: 'colour'"):
        make(world, tmp_path, "random-item")


def test_a_method_without_its_role_says_which_stack_has_it(world, tmp_path):
    with pytest.raises(ConfigError, match="decoder"):
        make(world, tmp_path, "mean-embedding")


def test_methods_never_see_held_out_items(world):
    hidden = set(world.test.catalog.ids) - set(world.train.interactions["item_id"])
    assert hidden
    assert not hidden & set(world.train.catalog.ids)
    with pytest.raises(Exception, match="not in this catalogue"):
        world.train.catalog.images([min(hidden)])


def test_the_data_folder_is_not_part_of_a_runs_name(world, tmp_path):
    assert str(Path(world.ref.root)) not in make(world, tmp_path).path.name


@pytest.mark.usefixtures("unwalled")
def test_a_wrapped_method_is_fitted_once_for_both(world, tmp_path, monkeypatch):
    fits = []
    plain = RandomItem.fit
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(RandomItem, "fit", lambda *a: fits.append(1) or plain(*a))
    make(world, tmp_path / "runs", "random-item")
    make(world, tmp_path / "runs", "wrong-user", base="random-item")
    assert len(fits) == 1


def test_a_wrapper_cannot_smuggle_in_held_out_data(world, tmp_path):
    with pytest.raises(ConfigError, match="cannot wrap oracle, which sees held-out data"):
        make(world, tmp_path, "wrong-user", base="oracle")


@pytest.mark.usefixtures("unwalled")
def test_what_the_loop_hands_to_fit_leads_to_no_held_out_item(world, tmp_path, monkeypatch):
    hidden = set(world.test.catalog.ids) - set(world.train.interactions["item_id"])
    found = []
    plain = RandomItem.fit

    def spy(self, train, context):
        found.append(find_strings((train, context), hidden))
        plain(self, train, context)

    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(RandomItem, "fit", spy)
    make(world, tmp_path / "runs", "wrong-user", base="random-item")
    assert hidden
    assert found == [{}]


@pytest.mark.slow
def test_moved_data_is_found_by_workers_too(world, catalogue, tmp_path):
    whole = make(world, tmp_path / "runs")
    before = table(whole)
    moved = Path(shutil.copytree(catalogue, tmp_path / "moved"))
    document = json.loads((whole.path / "run.json").read_text())
    document["dataset"]["root"] = str(tmp_path / "gone")
    (whole.path / "run.json").write_text(json.dumps(document))
    shutil.rmtree(whole.path / "images")
    execution = Execution(2, 5)
    directory, again = run.reopen(whole.path, moved, execution)
    assert table(run.resume(directory, again, execution)) == before


def test_what_a_method_once_exempted_is_scored_as_its_error(world, tmp_path):
    """A journal of an older version says `unscored`, which had kept the sample out of means."""
    results = make(world, tmp_path)
    directory = RunDirectory.open(results.path)
    first = directory.samples()["sample_id"][0]
    directory.record([Outcome(str(first), "unscored", "too hard")])
    with directory.lock():
        run.rescore(directory, world, Execution())
    again = directory.results().summary
    assert again.states == {"method_error": 1, "ok": results.summary.n_ok - 1}
    assert again.metrics["precision@1"].mean < results.summary.metrics["precision@1"].mean


def test_the_oracle_says_what_it_lacks():
    failure = no_likes(Sample("0" * 16, 0, Request("0027")))
    assert failure == Failure("method_error", "user 0027 has no held-out like")
