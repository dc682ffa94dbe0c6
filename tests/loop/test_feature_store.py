"""Each image is encoded once per model, by content: laws of the store and of what stands on it."""

from __future__ import annotations

import sqlite3
import weakref
from contextlib import closing

import numpy as np
import pytest

from persongen_bench.core.errors import DataError
from persongen_bench.core.images import pixel_hash
from persongen_bench.core.types import Description
from persongen_bench.loop import encoding, features
from persongen_bench.loop.description_table import DescriptionTable
from persongen_bench.loop.encoding import Pictures
from persongen_bench.loop.feature_shard import keys_of
from persongen_bench.loop.feature_table import MAX_SHARDS, FeatureTable
from persongen_bench.loop.features import CatalogFeatures, FeatureStore
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_stack import MomentEncoder, ToyStack


def pictures(n: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (n, 3, 16, 16), dtype=np.uint8))


class CountingEncoder(MomentEncoder):
    """Counts every image it is shown."""

    def __init__(self, signature: str = "counting|impl:1") -> None:
        super().__init__(signature, np.ones(32))
        self.seen: list[str] = []

    def encode(self, images):
        self.seen += [pixel_hash(image) for image in images]
        return super().encode(images)


class HalfHead:
    """A head on another role."""

    signature = "half|impl:1"
    embedding_size = 16
    base = "dino"

    def from_base(self, rows):
        return rows[:, :16]

    def encode(self, images):
        raise AssertionError("a head's images are encoded by its base")


@pytest.fixture
def stack():
    stack = ToyStack()
    stack._roles |= {"dino": CountingEncoder(), "aesthetic": HalfHead()}
    return stack


def read(store: FeatureStore, images, role="dino"):
    hashes = [pixel_hash(image) for image in images]
    return store.rows(role, hashes, lambda places: [images[k] for k in places])


def test_each_image_is_encoded_once_however_often_and_where_it_is_asked_for(tmp_path, stack):
    images = pictures(7)
    rows = read(FeatureStore(tmp_path, stack), [*images, images[2]])
    again = read(FeatureStore(tmp_path, stack), images[::-1])  # another process would find it too
    np.testing.assert_array_equal(rows[:7][::-1], again)
    np.testing.assert_array_equal(rows[7], rows[2])
    assert sorted(stack.role("dino").seen) == sorted(pixel_hash(image) for image in images)


def test_rows_are_the_encoders_own(tmp_path, stack):
    images = pictures(5)
    np.testing.assert_array_equal(
        read(FeatureStore(tmp_path, stack), images), MomentEncoder("x", np.ones(32)).encode(images)
    )


def test_e19_key_holds_content_model_preprocessing_and_dtype(tmp_path, stack):
    # The cache of torch-fidelity is keyed by a name the user gives: other images of the same name
    # get the old features.
    images = pictures(3)
    first = read(FeatureStore(tmp_path, stack), images)
    other = CountingEncoder("counting|resize:32|dtype:float16|impl:1")
    stack._roles["dino"] = other
    read(FeatureStore(tmp_path, stack), images)
    assert len(other.seen) == 3
    changed = [np.clip(image + np.uint8(1), 0, 255).astype(np.uint8) for image in images]
    assert not np.array_equal(read(FeatureStore(tmp_path, stack), changed), first)


def test_head_is_computed_from_the_rows_of_its_base(tmp_path, stack):
    images, store = pictures(4), FeatureStore(tmp_path, stack)
    np.testing.assert_array_equal(read(store, images, "aesthetic"), read(store, images)[:, :16])
    assert len(stack.role("dino").seen) == 4


def test_changed_image_is_refused_and_nothing_is_kept(tmp_path, stack):
    images, store = pictures(3), FeatureStore(tmp_path, stack)
    hashes = [pixel_hash(image) for image in images]
    with pytest.raises(DataError, match="not the one that was recorded"):
        store.rows("dino", hashes, lambda places: pictures(3, seed=1)[: len(places)])
    assert not store._table(stack.role("dino")).known(keys_of(hashes)).any()


def test_rows_too_long_to_keep_are_encoded_where_they_are_needed(tmp_path, stack, monkeypatch):
    monkeypatch.setattr(features, "LARGEST", 31)
    monkeypatch.setattr(features, "BUFFER", 2 * 4 * 32)  # two rows at a time
    images, store = pictures(5), FeatureStore(tmp_path, stack)
    rows = read(store, images)
    np.testing.assert_array_equal(rows, MomentEncoder("x", np.ones(32)).encode(images))
    assert list(tmp_path.iterdir()) == []
    assert store.encoded["dino"] == 5


def test_no_images_no_rows(tmp_path, stack):
    assert read(FeatureStore(tmp_path, stack), []).shape == (0, 32)


def test_many_additions_are_merged_into_one(tmp_path):
    table, rng = FeatureTable(tmp_path, 4), np.random.default_rng(0)
    keys = rng.integers(0, 2**63, 3 * (MAX_SHARDS + 2), dtype=np.uint64)
    rows = rng.normal(size=(len(keys), 4)).astype(np.float32)
    older = None
    for start in range(0, len(keys), 3):
        with table.lock():
            table.add(keys[start : start + 3], rows[start : start + 3])
        older = older or FeatureTable(tmp_path, 4)  # has the first shard open when it goes
    assert len([p for p in tmp_path.iterdir() if p.is_dir()]) <= MAX_SHARDS
    shuffled = rng.permutation(len(keys))
    for opened in (table, FeatureTable(tmp_path, 4)):
        np.testing.assert_array_equal(opened.rows(keys[shuffled]), rows[shuffled])
    np.testing.assert_array_equal(older.rows(keys[:3]), rows[:3])
    with older.lock():
        np.testing.assert_array_equal(older.rows(keys[shuffled]), rows[shuffled])


def test_unknown_key_is_an_error(tmp_path):
    table = FeatureTable(tmp_path, 4)
    with pytest.raises(KeyError, match="00000000000000ff"):
        table.rows(np.array([255], dtype=np.uint64))


def test_catalogue_and_its_parts_share_their_rows(tmp_path, stack):
    world = toy_world()
    store = FeatureStore(tmp_path, stack)
    whole = CatalogFeatures(world.dataset.catalog, store, tmp_path)
    ids = world.train.catalog.ids
    rows = whole.rows("dino", ids[::-1])
    part = whole.restricted(world.train.catalog)
    np.testing.assert_array_equal(part.rows("dino", ids), rows[::-1])
    assert len(stack.role("dino").seen) == len(world.dataset.catalog)
    fresh = CatalogFeatures(world.dataset.catalog, FeatureStore(tmp_path, stack), tmp_path)
    np.testing.assert_array_equal(fresh.rows("dino", ids), rows[::-1])
    assert len(stack.role("dino").seen) == len(world.dataset.catalog)
    with pytest.raises(KeyError):
        part.rows("dino", [world.test.catalog.ids[0]])


def test_descriptions_are_kept_by_content(tmp_path, stack):
    images, store = pictures(5), FeatureStore(tmp_path, stack)
    hashes = [pixel_hash(image) for image in images]
    said = store.describe("captioner", hashes, lambda places: [images[k] for k in places])
    assert said == stack.role("captioner").describe(images)
    again = FeatureStore(tmp_path, stack)
    assert again.describe("captioner", hashes[::-1], lambda _: pytest.fail("opened")) == said[::-1]
    assert again.encoded["captioner"] == 0
    assert store.encoded["captioner"] == 5


def test_words_survive_a_round_trip(tmp_path):
    table = DescriptionTable(tmp_path / "words.sqlite")
    said = [Description('a "red" \N{SNOWMAN}', ("red", "snow man")), Description("", ())]
    table.add(["aa", "bb"], said)
    assert DescriptionTable(tmp_path / "words.sqlite").get(["bb", "aa", "cc"]) == {
        "aa": said[0], "bb": said[1],
    }  # fmt: skip


def test_words_without_lists_are_written_as_ever_and_old_rows_are_read(tmp_path):
    """A row is ``[caption, tags]``; the four lists come behind where there are any."""
    file = tmp_path / "words.sqlite"
    sorted_ones = Description("b", ("dog", "red"), objects=("dog",), colours=("red",))
    DescriptionTable(file).add(["aa", "bb"], [Description("a", ("red",)), sorted_ones])
    with closing(sqlite3.connect(file)) as db, db:
        rows = dict(db.execute("SELECT key, said FROM words").fetchall())
        db.execute('INSERT INTO words VALUES (\'cc\', \'["old", ["x", "y"]]\')')
    assert rows["aa"] == '["a", ["red"]]'
    read = DescriptionTable(file).get(["bb", "cc"])
    assert read == {"bb": sorted_ones, "cc": Description("old", ("x", "y"))}


class BrokenEncoder(MomentEncoder):
    """Gives one picture, the darkest of a call, a number that is none."""

    def __init__(self, number: float) -> None:
        super().__init__(f"broken {number}|impl:1", np.ones(32))
        self.number = number

    def encode(self, images):
        rows = super().encode(images).astype(np.float64)
        rows[int(np.argmin([image.mean() for image in images])), 3] = self.number
        return rows

    def encode_texts(self, texts):
        rows = np.ones((len(texts), 32))
        rows[-1, 0] = self.number
        return rows


def named(images):
    return Pictures(lambda part: [images[k] for k in part], lambda k: f"picture no {k}")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e300])  # 1e300: not a float32
@pytest.mark.parametrize("largest", [features.LARGEST, 31])  # rows that are kept, and that are not
def test_a_row_that_is_no_number_is_refused_by_name(tmp_path, stack, monkeypatch, number, largest):
    # NaN sorts last and compares false: with one such picture precision@1 of its user was 1.0.
    monkeypatch.setattr(features, "LARGEST", largest)
    stack._roles["dino"] = BrokenEncoder(number)
    images, store = pictures(4), FeatureStore(tmp_path, stack)
    images[2] = np.zeros((3, 16, 16), dtype=np.uint8)
    hashes = [pixel_hash(image) for image in images]
    with pytest.raises(DataError, match=r"dino: 1 of 4 rows hold NaN .* that of picture no 2"):
        store.rows("dino", hashes, named(images))
    if largest != 31:
        with pytest.raises(DataError, match="picture no 2"):
            store.learn("dino", 4, named(images))
        assert not store._table(stack.role("dino")).known(keys_of(hashes)).any()


def test_a_head_and_a_text_that_are_no_numbers_are_refused(tmp_path, stack):
    stack._roles["broken"] = BrokenEncoder(np.nan)
    store = FeatureStore(tmp_path, stack)
    with pytest.raises(DataError, match=r"broken: 1 of 2 rows .* the text 'b'"):
        store.texts("broken", ["a", "b"])
    stack.role("aesthetic").from_base = lambda rows: np.full((len(rows), 1), np.nan)
    with pytest.raises(DataError, match=r"aesthetic: 3 of 3 rows .* image 0"):
        read(store, pictures(3), "aesthetic")


def test_kept_rows_that_are_no_numbers_are_refused_too(tmp_path, stack):
    images, store = pictures(3), FeatureStore(tmp_path, stack)
    read(store, images)
    (file,) = tmp_path.rglob("rows.npy")
    rows = np.load(file)
    rows[1, 5] = np.nan
    np.save(file, rows)
    (file.parent / "sums.npy").unlink()  # kept before there were checksums
    with pytest.raises(DataError, match=r"dino: 1 of 3 rows .* Remove .*computed again"):
        read(FeatureStore(tmp_path, stack), images)


def test_rows_of_another_shape_are_refused(tmp_path, stack):
    stack.role("dino").encode = lambda images: np.zeros((len(images), 5), dtype=np.float32)
    with pytest.raises(DataError, match=r"dino: expected rows of shape \(2, 32\), found \(2, 5\)"):
        read(FeatureStore(tmp_path, stack), pictures(2))


class Album:
    """Counts the bytes of the images it has opened that are still held."""

    def __init__(self, images) -> None:
        self.images, self.held, self.most, self.n_opened = images, 0, 0, 0

    def __call__(self, part):
        opened = [self.images[k].copy() for k in part]
        for image in opened:
            self.held += image.nbytes
            weakref.finalize(image, self._gone, image.nbytes)
        self.n_opened += len(opened)
        self.most = max(self.most, self.held)
        return opened

    def _gone(self, n_bytes):
        self.held -= n_bytes

    def sizes_of(self, part):
        return [self.images[k].nbytes for k in part]


@pytest.mark.parametrize("known_sizes", [True, False])
@pytest.mark.parametrize("way", ["rows", "learn", "describe"])
def test_memory_is_bounded_in_bytes_and_rows_are_the_same(
    tmp_path, stack, monkeypatch, known_sizes, way
):
    images = pictures(20)
    one = images[0].nbytes
    hashes = [pixel_hash(image) for image in images]
    expected = read(FeatureStore(tmp_path / "a", stack), images)
    monkeypatch.setattr(encoding, "HELD", 3 * one)
    album, store = Album(images), FeatureStore(tmp_path / "b", stack)
    shown = Pictures(album, str, album.sizes_of if known_sizes else lambda _: None)
    if way == "describe":
        assert store.describe("captioner", hashes, shown) == stack.role("captioner").describe(
            images
        )
    else:
        if way == "learn":
            assert store.learn("dino", len(images), shown) == hashes
        np.testing.assert_array_equal(store.rows("dino", hashes, shown), expected)
    assert album.most <= 5 * one
    assert album.n_opened <= 3 * len(images)  # CountingEncoder goes through them twice


def test_small_pictures_are_opened_together_once(tmp_path, stack):
    images = pictures(20)
    album = Album(images)
    store = FeatureStore(tmp_path, stack)
    store.learn("dino", 20, Pictures(album, str, album.sizes_of))
    assert album.n_opened == 20
