"""Pick-a-Pic: the comparisons of `imagegem_case`, whose numbers were counted by hand."""

import pandas as pd
import pyarrow.parquet as pq
import pytest
from imagegem_case import COMPARISONS, comparison, write_pairs
from refusals import refused

from persongen_bench.core.types import PAIR_COLUMNS
from persongen_bench.datasets import pick_a_pic_shards
from persongen_bench.datasets.pick_a_pic import PickAPic, PickAPicConfig
from persongen_bench.testing import DatasetContract


def load(root, **options):
    return PickAPic.load(PickAPicConfig(**options), root)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"))


def test_pairs_name_winner_and_loser_wherever_they_stood(folder):
    pairs = load(folder).pairs.set_index("pair_id")
    assert [*pairs.reset_index().columns] == list(PAIR_COLUMNS)
    # 5 has no label, 7 shows equal pictures
    assert set(pairs.index) == {f"ranking-{100 + k}" for k in (0, 1, 2, 3, 4, 6, 8)}
    chosen = pairs[["user_id", "prompt", "winner", "loser", "tie"]].apply(tuple, axis=1)
    assert chosen["ranking-100"] == ("1", "a red car", "uid-0", "uid-1", False)
    assert chosen["ranking-101"] == ("1", "a red car", "uid-2", "uid-1", False)  # the second won
    assert chosen["ranking-102"] == ("1", "a dog", "uid-3", "uid-4", True)  # as published


def test_likes_are_pictures_that_won(folder):
    log = load(folder).interactions.set_index(["user_id", "item_id"])
    assert log.loc[("1", "uid-0"), ["rating", "liked"]].tolist() == [1.0, True]
    assert log.loc[("1", "uid-1"), ["rating", "liked"]].tolist() == [0.0, False]  # lost twice
    assert log.loc[("1", "uid-3"), ["rating", "liked"]].tolist() == [0.5, False]  # a tie
    assert log.loc[("2", "uid-3"), ["rating", "liked"]].tolist() == [1.0, True]
    # the later of the two comparisons of uid-1
    hour = pd.Timestamp("2023-01-01 01:00", tz="UTC").timestamp()
    assert log.loc[("1", "uid-1"), "timestamp"] == hour
    assert ("2", "uid-8") not in log.index


def test_pictures_are_opened_from_their_row_groups(folder, monkeypatch):
    data = load(folder)
    read = []
    iterate = pq.ParquetFile.iter_batches

    def counted(self, batch_size, row_groups=None, columns=None):
        read.append((row_groups, columns))
        return iterate(self, batch_size, row_groups=row_groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    opened = data.catalog.images(["uid-6", "uid-0", "uid-6", "uid-13"])
    colours = [image[:, 0, 0].tolist() for image in opened]
    assert colours == [[20 * k % 256, 90, 200 - 10 * k] for k in (6, 0, 6, 13)]
    # groups of two rows: 6 is in row 4, 0 in row 0, 13 in row 8 as the second
    assert read == [([0], ["jpg_0"]), ([2], ["jpg_0"]), ([4], ["jpg_1"])]


@pytest.mark.parametrize("rows", [1, 2, 64])
def test_every_picture_is_the_right_one_whatever_the_batch(folder, rows, monkeypatch):
    monkeypatch.setattr(pick_a_pic_shards, "ROWS", rows)
    catalog = load(folder).catalog
    for name, image in zip(catalog.ids, catalog.images(catalog.ids), strict=True):
        k = int(name.removeprefix("uid-"))
        assert image[:, 0, 0].tolist() == [20 * k % 256, 90, 200 - 10 * k]


def test_held_out_prompts_are_not_in_the_training_part(folder):
    data = load(folder, test_fraction=0.4)
    split = data.split("prompt")
    view = data.train_view(split)
    assert len(data.prompts) == 2  # .4 of five
    assert not set(view.pairs["prompt"]) & set(data.prompts)
    assert len(view.pairs) + data.pairs["prompt"].isin(data.prompts).sum() == len(data.pairs)
    held = data.catalog.items.loc[split.test["item_id"], "caption"]
    assert set(held) == set(data.prompts)
    assert load(folder, test_fraction=0.4, seed=1).prompts != data.prompts
    users = data.split("user-disjoint", seed=0)
    assert not set(users.train["user_id"]) & set(users.test["user_id"])


def test_published_parts_are_kept(tmp_path):
    shards = {
        "train-00000-of-00001-ab.parquet": COMPARISONS[:5],
        "validation_unique-00000-of-00001-ab.parquet": COMPARISONS[6:7],
        "test_unique-00000-of-00001-ab.parquet": COMPARISONS[8:],
    }
    data = load(write_pairs(tmp_path / "data", shards).parent)
    assert next(iter(data.splits)) == "published"
    split = data.split()
    assert data.prompts == ("a man with a car",)
    assert set(split.test["item_id"]) == {"uid-12", "uid-13"}
    assert set(split.validation["item_id"]) == {"uid-9", "uid-10"}
    assert len(data.catalog.images(["uid-0", "uid-13", "uid-9"])) == 3


def test_shards_may_be_cut_otherwise(folder, tmp_path):
    """The same rows in two shards in another order: the same pairs, log and prompts."""
    other = load(
        write_pairs(
            tmp_path, {"train-1.parquet": COMPARISONS[:4], "train-0.parquet": COMPARISONS[4:]}
        )
    )
    data = load(folder)
    pd.testing.assert_frame_equal(other.pairs, data.pairs)
    pd.testing.assert_frame_equal(other.interactions, data.interactions)
    assert other.prompts == data.prompts


def test_without_the_optional_columns(folder, tmp_path):
    needed = ("caption", "user_id", "image_0_uid", "image_1_uid", "label_0", "label_1")
    rows = [{key: row[key] for key in needed} for row in COMPARISONS]
    data = load(write_pairs(tmp_path, {"train.parquet": rows}), pictures="none")
    assert len(data.pairs) == 9
    assert data.pairs["pair_id"].is_unique
    assert data.interactions["timestamp"].isna().all()
    with refused("has no picture"):
        data.catalog.images(["uid-0"])


def test_topics_and_numbers_of_pairs(folder):
    some = load(folder, most_pairs=3)
    assert len(some.pairs) == 3
    assert "4 comparisons that were not drawn" in some.card.description
    with refused("one prompt"):
        load(folder, topic="cars")  # "a man with a car" is about a man


def test_a_picture_with_two_prompts_is_left_out(tmp_path):
    rows = [*COMPARISONS[:3], comparison(9, 1, "another", 0, 20, (1.0, 0.0))]
    data = load(write_pairs(tmp_path, {"train.parquet": rows}))
    assert "uid-0" not in data.catalog.ids
    assert "2 comparisons of pictures with two prompts" in data.card.description


class TestPickAPic(DatasetContract):
    dataset = "pick-a-pic"

    @pytest.fixture(autouse=True)
    def _folder(self, folder):
        self.root = folder
