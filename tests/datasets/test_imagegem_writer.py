"""`pgbench make imagegem`: what is written is what was planned, and reads back."""

import pandas as pd
import pytest
from refusals import refused
from typer.testing import CliRunner

from persongen_bench.api import making
from persongen_bench.cli.app import app
from persongen_bench.core.errors import ConfigError
from persongen_bench.datasets import imagegem_writer
from persongen_bench.datasets.imagegem import Imagegem, ImagegemConfig
from persongen_bench.datasets.imagegem_models import ImagegemModels, ImagegemModelsConfig
from persongen_bench.datasets.imagegem_writer import write_imagegem
from persongen_bench.worlds import imagegem_images
from persongen_bench.worlds.imagegem_plan import GemPlan

PLAN = GemPlan(
    n_users=40, n_images=700, n_models=60, n_pairs=200, in_house_share=0.2, unsafe_share=0.0, seed=2
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "gem"
    counts = write_imagegem(root, PLAN, pictures=True)
    assert counts["images"] == 875  # 700 are four fifths
    return root


def test_what_is_written_is_what_is_read(folder):
    images = Imagegem.load(ImagegemConfig(), folder)
    assert len(images.interactions) == 700  # in-house ones are left out, nothing is unsafe
    assert images.interactions["user_id"].nunique() == 40
    models = ImagegemModels.load(ImagegemModelsConfig(), folder)
    assert len(models.interactions) == 200
    assert len(models.catalog) == 60
    assert len(images.prompts) == imagegem_writer.N_PROMPTS
    assert images.catalog.images(images.catalog.ids[:1])[0].shape == (3, 64, 64)
    assert "dropped" not in images.card.description + models.card.description


def test_a_picture_shows_what_its_prompt_begins_with(folder):
    """The shipped reader of scenes finds them, as often as on tasteworld's own pictures."""
    from persongen_bench.worlds.tasteworld.attributes import decode
    from persongen_bench.worlds.tasteworld.reader import shipped

    data = Imagegem.load(ImagegemConfig(), folder)
    ids = data.catalog.ids[:64]
    read = decode(shipped().read(data.catalog.images(ids)).codes)
    right = 0
    for item, (shape, colour, size, ground, style) in zip(ids, read, strict=True):
        text = str(data.catalog.items.loc[item, "caption"])
        right += text.startswith(f"{size} {colour} {shape}, {ground}, {style}, ")
    assert right >= 0.9 * len(ids)


def test_neither_form_nor_blocks_change_the_data(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(imagegem_images, "SESSIONS", 64)
    write_imagegem(tmp_path / "csv", PLAN, form="csv")
    rows = pd.read_csv(tmp_path / "csv/images.csv")
    whole = pd.read_parquet(folder / "images.parquet")
    assert rows["image_id"].tolist() == whole["image_id"].tolist()
    assert rows["user_id"].tolist() == whole["user_id"].tolist()


def test_the_command(tmp_path):
    root = tmp_path / "gem"
    words = ["make", "imagegem", str(root), "--users", "10", "--images", "200", "--models", "20"]
    done = CliRunner().invoke(app, [*words, "--format", "csv"])
    assert done.exit_code == 0, done.output
    assert (root / "images.csv").is_file()
    assert "models" in done.output
    with refused("not empty", error=ConfigError):
        making.imagegem(root, "small", {}, 0)
    with refused("no preset is called 'big'", error=ConfigError):
        making.imagegem(tmp_path / "x", "big", {}, 0)
    with refused("no format is called 'xml'", error=ConfigError):
        making.imagegem(tmp_path / "x", "small", {}, 0, form="xml")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path):
    """Blocks are written as they are made: two hundred thousand images in little memory."""
    import tracemalloc

    tracemalloc.start()
    write_imagegem(tmp_path / "gem", GemPlan(2_000, 60_000, 2_000, 12_000, 0.0, 0.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 250e6
