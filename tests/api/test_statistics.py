"""What `pgbench show dataset` says of data: the tiny ImageGem, counted by hand."""

import json

import pytest
from imagegem_case import write_gem
from refusals import refused
from typer.testing import CliRunner

from persongen_bench.api import statistics
from persongen_bench.cli.app import app
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.statistics import CountedLoader
from persongen_bench.datasets.folder import Folder
from persongen_bench.datasets.imagegem import Imagegem
from persongen_bench.testing.toy import toy_world, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_gem(tmp_path_factory.mktemp("gem"), pictures=False)


@pytest.fixture(scope="module")
def told(folder):
    return statistics.values(statistics.of_dataset("imagegem", folder, {}))


def table(told, title):
    return next(t for t in told["tables"] if t["title"].startswith(title))["rows"]


def test_table_1(told):
    raw, safe, kept = table(told, "Tables")
    # eleven images; "a red car" twice; m4 was uploaded by eve, who made no image
    columns = ("images", "unique prompts", "LoRAs", "unique tags")
    assert [raw[name] for name in columns] == [11, 10, 4, 3]
    assert (raw["users"], raw["model uploaders"], raw["in-house"]) == (5, 3, 1)
    # images: ann 4, bob 4, cid 2, dee 1: without the highest 7/3, with it 11/4
    assert raw["images per uploader"] == "2.3 (2.8)"
    # LoRAs: dee 2, ann 1, eve 1: without the highest 1, with it 4/3
    assert raw["models per uploader"] == "1.0 (1.3)"
    assert raw["images per model"] == 2.8  # eleven uses of four LoRAs
    # b4 is unsafe, and only it used m4; eve is left out with her only LoRA
    assert (safe["images"], safe["LoRAs"], safe["users"]) == (10, 3, 4)
    assert (kept["images"], kept["in-house"]) == (9, 0)


def test_table_3_and_twins(told):
    images, models = table(told, "Interactions")
    assert [images[k] for k in ("users", "items", "interactions")] == [2, 7, 7]
    assert (images["average per user"], images["sparsity"]) == (3.5, "50.0000%")
    assert [models[k] for k in ("users", "items", "interactions")] == [2, 3, 6]
    (twins,) = table(told, "Twins")
    # a4 has a3's prompt and was made 86 seconds later; b3 has no twin
    assert [twins[k] for k in ("held out", "prompt trained on", "session trained on")] == [
        2, "50.0%", "50.0%",
    ]  # fmt: skip


def test_distributions(told):
    shown = {d["title"]: d for d in told["distributions"]}
    ranks = shown["Rank of a LoRA"]
    assert dict(zip(ranks["labels"], ranks["counts"]["count"], strict=True)) == {
        "16": 2, "32": 1, "unknown": 1,
    }  # fmt: skip
    hearts = shown["Feedback on an image"]["counts"]["heart"]
    assert hearts[0] == 10  # all but a2, with five: in the range 4 to 7
    assert shown["Feedback on an image"]["labels"][3] == "4-7"
    assert hearts[3] == 1
    assert shown["Images of the most active users"]["counts"]["count"] == (4, 4, 2, 1)
    assert "ann" not in json.dumps(told)  # nobody is named


def test_the_command_prints_and_draws(folder, tmp_path):
    picture = tmp_path / "gem.png"
    done = CliRunner().invoke(
        app, ["show", "dataset", "imagegem", "--data", str(folder), "--picture", str(picture)]
    )
    assert done.exit_code == 0, done.output
    for words in ("unique prompts", "images per model", "Twins of the held-out", "novel-prompt"):
        assert words in done.output
    assert picture.read_bytes()[:4] == b"\x89PNG"
    done = CliRunner().invoke(
        app, ["show", "dataset", "imagegem-models", "--data", str(folder), "-f", "json",
              "--data-option", "least_interactions=2"],
    )  # fmt: skip
    assert json.loads(done.output)["statistics"]["tables"][0]["title"] == "Tables"


def test_other_data_sets_are_counted_by_their_log(tmp_path):
    write_folder(toy_world(), tmp_path)
    assert isinstance(Imagegem, CountedLoader)
    assert not isinstance(Folder, CountedLoader)
    told = statistics.values(statistics.of_dataset("folder", tmp_path, {}))
    (row,) = told["tables"][0]["rows"]
    log = toy_world().dataset.interactions
    assert (row["users"], row["interactions"]) == (6, len(log))
    assert statistics.of_dataset("folder", None, {}) is None  # a card alone opens no data


def test_only_data_sets_have_data():
    done = CliRunner().invoke(app, ["show", "method", "rebeca", "--data", "x"])
    assert isinstance(done.exception, ConfigError | SystemExit)
    assert done.exit_code != 0


def test_a_figure_goes_to_a_picture(folder, tmp_path):
    told = statistics.of_dataset("imagegem", folder, {})
    with refused("cannot draw", error=ConfigError):
        statistics.draw(told, tmp_path / "gem.txt")
