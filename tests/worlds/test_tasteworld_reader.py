"""The attribute reader that ships with the package, and its training."""

from __future__ import annotations

import json

import numpy as np
import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.util.recipe import build
from persongen_bench.worlds.tasteworld import attributes as world_of
from persongen_bench.worlds.tasteworld import reader, reader_training
from persongen_bench.worlds.tasteworld.render import render

CARD = json.loads((reader.FOLDER / "card.json").read_text(encoding="utf-8"))


def world(n, seed):
    rng = np.random.default_rng(seed)
    codes = world_of.draw_scenes(n, rng)
    return codes, list(render(codes, rng.integers(0, 2**63, n, dtype=np.uint64)))


def test_shipped_reader_reads_fresh_pictures_as_its_card_says():
    codes, pictures = world(600, 5)
    found = reader.attribute_accuracy(reader.shipped().read(pictures).codes, codes)
    for name, said in CARD["quality"]["clean"].items():
        # 4 standard errors of a share measured on 600 pictures, at least 1%
        slack = max(0.01, 4 * (said * (1 - said) / 600) ** 0.5)
        assert abs(found[name] - said) <= slack, name
    assert found["mean"] >= 0.99


def test_a_reading_depends_on_its_own_picture_alone():
    _, pictures = world(70, 6)
    together = reader.shipped().read(pictures)
    for k in (0, 1, 63, 64, 69):
        alone = reader.shipped().read(pictures[k : k + 1])
        np.testing.assert_array_equal(alone.codes[0], together.codes[k])
        np.testing.assert_array_equal(alone.legible[0], together.legible[k])
        np.testing.assert_array_equal(alone.confidence[0], together.confidence[k])


def test_nothing_to_read():
    found = reader.shipped().read([])
    assert found.codes.shape == (0, 5)
    assert found.legible.shape == (0,)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda a, b: ((a.astype(int) + b) // 2).astype(np.uint8),
        lambda a, b: np.concatenate([a[:, :, :32], b[:, :, 32:]], axis=2),
        lambda a, b: np.full_like(a, 128),
        lambda a, b: np.random.default_rng(0).integers(0, 256, a.shape, dtype=np.uint8),
        lambda a, b: np.repeat(np.repeat(a[:, ::16, ::16], 16, axis=1), 16, axis=2),
    ],
    ids=["blend", "halves", "grey", "noise", "mosaic"],
)
def test_pictures_without_one_clear_object_are_illegible(spoilt):
    """Blends, halves and noise are of the trained kinds; grey and a coarse mosaic are not."""
    _, first = world(60, 7)
    _, second = world(60, 8)
    read = reader.shipped().read([spoilt(a, b) for a, b in zip(first, second, strict=True)])
    assert (read.legible < 0.5).mean() >= 0.9


def test_chance_is_one_over_the_number_of_values():
    found = reader.chance()
    assert found["size"] == pytest.approx(1 / 3)
    assert found["mean"] == pytest.approx((1 / 7 + 1 / 7 + 1 / 3 + 1 / 6 + 1 / 5) / 5)


@pytest.mark.slow
def test_reduced_training_beats_chance_and_writes_what_is_loaded(tmp_path):
    """60 steps reached 0.87 when they were first tried; 0.6 is three times chance."""
    build(reader_training.recipe(reader_training.PLAN.changed(steps=60)), tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["quality"]["clean"]["mean"] > 0.6
    assert not (tmp_path / "checkpoint.pt").exists()
    losses = json.loads((tmp_path / "losses.json").read_text())
    assert losses[-1]["loss"] < losses[0]["loss"]
    assert reader.TasteworldReader(tmp_path).signature != reader.shipped().signature


def test_missing_and_damaged_weights_say_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="pgbench models build sandbox"):
        reader.TasteworldReader(tmp_path)
    (tmp_path / reader.WEIGHTS).write_bytes(b"not weights")
    with pytest.raises(ConfigError, match="no weights of the reader"):
        reader.TasteworldReader(tmp_path)
