"""Whatever is done to the cache, a run ends with the same numbers; at most it takes longer."""

import shutil

import numpy as np
import pytest

from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.images import pixel_hash
from persongen_bench.core.types import Description
from persongen_bench.loop import loras
from persongen_bench.loop import run as loop
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.description_table import DescriptionTable
from persongen_bench.loop.feature_shard import keys_of
from persongen_bench.loop.feature_table import FeatureTable
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.toy import toy_world, write_folder
from persongen_bench.util.sealed import SUFFIX

METRICS = ("taste-gap", "precision@1", "novelty", "verifier")
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")
DAMAGES = {
    "flipped": lambda data: data[: len(data) // 2]
    + bytes([data[len(data) // 2] ^ 0xFF]) + data[len(data) // 2 + 1 :],
    "end": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
}  # fmt: skip
KINDS = ("keys.npy", "rows.npy", "sums.npy", "catalogs/*.npy", "instruments/*.npz",
         "audits/*.txt", "fits/*/*.safetensors", "fits/*/fit.json", "checksums.json",
         f"*{SUFFIX}")  # fmt: skip


def make(data, runs):
    world = load_world(WorldRef("folder", "pixels", {"like_threshold": 2}, data))
    terms = Terms("catalogue", "prompt-free", METRICS, 2, 3)
    job = loop.Job(world, terms, MethodChoice("nearest-item"), seed=3)
    path = loop.run(job, runs).path
    return [(path / name).read_bytes() for name in RESULTS]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write_folder(toy_world(), folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(folder / "cache"))
        return folder, make(folder / "data", folder / "runs")


@pytest.fixture
def cache(made, tmp_path, monkeypatch):
    """A copy of the cache of a run."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    return shutil.copytree(made[0] / "cache", tmp_path / "cache")


def entries(cache, kind):
    return [
        f for f in cache.rglob(kind) if f.is_file() and f.suffix != ".lock" and f.stat().st_size
    ]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_everything_is_damaged_at_once(made, cache, tmp_path, damage, caplog):
    for file in entries(cache, "*"):
        if "private" not in file.parts:
            file.write_bytes(damage(file.read_bytes()))
    assert make(made[0] / "data", tmp_path / "runs") == made[1]
    assert "made again" in caplog.text
    caplog.clear()
    assert make(made[0] / "data", tmp_path / "again") == made[1]
    assert "made again" not in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_is_flipped(made, cache, tmp_path, kind):
    damaged = entries(cache, kind)
    assert damaged
    for file in damaged:
        file.write_bytes(DAMAGES["flipped"](file.read_bytes()))
    assert make(made[0] / "data", tmp_path / "runs") == made[1]


def test_a_cache_of_before_there_were_checksums_is_read_and_gets_them(
    made, cache, tmp_path, caplog
):
    sums = [
        f for kind in (f"*{SUFFIX}", "sums.npy", "checksums.json") for f in entries(cache, kind)
    ]
    for file in sums:
        file.unlink()
    assert make(made[0] / "data", tmp_path / "runs") == made[1]
    assert caplog.text == ""
    assert all(file.exists() for file in sums)


@pytest.mark.parametrize("name", ["features", "fits", "instruments", "audits"])
def test_a_file_in_the_place_of_a_folder_is_one_line(made, cache, tmp_path, name):
    shutil.rmtree(cache / name)
    (cache / name).write_text("")
    with pytest.raises((ConfigError, PgbenchError), match="a file is in its place"):
        make(made[0] / "data", tmp_path / "runs")


def test_a_row_under_another_key_is_not_taken(tmp_path):
    """Two keys are exchanged: every number is whole, and belongs to another picture."""
    keys, rows = keys_of(["a1", "b2", "c3"]), np.arange(12, dtype=np.float32).reshape(3, 4)
    table = FeatureTable(tmp_path, 4)
    with table.lock():
        table.add(keys, rows)
    (file,) = tmp_path.rglob("keys.npy")
    np.save(file, keys[[1, 0, 2]])
    again = FeatureTable(tmp_path, 4)
    _, sound = again.read(keys)
    assert not sound.any()
    with again.lock():
        again.add(keys, rows)
    np.testing.assert_array_equal(FeatureTable(tmp_path, 4).rows(keys), rows)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_of_words_is_made_again(tmp_path, damage):
    file, said = tmp_path / "words.sqlite", [Description("a" * 50, ("red",))] * 400
    keys = [f"{k:016x}" for k in range(400)]
    DescriptionTable(file).add(keys, said)
    file.write_bytes(damage(file.read_bytes()))
    for _ in range(3):  # a torn index may show only when what was lost is written
        known = DescriptionTable(file).get(keys)
        assert all(known[key] == said[0] for key in known)
        lost = [key for key in keys if key not in known]
        DescriptionTable(file).add(lost, said[: len(lost)])
    assert DescriptionTable(file).get(keys) == dict(zip(keys, said, strict=True))


def test_a_changed_description_is_not_taken(tmp_path, caplog):
    file = tmp_path / "words.sqlite"
    DescriptionTable(file).add(["aa", "bb"], [Description("a cat", ()), Description("a dog", ())])
    file.write_bytes(file.read_bytes().replace(b"a dog", b"a cow"))
    assert DescriptionTable(file).get(["aa", "bb"]) == {"aa": Description("a cat", ())}
    assert "1 descriptions are not what was written" in caplog.text


def test_a_damaged_lora_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    place = tmp_path / "loras" / "d1.safetensors"
    place.parent.mkdir()
    place.write_bytes(b"weights")
    assert loras.kept("d1") == place
    place.write_bytes(b"weighty")
    with pytest.raises(ConfigError, match="--lora FILE"):
        loras.kept("d1")


def test_pictures_are_told_by_their_pixels():
    """What the rows hang on: a changed picture has another key."""
    picture = np.zeros((3, 4, 4), np.uint8)
    assert pixel_hash(picture) != pixel_hash(picture + np.uint8(1))
