"""Prompt sets: PartiPrompts' and DiffusionDB's layouts, made up; the published file if at hand."""

import os
from pathlib import Path

import pandas as pd
import pytest
from refusals import refused

from persongen_bench.datasets.prompt_sets import PromptChoice, choose, read_prompts
from persongen_bench.datasets.prompts import Prompts, PromptsConfig
from persongen_bench.testing import DatasetContract

PARTI = (
    "Prompt\tCategory\tChallenge\tNote\na red car\tVehicles\tBasic\t\n"
    '"a dog"\tAnimals\tBasic\ta note\na man\tPeople\tBasic\t\nA dog!\tAnimals\tBasic\t\n'
    "a house\tOutdoor Scenes\tBasic\t\n"
)


@pytest.fixture(scope="module")
def parti(tmp_path_factory):
    root = tmp_path_factory.mktemp("parti")
    (root / "PartiPrompts.tsv").write_text(PARTI)
    return root


def diffusiondb(root):
    """The columns of ``metadata.parquet`` as published."""
    prompts = ["a car at night", "A car, at night", "unsafe car", "a woman", "old vehicles", "cars"]
    n = len(prompts)
    frame = pd.DataFrame({
        "image_name": [f"{k}.png" for k in range(n)], "prompt": prompts,
        "part_id": pd.array(range(n), dtype="uint16"), "seed": pd.array(range(n), dtype="uint32"),
        "step": pd.array([50] * n, dtype="uint16"), "cfg": pd.array([7.0] * n, dtype="float32"),
        "sampler": pd.array([8] * n, dtype="uint8"), "width": pd.array([512] * n, dtype="uint16"),
        "height": pd.array([512] * n, dtype="uint16"),
        "user_name": ["h1", "h2", "h1", "h2", "", "h3"],
        "timestamp": pd.to_datetime(["2022-08-07"] * n, utc=True),
        "image_nsfw": pd.array([0.1] * n, dtype="float32"),
        "prompt_nsfw": pd.array([0.0, 0.0, 0.9, 0.0, 0.1, 0.2], dtype="float32"),
    })  # fmt: skip
    frame.to_parquet(root / "metadata.parquet")
    return root / "metadata.parquet"


def load(root, **options):
    return Prompts.load(PromptsConfig(**options), root)


def test_partiprompts(parti):
    rows = read_prompts(parti / "PartiPrompts.tsv")
    # "a dog" with quotes and "A dog!" are one prompt; sorted by the normal form
    assert rows["prompt"].tolist() == ['"a dog"', "a house", "a man", "a red car"]
    assert rows["category"].tolist() == ["Animals", "Outdoor Scenes", "People", "Vehicles"]
    data = load(parti, n=2)
    assert len(data.prompts) == 2
    assert "a man" not in data.prompts
    assert load(parti, n=3, seed=5).prompts == ('"a dog"', "a house", "a red car")
    assert load(parti, n=1, topic="cars").prompts == ("a red car",)
    assert load(parti, n=1, category="People", humans=True).prompts == ("a man",)
    split = data.split()
    assert set(data.catalog.items.loc[split.test["item_id"], "caption"]) == set(data.prompts)


def test_diffusiondb(tmp_path):
    path = diffusiondb(tmp_path)
    rows = read_prompts(path, 0.2)
    assert set(rows["prompt"]) == {"A car, at night", "a woman", "old vehicles", "cars"}
    assert len(read_prompts(path, None)) == 5
    cars = choose(rows, PromptChoice(topic="cars", n=2, seed=1), "here")
    assert len(cars) == 2
    assert set(cars["prompt"]) < {"A car, at night", "old vehicles", "cars"}
    data = load(tmp_path, topic="cars", n=2)
    assert set(data.interactions["user_id"]) == {"h2", "h3", "anybody"}


def test_a_text_file_and_a_named_one(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\ntwo\nthree\n")
    assert set(load(tmp_path, n=2).prompts) < {"one", "two", "three"}
    assert len(load(tmp_path / "a.txt", n=1).prompts) == 1
    (tmp_path / "b.csv").write_text("prompt,category\nfour,x\nfive,y\n")
    with refused("found a.txt, b.csv"):
        load(tmp_path, n=1)
    assert load(tmp_path, n=1, file="b.csv", category="y").prompts == ("five",)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.tsv", "prompt,category\nx,y\n", ["row 1", "expected Prompt, Category"]),
        ("p.tsv", "Prompt\tCategory\tChallenge\tNote\nx\ty\n", ["row 2", "2 cells", "expected 4"]),
        ("p.txt", "", ["no prompt is left"]),
        ("p.txt", "one\n", ["all 1 prompts are drawn"]),
        ("p.txt", "one\ntwo\n\0\n", ["row 3", "not a prompt"]),
        ("p.csv", "text\nx\n", ["row 1", "no column 'prompt'"]),
        ("p.csv", "prompt,prompt_nsfw\nx,7\n", ["row 2", "'7'", "from 0 to 1"]),
        ("p.txt", "a man\na girl\n", ["0 of 2 prompts are fit"]),
    ],
)
def test_malformed_files(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with refused(words[0], *words):
        load(tmp_path, n=1)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "p.txt").write_bytes(b"one\ncaf\xe9\n")
    with refused("row 2", "0xe9"):
        load(tmp_path, n=1)
    with refused("not a file of prompts"):
        read_prompts(tmp_path / "p.json")
    with refused("no data folder"):
        load(None)
    with refused("2 prompts are fit|0 of"):
        (tmp_path / "p.txt").write_text("one\ntwo\n")
        load(tmp_path, n=200)


@pytest.mark.skipif("PGBENCH_DATA" not in os.environ, reason="needs the published file")
def test_the_published_partiprompts():
    path = Path(os.environ["PGBENCH_DATA"]) / "partiprompts" / "PartiPrompts.tsv"
    if not path.exists():
        pytest.skip("PartiPrompts.tsv is not there")
    rows = read_prompts(path)
    assert 1_500 < len(rows) <= 1_632  # 1,632 prompts, some of them alike


class TestPrompts(DatasetContract):
    dataset = "prompts"
    config = {"n": 2}  # noqa: RUF012  # the shape the contract asks for

    @pytest.fixture(autouse=True)
    def _folder(self, parti):
        self.root = parti

    def test_images_keep_the_contract(self):
        """There are none."""
