"""What a run directory reveals when it is handed on: no place, no name, with pseudonyms no user.

The shop's people are mail addresses. Every file is searched as bytes; tables of Parquet and the
journal are also read, since they may be compressed.
"""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shop_case import PEOPLE, write_delivery, write_shop
from typer.testing import CliRunner

import persongen_bench as pb
from persongen_bench.cli.app import app
from persongen_bench.core.errors import RunError
from persongen_bench.methods.random_item import RandomItem

OWNER, HOST = "alice-smith", "alices-laptop"
RUN = ("run", "-m", "random-item", "-d", "folder", "--n-images", "3", "--no-beside")


def pgbench(*arguments, status=0):
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory):
    """The home of somebody with a name, who works below it on a shop's data."""
    base = tmp_path_factory.mktemp("home") / OWNER
    write_shop(base / "shop")
    (base / "work").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(base))
        patch.setenv("USER", OWNER)
        patch.setenv("LOGNAME", OWNER)
        patch.setattr("platform.node", lambda: HOST)
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        patch.chdir(base / "work")
        yield base


@pytest.fixture(scope="module")
def runs(home):
    """One run with the names of the data, one with pseudonyms, of the same method and seed."""
    typed = ["pgbench", *RUN, "--data", str(home / "shop")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", typed)
        pgbench(*typed[1:])
        pgbench(*typed[1:], "--pseudonymize")
    found = {d: pb.Run.open(d) for d in Path("runs/catalogue").iterdir()}
    plain = next(run for run in found.values() if run.config.pseudonyms is None)
    hidden = next(run for run in found.values() if run.config.pseudonyms is not None)
    return plain, hidden


def texts(folder):
    """Everything that stands in the files of a folder, and their names."""
    for file in sorted(folder.rglob("*")):
        yield str(file.relative_to(folder))
        if not file.is_file():
            continue
        yield file.read_bytes().decode("latin-1")
        if file.suffix == ".parquet":
            yield pd.read_parquet(file).to_csv()
        if file.suffix == ".sqlite":
            with sqlite3.connect(file) as db:
                for table in ("samples", "meta", "explanations"):
                    yield str(db.execute(f"SELECT * FROM {table}").fetchall())


def reveals(folder, *secrets):
    everything = "\n".join(texts(folder))
    return [secret for secret in secrets if str(secret) in everything]


def test_no_file_of_a_run_tells_where_it_was_made_or_by_whom(runs, home):
    for run in runs:
        assert reveals(run.path, home, home.parent, OWNER, HOST, Path.cwd()) == []
    command = json.loads((runs[0].path / "provenance.json").read_text())["scored"]["command"]
    assert command == ["pgbench", *RUN, "--data", "<data>"]


def test_with_pseudonyms_no_file_names_a_user(runs):
    plain, hidden = runs
    assert reveals(hidden.path, "shop.example", *PEOPLE) == []
    # The search would have found them: without pseudonyms they are there.
    assert set(reveals(plain.path, *PEOPLE)) >= set(plain.samples["user_id"])
    # Neither does an id that is computed from a user's name without the key.
    both = [*plain.samples["sample_id"], *plain.samples["request_id"]]
    assert reveals(hidden.path, *both) == []


def test_the_order_of_the_rows_tells_nothing_of_the_users(runs):
    hidden = runs[1]
    for ids in (hidden.samples["user_id"], hidden.scores["unit"]):
        first = list(dict.fromkeys(ids))
        assert first == sorted(first)


def test_the_numbers_are_those_of_a_run_without(runs):
    plain, hidden = runs
    for name, number in plain.summary.metrics.items():
        assert hidden.summary.metrics[name] == number
    assert hidden.summary.tests == plain.summary.tests
    values = [
        run.scores.groupby("metric")["value"].apply(lambda v: sorted(v.fillna(-9))) for run in runs
    ]
    assert values[0].equals(values[1])
    # The same pictures under other names: sha256 of the pixels.
    assert sorted(plain.samples["pixel_hash"]) == sorted(hidden.samples["pixel_hash"])


def test_runs_with_pseudonyms_can_be_joined(runs, home):
    hidden = runs[1]
    other = pb.run("nearest-item", "folder", data=home / "shop", n_images=3, beside=False,
                   pseudonymize=True)  # fmt: skip
    assert set(other.scores["unit"]) == set(hidden.scores["unit"])
    gaps = pb.compare(hidden, other).to_frame()
    assert gaps["n_units"].max() == hidden.summary.metrics["diversity"].n_units


def test_a_board_of_pseudonyms_tells_no_place_and_no_user(runs, home, tmp_path):
    for form in ("markdown", "latex", "csv", "json", "html"):
        pgbench("leaderboard", "--runs", "runs", "--format", form, "--output", tmp_path / form)
    assert reveals(tmp_path, home, OWNER, HOST, *PEOPLE) == []


def test_it_goes_on_where_it_was_stopped(runs, tmp_path):
    hidden = runs[1]
    copy = shutil.copytree(hidden.path, tmp_path / "copy")
    lost = sorted((copy / "images").iterdir())[:2]
    for folder in lost:
        shutil.rmtree(folder)
    pgbench("resume", copy)
    assert all(folder.is_dir() for folder in lost)
    assert (copy / "summary.json").read_bytes() == (hidden.path / "summary.json").read_bytes()
    assert (copy / "samples.parquet").read_bytes() == (hidden.path / "samples.parquet").read_bytes()
    assert reveals(copy, "shop.example") == []


def test_it_is_scored_again(runs, tmp_path):
    copy = shutil.copytree(runs[1].path, tmp_path / "copy")
    pgbench("score", copy, "--metric", "vendi")
    again = pb.Run.open(copy)
    assert "vendi" in again.summary.metrics
    assert again.summary.metrics["taste-gap"] == runs[1].summary.metrics["taste-gap"]
    pgbench("audit", "copies", copy, status=1)  # a random item is one of the training pictures
    assert reveals(copy, "shop.example", OWNER) == []


def test_what_the_audit_says_is_written_without_places_and_users(runs, home, tmp_path, monkeypatch):
    """The lines of both audits and the provenance go with the run: as any text of it."""
    line = f"leak: shared: {PEOPLE[3]} has seen {home}/shop/images/7.png"
    monkeypatch.setattr("persongen_bench.loop.run.audited", lambda *_: [line])
    monkeypatch.setattr("persongen_bench.loop.run.audited_requests", lambda *_: [line])
    for run in runs:
        copy = shutil.copytree(run.path, tmp_path / run.path.name)
        pgbench("score", copy)
        said = json.loads((copy / "provenance.json").read_text())
        (named,) = {*said["split audit"], *said["request audit"]}
        assert json.loads((copy / "summary.json").read_text())["notes"][0].startswith("Leaks: ")
        words = named.split(" ")
        assert words[:2] == ["leak:", "shared:"]
        assert words[3:] == ["has", "seen", "<data>/images/7.png"]
        assert (words[2] == PEOPLE[3]) == (run is runs[0])
        assert words[2] in set(run.samples["user_id"])
        assert reveals(copy, home, OWNER) == []


def test_its_journal_is_rebuilt(runs, tmp_path):
    copy = shutil.copytree(runs[1].path, tmp_path / "copy")
    (copy / "journal.sqlite").write_bytes(b"nothing")
    pgbench("resume", copy, "--rebuild")
    assert (copy / "samples.parquet").read_bytes() == (
        runs[1].path / "samples.parquet"
    ).read_bytes()


def test_without_the_key_it_is_read_and_not_gone_on_with(runs, home, tmp_path, monkeypatch):
    copy = shutil.copytree(runs[1].path, tmp_path / "copy")
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    elsewhere = pb.Run.open(copy)
    assert len(elsewhere.images) == len(set(elsewhere.samples["user_id"]))
    with pytest.raises(RunError, match=r"another key.*pseudonyms\.key"):
        pb.score(copy, data=home / "shop")


def test_on_another_machine_the_data_are_asked_for(runs, home, tmp_path, monkeypatch):
    copy = shutil.copytree(runs[0].path, tmp_path / "copy")
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    (copy / "summary.json").unlink()
    assert "--data FOLDER" in pgbench("resume", copy, status=2)
    pgbench("resume", copy, "--data", home / "shop")
    pgbench("score", copy)  # now it is known
    assert reveals(copy, home, OWNER) == []


def test_a_run_keeps_its_names(runs):
    with pytest.raises(pb.PgbenchError, match="pseudonymize False, not True"):
        pb.score(runs[0], pseudonymize=True)
    pb.score(runs[1], pseudonymize=True)


def test_answers_from_elsewhere_get_pseudonyms_too(runs, home, tmp_path):
    users = sorted(set(runs[0].samples["user_id"]))
    given = write_delivery(tmp_path / "theirs", users, 3)
    said = {"data": home / "shop", "n_images": 3}
    plain = pb.score(given, "folder", **said)
    hidden = pb.score(given, "folder", pseudonymize=True, **said)
    assert hidden.summary.metrics == plain.summary.metrics
    assert set(hidden.samples["user_id"]) == set(runs[1].samples["user_id"])
    assert reveals(hidden.path, home, tmp_path, OWNER, *PEOPLE) == []


class TellsAll(RandomItem):
    """A method whose errors say whom and what they were about."""

    def generate(self, samples):
        if len(samples) > 1:
            raise ValueError("a batch")
        user = samples[0].request.user_id
        raise ValueError(f"no taste of {user} in {Path.home()}/secrets/taste.npy, 'of {user}.'")


def test_reasons_of_failures_tell_no_place_and_no_user(home):
    said = {"data": home / "shop", "n_images": 1, "beside": False}
    plain = pb.run(TellsAll, "folder", **said)
    assert reveals(plain.path, home, OWNER) == []
    assert "<path>/secrets/taste.npy" in plain.samples["reason"].iloc[0]
    hidden = pb.run(TellsAll, "folder", pseudonymize=True, **said)
    assert reveals(hidden.path, home, OWNER, "shop.example", *PEOPLE) == []
    row = hidden.samples.iloc[0]
    assert f"no taste of {row['user_id']} in" in row["reason"]


def test_workers_know_the_names_too(runs, home, tmp_path):
    made = pb.run("random-item", "folder", data=home / "shop", n_images=3, beside=False,
                  pseudonymize=True, workers=2, runs=tmp_path / "runs")  # fmt: skip
    assert made.summary.metrics == runs[1].summary.metrics
    assert np.array_equal(made.samples["sample_id"], runs[1].samples["sample_id"])
