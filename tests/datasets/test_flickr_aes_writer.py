"""`pgbench make flickr-aes`: what is written is read, divided and run on as if published."""

import json
import os
import re
import subprocess
import sys

import pytest
from refusals import refused
from typer.testing import CliRunner

from persongen_bench.cli.app import app
from persongen_bench.core.errors import ConfigError
from persongen_bench.datasets.audit import audit
from persongen_bench.datasets.flickr_aes import FlickrAes, FlickrAesConfig
from persongen_bench.datasets.flickr_aes_files import IMAGES, RATINGS, SCORES, TEST_WORKERS
from persongen_bench.datasets.flickr_aes_writer import write_flickr_aes
from persongen_bench.testing.datasets import DatasetContract
from persongen_bench.worlds.flickr_aes import FlickrPlan, make_world

PLAN = FlickrPlan(12, 720, 240, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "flickr"
    counts = write_flickr_aes(root, PLAN)
    assert counts == {"workers": 12, "test workers": 2, "images": 240, "ratings": 720}
    return root


def load(root):
    return FlickrAes.load(FlickrAesConfig(), root)


def test_the_files_look_as_published(folder):
    """Header and values with blanks, names and ids of the published form (methods.md, 9.1)."""
    header, *rows = (folder / RATINGS).read_text().splitlines()
    assert header == "worker, imagePair, score"
    form = r"A[0-9A-Z]{12}, farm\d_\d+_\d+_[0-9a-f]{10}\.jpg, [1-5]"
    assert all(re.fullmatch(form, row) for row in rows)
    assert len(list((folder / IMAGES).iterdir())) == 240
    assert (folder / TEST_WORKERS).read_text().splitlines()[0] == "ID"
    assert len((folder / SCORES).read_text().splitlines()) == 240


def test_what_is_written_is_what_is_read(folder):
    data, world = load(folder), make_world(PLAN)
    log = data.interactions
    assert (log["user_id"].nunique(), len(log), len(data.catalog)) == (12, 720, 240)
    assert "dropped" not in data.card.description
    assert log["liked"].sum() == (world.score >= 4).sum()
    assert sorted(log["rating"]) == sorted(world.score.tolist())
    means = log.groupby("item_id")["rating"].mean() / 5
    assert (data.catalog.items["mean_score"] - means).abs().max() < 1e-4
    assert data.catalog.images(data.catalog.ids[:1])[0].shape == (3, 64, 64)
    assert data.split("user-disjoint").test["user_id"].nunique() == 2


def test_nobody_takes_it_for_the_published_data(folder):
    data = load(folder)
    assert data.card.title == "FLICKR-AES, simulated"
    assert "no number made with them is one of FLICKR-AES" in data.card.notes[0]


def test_every_split_keeps_its_promise_pictures_included(folder):
    """Pictures are drawn from seeds of their own: no two are equal, which would be a leak."""
    data = load(folder)
    for name in ("per-user", "item", "user-disjoint", "fold-3-of-5", "item-fold-3-of-5"):
        report = audit(data, data.split(name, 1))
        assert report.leaks == ()
        assert "same-picture" not in {finding.kind for finding in report.findings}


def test_the_same_plan_gives_the_same_files(folder, tmp_path):
    again = tmp_path / "again"
    write_flickr_aes(again, PLAN)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert load(again).revision == load(folder).revision


def test_the_command(tmp_path):
    root = tmp_path / "flickr"
    words = ["make", "flickr-aes", "--output", str(root), "--users", "6", "--ratings", "180"]
    done = CliRunner().invoke(app, [*words, "--images", "60", "--size", "32", "--seed", "2"])
    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.output.splitlines()][-1] == ["ratings", "180"]
    assert load(root).catalog.images(load(root).catalog.ids[:1])[0].shape == (3, 32, 32)
    shown = CliRunner().invoke(app, ["show", "dataset", "flickr-aes", "--data", str(root)])
    assert re.search(r"users +6\n +items +60\n +interactions +180\n", shown.output)
    with refused("not empty", error=ConfigError):
        write_flickr_aes(root, PLAN)


@pytest.mark.slow
class TestContract(DatasetContract):
    dataset = "flickr-aes"

    @pytest.fixture(autouse=True)
    def _folder(self, folder):
        self.root = folder


@pytest.mark.slow
def test_rebeca_runs_as_typed(tmp_path):
    """In a shell, where no published weights are: the sandbox steps in, and a line says so. The
    baselines and anchors of the board run beside; 5 workers, two pictures each, a short fit."""
    folder = tmp_path / "flickr"
    write_flickr_aes(folder, FlickrPlan(5, 250, 100))
    command = f"-m persongen_bench run --method rebeca --dataset flickr-aes --data {folder}"
    command += " --n-images 2 --option max_epochs=8"
    places = {"PGBENCH_CACHE": tmp_path / "cache", "PGBENCH_MODELS": tmp_path / "none",
              "HF_HUB_CACHE": tmp_path / "hub"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, *command.split()],
        cwd=tmp_path,
        env=os.environ | {name: str(place) for name, place in places.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "using stack sandbox" in said
    (place,) = tmp_path.glob("runs/flickr-aes/rebeca*-seed0-*")
    run = json.loads((place / "run.json").read_text())
    assert run["stack"]["name"] == "sandbox"
    assert run["dataset"]["split"] == "per-user"
    assert "simulated" in run["dataset"]["notes"][0]
    summary = json.loads((place / "summary.json").read_text())
    assert summary["metrics"]
