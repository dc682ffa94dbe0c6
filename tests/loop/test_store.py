"""The run directory keeps what was recorded, whatever happens to the process or the files."""

import json
import sqlite3

import numpy as np
import pandas as pd
import pytest
from refusals import refused
from run_case import make_config

from persongen_bench.core import images
from persongen_bench.core.errors import RunError
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.loop import documents, store
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.schema import RunConfig, Summary
from persongen_bench.loop.store import RunDirectory, find_runs


@pytest.fixture
def config():
    return make_config()


@pytest.fixture
def samples(config):
    return plan_samples(
        config.protocol(), [Request("anna", n_images=2), Request("ben", n_images=2)]
    )


@pytest.fixture
def run(tmp_path, config, samples):
    return RunDirectory.create(tmp_path / "run", config, samples)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (3, 8, 9), dtype=np.uint8)


# --- identity -----------------------------------------------------------------------------


def test_sample_ids_depend_on_content_not_on_order_or_number(config):
    both = plan_samples(
        config.protocol(), [Request("anna", n_images=2), Request("ben", n_images=2)]
    )
    other = plan_samples(
        config.protocol(), [Request("ben", n_images=5), Request("anna", n_images=1)]
    )
    ids = {(s.request.user_id, s.index): s.sample_id for s in both}
    more = {(s.request.user_id, s.index): s.sample_id for s in other}
    assert all(more[key] == ids[key] for key in ids.keys() & more.keys())
    assert len(set(ids.values())) == 4


@pytest.mark.parametrize("name", ["dataset", "split", "track", "seed"])
def test_sample_ids_change_with_every_part_of_the_protocol(config, name):
    requests = [Request("anna", n_images=1)]
    changed = {**config.protocol(), name: "other"}
    a = plan_samples(config.protocol(), requests)[0]
    b = plan_samples(changed, requests)[0]
    assert a.sample_id != b.sample_id
    assert a.seed != b.seed


def test_the_sample_id_is_pinned(config):
    # Computed once by this code (schema 1): a change silently reseeds every published run.
    sample = plan_samples(config.protocol(), [Request("anna", ("i1",), n_images=1)])[0]
    assert sample.sample_id == "371e6171bcc340e1"
    assert sample.seed == 0x371E6171BCC340E1 >> 1


def test_all_methods_share_sample_ids(config):
    other = config.method.model_copy(update={"name": "n", "label": "n"})
    assert config.model_copy(update={"method": other}).protocol() == config.protocol()


def test_run_id_ignores_folder_threads_and_metrics(config):
    moved = config.dataset.model_copy(update={"root": "elsewhere"})
    same = config.model_copy(update={"dataset": moved, "threads": 7, "metrics": ("novelty",)})
    assert same.run_id == config.run_id


@pytest.mark.parametrize("change", [{"seed": 1}, {"n_images": 3}, {"code": "d"}, {"track": "t"}])
def test_run_id_changes_with_what_changes_a_sample(config, change):
    assert config.model_copy(update=change).run_id != config.run_id


# --- journal ------------------------------------------------------------------------------


def test_planning_twice_keeps_what_was_recorded(run, samples):
    run.record([Outcome(samples[0].sample_id, "ok", pixel_hash="p", seconds=0.5)])
    run.plan(samples)
    table = run.samples()
    assert list(table["state"]) == ["ok", "pending", "pending", "pending"]
    assert list(table["user_id"]) == ["anna", "anna", "ben", "ben"]


def test_everything_that_became_of_a_sample_is_kept(run, samples):
    first, second = samples[2].sample_id, samples[0].sample_id
    run.record(
        [
            Outcome(first, "ok", "", "d", "p", 0.25),
            Outcome(second, "filtered", "unsafe", "", "", 2.0),
        ]
    )
    table = run.samples().set_index("sample_id")
    columns = ["state", "reason", "digest", "pixel_hash", "seconds"]
    assert list(table.loc[first, columns]) == ["ok", "", "d", "p", 0.25]
    assert list(table.loc[second, columns]) == ["filtered", "unsafe", "", "", 2.0]
    assert list(run.samples()["sample_id"]) == [s.sample_id for s in samples]


def test_a_failed_batch_records_nothing(run, samples):
    class StopError(Exception):
        pass

    def outcomes():
        yield Outcome(samples[0].sample_id, "ok")
        raise StopError

    with pytest.raises(StopError):
        run.record(outcomes())
    assert set(run.samples()["state"]) == {"pending"}


def test_an_image_round_trips_bit_for_bit(run, samples):
    image = picture()
    digest = run.write(samples[0].sample_id, image)[0]
    assert np.array_equal(run.read_image(samples[0].sample_id, digest), image)


@pytest.mark.parametrize("damage", ["gone", "truncated", "another"])
def test_a_damaged_image_is_found_and_marked_for_regeneration(run, samples, damage):
    sample_id = samples[0].sample_id
    digest, _ = run.write(sample_id, picture())
    run.record([Outcome(sample_id, "ok", pixel_hash=digest)])
    file = run.output_path(sample_id)
    if damage == "gone":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:60])
    else:
        file.write_bytes(images.png_bytes(picture(1)))
    with pytest.raises(RunError, match=r"marked for regeneration: `pgbench resume"):
        run.read_image(sample_id, digest)
    assert run.samples()["state"][0] == "pending"


def test_a_corrupt_journal_is_one_clear_error_and_can_be_rebuilt(run, samples):
    sample_id = samples[1].sample_id
    digest, _ = run.write(sample_id, picture())
    for suffix in ("-wal", "-shm"):
        (run.path / f"journal.sqlite{suffix}").unlink(missing_ok=True)
    (run.path / "journal.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(RunError, match=r"journal is damaged .*--rebuild"):
        run.samples()
    assert run.rebuild_journal(samples) == 1
    table = run.samples()
    assert list(table["state"]) == ["pending", "ok", "pending", "pending"]
    assert table["pixel_hash"][1] == table["digest"][1] == digest


def test_a_full_disk_says_so(run, monkeypatch):
    def full(*_, **__):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(RunError, match=r"disk is full.*Free some space"):
        run.note("key", 1)


def test_a_second_process_is_kept_out(run):
    with run.lock(), pytest.raises(RunError, match="another process"), run.lock():
        pass


def test_another_run_in_the_same_folder_is_refused(run, config, samples):
    with pytest.raises(RunError, match="holds another run"):
        RunDirectory.create(run.path, config.model_copy(update={"seed": 5}), samples)


# --- exports and schema -------------------------------------------------------------------


EMPTY = pd.DataFrame({"unit": [], "metric": [], "value": [], "signature": []})


def summary_of(config) -> Summary:
    return Summary(
        run_id=config.run_id,
        n_expected=4,
        n_ok=4,
        states={"ok": 4},
        metrics={
            "true-taste": {"mean": 0.5, "low": 0.4, "high": 0.6, "n_units": 2, "signature": "s"}
        },
    )


def test_exports_are_byte_identical_for_identical_results(tmp_path, config, samples):
    scores = pd.DataFrame(
        {"unit": ["anna"], "metric": ["true-taste"], "value": [0.5], "signature": ["s"]}
    )
    written = []
    for name in ("a", "b"):
        run = RunDirectory.create(tmp_path / name, config, samples)
        run.export(summary_of(config), scores, {"fit_seconds": 1.0 if name == "a" else 2.0})
        names = ("samples.parquet", "scores.parquet", "summary.json")
        written.append([(run.path / n).read_bytes() for n in names])
    assert written[0] == written[1]


def test_results_of_an_unfinished_run_say_how_to_finish(run):
    with pytest.raises(RunError, match=r"not complete.*pgbench resume"):
        run.results()


def test_adding_a_metric_reopens_the_run(run, config, samples):
    run.export(summary_of(config), EMPTY, {})
    assert run.complete
    more = config.model_copy(update={"metrics": ("true-taste", "novelty")})
    again = RunDirectory.create(run.path, more, samples)
    assert not again.complete
    assert RunDirectory.open(run.path).config.metrics == ("true-taste", "novelty")


def test_dropping_a_metric_reopens_the_run_too(run, config, samples):
    """Its summary and its scores hold a number that is no longer asked for."""
    run.export(summary_of(config), EMPTY, {})
    fewer = config.model_copy(update={"metrics": ()})
    assert not RunDirectory.create(run.path, fewer, samples).complete


EXPORTS = ["samples.parquet", "scores.parquet", "cost.json", "summary.json"]


@pytest.mark.parametrize("lost", EXPORTS)
def test_a_run_whose_export_was_cut_short_is_not_complete(run, config, monkeypatch, lost):
    """The process dies at one of the files: what stands there is not passed off as the results."""
    run.export(summary_of(config), EMPTY, {})
    assert run.complete
    written, write = [], store.write_atomic

    def dying(path, data, **options):
        written.append(path.name)
        if path.name == lost:
            raise KeyboardInterrupt
        write(path, data, **options)

    monkeypatch.setattr(store, "write_atomic", dying)
    with pytest.raises(KeyboardInterrupt):
        run.export(summary_of(config), EMPTY, {})
    assert written == EXPORTS[: EXPORTS.index(lost) + 1]
    assert not run.complete
    with pytest.raises(RunError, match="not complete"):
        run.results()


def edit(run, **changes):
    file = run.path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": documents.SCHEMA_VERSION + 1}, "newer than this program"),
        ({"schema_version": "x"}, "no schema_version"),
        ({"surprise": 1}, "'surprise': Extra inputs"),
        ({"seed": -1}, "'seed'"),
    ],
)
def test_a_wrong_run_file_names_the_field(run, changes, message):
    edit(run, **changes)
    with pytest.raises(RunError, match=message):
        RunDirectory.open(run.path)


def test_broken_json_is_one_line(run):
    (run.path / "run.json").write_text("{")
    with refused("not valid JSON", error=RunError):
        RunDirectory.open(run.path)


def test_old_documents_migrate(tmp_path, config, monkeypatch):
    old = {**config.model_dump(mode="json"), "schema_version": 0}
    old["random_seed"] = old.pop("seed")

    def rename(document):
        document = {**document, "schema_version": 1}
        document["seed"] = document.pop("random_seed")
        return document

    monkeypatch.setitem(documents.MIGRATIONS, 0, rename)
    # Where the data lie is in no file since version 3.
    placeless = config.dataset.model_copy(update={"root": None})
    now = documents.parse(RunConfig, old, tmp_path)
    assert now == config.model_copy(update={"dataset": placeless})


def test_the_place_of_the_data_is_in_no_file_and_still_known(config, tmp_path, samples):
    here = config.model_copy(
        update={"dataset": config.dataset.model_copy(update={"root": str(tmp_path / "data")})}
    )
    made = RunDirectory.create(tmp_path / "run", here, samples)
    for file in made.path.iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()
    assert RunDirectory.open(made.path).config.dataset.root == str(tmp_path / "data")
    made.data_lies_in(tmp_path / "moved")
    assert RunDirectory.open(made.path).config.dataset.root == str(tmp_path / "moved")


def test_a_run_of_version_2_that_says_where_its_data_lie_still_says_so(config, tmp_path):
    old = {**config.model_dump(mode="json"), "schema_version": 2}
    old["dataset"]["root"] = "/somewhere/shop"
    del old["pseudonyms"]
    now = documents.parse(RunConfig, old, tmp_path)
    assert now.dataset.root == "/somewhere/shop"
    assert now.run_id == config.run_id
    assert "somewhere" not in now.model_dump_json()


def test_runs_are_found_at_any_depth(run, tmp_path):
    assert find_runs(tmp_path) == [run.path]
    with pytest.raises(RunError, match="no such folder"):
        find_runs(tmp_path / "nowhere")
