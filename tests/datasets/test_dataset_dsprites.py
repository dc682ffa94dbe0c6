"""The controlled world as a data set: items, ratings, splits, and the published file."""

import io
import pickle
import time
import zipfile

import numpy as np
import pytest
from pydantic import ValidationError

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import INTERACTION_COLUMNS
from persongen_bench.datasets.dsprites import DSprites, DSpritesConfig
from persongen_bench.datasets.dsprites_file import FILE_NAME, PublishedFile
from persongen_bench.worlds import sprites
from persongen_bench.worlds.sprite_taste import RULES, read


def load(root=None, **options):
    return DSprites.load(DSpritesConfig(**options), root)


@pytest.fixture(scope="module")
def full():
    return load()


@pytest.fixture(scope="module")
def small():
    return load(n_images=400)


# --- what the paper says ----------------------------------------------------------------


def test_counts_of_section_3(full):
    # 40,000 images, 10,000 per shape and colour, four users who rate all of them.
    items = full.catalog.items
    assert len(items) == 40_000
    assert items.index.is_unique
    assert set(items.groupby(["colour", "shape"]).size()) == {10_000}
    assert len(full.interactions) == 160_000
    assert tuple(full.interactions.columns) == INTERACTION_COLUMNS
    assert not full.interactions.duplicated(["user_id", "item_id"]).any()
    users = sorted(full.interactions["user_id"].unique())
    assert users == ["blue-heart-0", "blue-square-0", "red-heart-0", "red-square-0"]


def test_item_table(full):
    items = full.catalog.items
    assert set(items["scale"]) == {1}  # the released code keeps scale class 1 only
    row = items.loc[items.index[0]]
    assert row["caption"] == "a red square"
    assert row["theme"] == "red square"
    assert full.catalog.ids[0].startswith("red-square-")


def test_both_colours_share_the_same_sprites(full):
    # As in the released code, which draws red and blue with one seed.
    items = full.catalog.items
    for shape in ("square", "heart"):
        columns = ["orientation", "pos_x", "pos_y"]
        red = items[(items["shape"] == shape) & (items["colour"] == "red")][columns]
        blue = items[(items["shape"] == shape) & (items["colour"] == "blue")][columns]
        np.testing.assert_array_equal(red.to_numpy(), blue.to_numpy())


def test_no_two_items_have_the_same_pixels(small):
    images = small.catalog.images(small.catalog.ids)
    assert len({image.tobytes() for image in images}) == 400


@pytest.mark.parametrize("rule", ["paper", "code"])
def test_ratings_follow_the_rule(rule):
    # 10,000 ratings with 0 or 2 matches per user and 20,000 with 1, four users. Bound: 4.5
    # standard errors of a share over 40,000 or 80,000 Bernoulli draws (false alarm 7e-6).
    data = load(rule=rule, seed=11)
    rows = data.interactions.join(data.catalog.items[["colour", "shape"]], on="item_id")
    taste = rows["user_id"].str.rsplit("-", n=1).str[0].str.split("-", expand=True)
    matches = (taste[0] == rows["colour"]).astype(int) + (taste[1] == rows["shape"]).astype(int)
    shares = rows["liked"].groupby(matches).agg(["mean", "size"])
    for n_matches, p in enumerate(RULES[rule]):
        mean, size = shares.loc[n_matches]
        assert abs(mean - p) < 4.5 * np.sqrt(p * (1 - p) / size)


def test_mean_like_rate_explains_the_random_baseline():
    # (.95 + .10 + .10 + .01) / 4 = .29, the random row of the paper's Table 1 (.282 to .291):
    # it was computed with the rule of the code.
    assert load(rule="code").interactions["liked"].mean() == pytest.approx(0.29, abs=0.005)


def test_ratings_are_zero_or_one_without_time(full):
    log = full.interactions
    assert set(log["rating"]) == {0.0, 1.0}
    np.testing.assert_array_equal(log["liked"], log["rating"] == 1)
    assert log["timestamp"].isna().all()


def test_ratings_agree_with_the_known_taste(small):
    # The share of likes expected from the reader's utilities: mean over 1,600 draws.
    images = small.catalog.images(small.catalog.ids)
    users = sorted(small.interactions["user_id"].unique())
    expected = small.taste.utility(images, users).mean(axis=0)
    rate = small.interactions.groupby("user_id")["liked"].mean()[users].to_numpy()
    assert np.abs(rate - expected).max() < 4.5 * np.sqrt(0.25 / 400)


# --- loading ----------------------------------------------------------------------------


def test_loads_in_time():
    load(n_images=4)
    start = time.process_time()
    load()
    assert time.process_time() - start < 1.5


def test_same_seed_same_data_other_seed_other_data(small):
    assert load(n_images=400).revision == small.revision
    assert load(n_images=400, seed=1).revision != small.revision
    assert load(n_images=400, rule="code").revision != small.revision


def test_images_show_what_the_table_says(small):
    images = small.catalog.images(small.catalog.ids)
    seen = read(images)
    items = small.catalog.items
    assert [sprites.SHAPES[s] for s in seen.shape] == items["shape"].tolist()
    assert [list(sprites.COLOURS)[c] for c in seen.colour] == items["colour"].tolist()
    assert seen.clear.all()


def test_images_come_in_the_asked_order(small):
    ids = small.catalog.ids
    few = [ids[300], ids[2], ids[150]]
    every = small.catalog.images(ids)
    for image, index in zip(small.catalog.images(few), (300, 2, 150), strict=True):
        np.testing.assert_array_equal(image, every[index])
    assert small.catalog.images([]) == []


def test_users_of_one_taste_differ_only_in_chance():
    data = load(n_images=400, users_per_taste=3)
    assert data.interactions["user_id"].nunique() == 12
    likes = data.interactions.pivot(index="item_id", columns="user_id", values="liked")
    assert (likes["red-heart-0"] != likes["red-heart-1"]).any()
    image = data.catalog.images(data.catalog.ids[:1])
    users = ["red-heart-0", "red-heart-2"]
    assert np.ptp(data.taste.utility(image, users)) == 0


def test_splits(full):
    # 90/10 in both; only the split by item keeps every test image out of the training catalogue.
    by_item, by_row = full.split(), full.split("row")
    assert by_item.name == "item"
    assert len(by_item.test) == len(by_row.test) == 16_000
    assert not set(by_item.train["item_id"]) & set(by_item.test["item_id"])
    assert set(by_row.train["item_id"]) & set(by_row.test["item_id"])
    assert len(full.train_view(by_item).catalog) == 36_000


@pytest.mark.parametrize("options", [{"n_images": 10}, {"n_images": 0}, {"rule": "x"}, {"a": 1}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValidationError):
        DSpritesConfig(**options)


def test_more_sprites_than_there_are_is_refused():
    # Scale class 1 has 35 different turns of the square: 35 x 1024 = 35,840 sprites.
    with pytest.raises(
        DataError, match=r"35840 different sprites of shape square.*n_images=143360"
    ):
        load(n_images=4 * 35_841)


# --- the published file -----------------------------------------------------------------


class Trap:
    """Fails the test when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("metadata was unpickled",))


def arrays(places=4):
    """Every factor combination with positions below ``places``, in the published order.

    The pixels are mirrored sprites, so that a test can tell them from rendered ones.
    """
    grid = np.meshgrid([0], *(range(n) for n in (3, 6, 40, places, places)), indexing="ij")
    classes = np.stack(grid, axis=-1).reshape(-1, 6)
    masks = sprites.render(classes).transpose(0, 2, 1).copy()
    return {
        "imgs": masks,
        "latents_classes": classes,
        "latents_values": sprites.latent_values(classes),
    }


def write(folder, content):
    path = folder / FILE_NAME
    np.savez_compressed(path, **content)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array({}), allow_pickle=True)
    header = buffer.getvalue()[: buffer.getvalue().rindex(b"\n") + 1]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metadata.npy", header + pickle.dumps(Trap()))
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write(tmp_path_factory.mktemp("published"), arrays())


def test_published_pixels_are_used(published):
    data = load(published, n_images=400)
    rendered = data.catalog.items.copy()
    images = data.catalog.images(data.catalog.ids)
    factors = np.zeros((len(rendered), 6), dtype=int)
    for column, name in enumerate(sprites.FACTORS[1:], start=1):
        values = rendered[name]
        factors[:, column] = values.map(sprites.SHAPES.index) if name == "shape" else values
    expected = sprites.render(factors).transpose(0, 2, 1)
    np.testing.assert_array_equal(np.stack(images).max(axis=1) // 255, expected)
    assert "crc32" in data.card.description


def test_published_pixels_are_another_revision(published, tmp_path):
    data = load(published, n_images=400)
    other = arrays()
    other["imgs"][0, 5, 5] ^= 1
    assert load(write(tmp_path, other), n_images=400).revision != data.revision


def test_published_file_is_read_in_one_pass(published, monkeypatch):
    data = load(published, n_images=400)
    calls = []
    fetch = PublishedFile._fetch
    monkeypatch.setattr(PublishedFile, "_fetch", lambda *a: (calls.append(1), fetch(*a))[1])
    for item in data.catalog.ids[:20]:
        data.catalog.images([item])
    assert len(calls) == 1


def test_full_file_would_give_the_sprites_of_the_renderer(published, monkeypatch):
    # With every row present the choice depends on the seed alone.
    monkeypatch.setattr(PublishedFile, "has", lambda _, index: np.ones(len(index), dtype=bool))
    data = load(published, n_images=400)
    assert data.catalog.ids == load(n_images=400).catalog.ids


def test_too_few_sprites_in_the_file(published):
    # 4 x 4 positions x 35 turns = 560 squares.
    with pytest.raises(DataError, match=rf"{FILE_NAME}: 560 different sprites.*n_images=2240"):
        load(published, n_images=4 * 561)


def damaged(what):
    content = arrays(places=2)
    if what == "no imgs":
        del content["imgs"]
    elif what == "32 pixels":
        content["imgs"] = content["imgs"][:, ::2, ::2]
    elif what == "floats":
        content["imgs"] = content["imgs"].astype(np.float32)
    elif what == "rows":
        content["latents_classes"] = content["latents_classes"][:-1]
    elif what == "values":
        content["latents_values"] = content["latents_values"][:, :5]
    elif what == "order":
        content["latents_classes"] = content["latents_classes"][::-1]
    elif what == "classes":
        content["latents_classes"] = content["latents_classes"] + 1
    elif what == "objects":
        content["latents_classes"] = content["latents_classes"].astype(object)
    return content


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no imgs", r"no array 'imgs', found \['latents_classes', 'latents_values', 'metadata'\]"),
        ("32 pixels", r"imgs has shape \(2880, 32, 32\).*expected \(737280, 64, 64\)"),
        ("floats", r"type float32, expected .* and uint8"),
        ("rows", r"latents_classes has shape \(2879, 6\).*expected \(2880, 6\)"),
        ("values", r"latents_values has shape \(2880, 5\)"),
        ("order", r"latents_classes row 1 is out of the published order"),
        ("classes", r"latents_classes: sprite 0: colour class 1, expected 0\.\.0"),
        ("objects", r"latents_classes: Object arrays cannot be loaded"),
    ],
)
def test_a_file_that_is_not_the_published_one(tmp_path, what, message):
    with pytest.raises(DataError, match=message) as caught:
        load(write(tmp_path, damaged(what)), n_images=4)
    assert FILE_NAME in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"no such file.*render sprites"):
        load(tmp_path, n_images=4)


def test_truncated_file(published, tmp_path):
    data = (published / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="not a readable npz archive"):
        load(tmp_path, n_images=4)


def test_corrupt_pixels(published, tmp_path):
    # Bytes in the middle of the compressed images: found when they are read.
    data = bytearray((published / FILE_NAME).read_bytes())
    with zipfile.ZipFile(published / FILE_NAME) as archive:
        start = archive.getinfo("imgs.npy").header_offset + 3000
    data[start : start + 64] = bytes(64)
    (tmp_path / FILE_NAME).write_bytes(data)
    loaded = load(tmp_path, n_images=400)
    with pytest.raises(DataError, match=FILE_NAME):
        loaded.catalog.images(loaded.catalog.ids)


def test_pixels_other_than_zero_and_one(tmp_path):
    content = arrays(places=2)
    content["imgs"] *= 255
    loaded = load(write(tmp_path, content), n_images=4)
    with pytest.raises(DataError, match=r"imgs row \d+ holds 255, expected 0 and 1"):
        loaded.catalog.images(loaded.catalog.ids)
