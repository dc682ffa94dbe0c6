"""Rank 1 against full, and groups of layers: what is drawn, what is compared, what is written."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from persongen_bench.api import lora_experiments as experiments
from persongen_bench.api.lora_groups import group_change, in_group
from persongen_bench.cli.app import app
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.util.lora.layers import LoraLayer, LoraLayers
from persongen_bench.util.lora.reading import assemble
from persongen_bench.util.lora.svd import truncated
from tests.cases import lora_case as case
from tests.cases.refusals import refused

PLACE = "mid_block.attentions.0.transformer_blocks.0"
SHAPES = {
    f"{PLACE}.attn1.to_q": (160, 160), f"{PLACE}.attn2.to_v": (160, 128),
    f"{PLACE}.ff.net.2": (160, 640), "mid_block.resnets.0.conv1": (160, 160, 3, 3),
}  # fmt: skip


def lora(seed=0, rank=3):
    return assemble(case.kohya(case.factors(SHAPES, rank, seed)))


class Stack:
    """A decoder that draws the sum of its LoRA's changes, and a clip that reads pixels."""

    name, roles = "painted", ("decoder", "clip")

    def role(self, name):
        return {"decoder": Decoder(), "clip": Clip()}[name]


class Clip:
    def encode(self, images):
        return np.stack([image.mean(axis=(1, 2)) + 1.0 for image in images]).astype(np.float32)


class Decoder:
    signature = "painted"
    pipeline = None

    def decode(self, embeddings, seeds):
        raise NotImplementedError

    def __init__(self):
        self.level = 0

    def adapted(self, adapter):
        from contextlib import contextmanager

        @contextmanager
        def hold():
            self.level = min(200, 20 * len(adapter.lora) // 2)
            yield
            self.level = 0

        return hold()

    def draw(self, conditions, seeds, options=None):
        image = np.full((3, 4, 4), 20, np.uint8)
        image[0] += self.level
        return [image for _ in conditions]


@pytest.fixture
def painted(monkeypatch):
    monkeypatch.setattr(experiments, "base_of", lambda stack: None)
    return Stack()


def test_groups_are_those_of_the_layer_study():
    whole = lora()
    assert list(group_change(whole, "attn_v").layers) == [f"{PLACE}.attn2.to_v"]
    assert len(group_change(whole, "attn").layers) == 2
    assert set(group_change(whole, "ff+attn_v").layers) == {
        f"{PLACE}.ff.net.2",
        f"{PLACE}.attn2.to_v",
    }
    assert (
        group_change(LoraLayers({"conv_in": whole.layers["mid_block.resnets.0.conv1"]}), "ff")
        is None
    )
    assert not in_group("mid_block.resnets.0.conv1", "attn")


def test_pictures_are_compared_with_that_of_the_same_seed(painted, tmp_path):
    draw = experiments.Draw(("", "red"), 2)
    report = experiments.experiment("layers", {"a": lora(), "b": lora(1)}, painted, draw)
    assert list(report.pictures) == list(experiments.COLUMNS)
    assert len(report.pictures) == 2 * 5 * 4
    table = report.table.set_index("variant")
    assert list(table.index) == ["full", "attn_v", "attn", "ff", "ff+attn_v"]
    base, full, one = (np.array([20 + 20 * n, 20, 20]) + 1.0 for n in (0, 4, 1))

    def cosine(x, y):
        return x @ y / np.linalg.norm(x) / np.linalg.norm(y)

    assert table.loc["ff", "to_base"] == pytest.approx(cosine(one, base), abs=1e-6)
    assert table.loc["ff", "to_full"] == pytest.approx(cosine(one, full), abs=1e-6)
    assert table.loc["full", "to_full"] == pytest.approx(1)
    folder = report.save(tmp_path / "out")
    assert len(pd.read_csv(folder / "pictures.csv")) == 40
    assert (folder / "strips.png").stat().st_size > 1000


def test_rank_one_is_the_nearest_change():
    one = experiments.VARIANTS["rank-one"]["rank-1"](lora())
    assert one.digest == truncated(lora(), 1).digest


def test_seeds_do_not_depend_on_who_draws():
    assert experiments.Draw(("a",), 2).asked == experiments.Draw(("a", "b"), 2).asked[:2]


def test_what_cannot_be_drawn_is_one_line(painted, tmp_path):
    with refused("no experiment is called", error=ConfigError):
        experiments.experiment("rank-two", {}, painted)
    with refused("there is no model", error=ConfigError):
        experiments.experiment("layers", {}, painted)
    with refused("no \\*.safetensors", error=DataError):
        list(experiments.lora_files_in(tmp_path))


@pytest.mark.slow
def test_the_command_draws_a_folder_with_the_sandbox(tmp_path):
    strong = {path: LoraLayer(layer.down, 3 * layer.up) for path, layer in lora().layers.items()}
    from persongen_bench.util.lora.writing import write_lora

    write_lora(LoraLayers(strong), tmp_path / "files" / "strong.safetensors")
    said = CliRunner().invoke(
        app,
        ["experiment", "rank-one", "--loras", str(tmp_path / "files"), "--pictures", "2",
         "--output", str(tmp_path / "out")],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert "rank-1" in said.output
    table = pd.read_csv(tmp_path / "out" / "table.csv").set_index("variant")
    assert table.loc["full", "to_base"] < 0.99
    assert table.loc["full", "to_full"] == pytest.approx(1, abs=1e-6)
