"""ImageGem: the tiny log of `imagegem_case`, whose numbers were counted by hand."""

import numpy as np
import pandas as pd
import pytest
from imagegem_case import IMAGES, MODELS, USES, edit, write_gem
from lora_case import ATTENTION, LAYERS, change, factors, kohya, write
from refusals import refused

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.datasets.imagegem import Imagegem, ImagegemConfig
from persongen_bench.datasets.imagegem_filters import safe
from persongen_bench.datasets.imagegem_models import (
    ImagegemModels,
    ImagegemModelsConfig,
    style_by_similarity,
    style_by_tag,
)
from persongen_bench.datasets.imagegem_tables import read_relations
from persongen_bench.testing import DatasetContract


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_gem(tmp_path_factory.mktemp("gem"))


def images(root, **options):
    return Imagegem.load(ImagegemConfig(**options), root)


def models(root, **options):
    return ImagegemModels.load(ImagegemModelsConfig(**options), root)


def test_images_are_items_and_makers_are_users(folder):
    data = images(folder)
    # b4 is unsafe, d1 in-house; cid has two images, fewer than three
    assert data.catalog.ids == ["a1", "a2", "a3", "a4", "b1", "b2", "b3"]
    log = data.interactions
    assert set(zip(log["user_id"], log["item_id"], strict=True)) == {
        *(("ann", f"a{k}") for k in (1, 2, 3, 4)), *(("bob", f"b{k}") for k in (1, 2, 3)),
    }  # fmt: skip
    assert log["liked"].all()
    assert log["timestamp"].min() == 1_704_067_200 + 86_400
    assert data.catalog.items.loc["a2", "heart"] == 5
    assert data.catalog.subjects(["b2"]) == ["mountain landscape"]
    # nothing in the catalogue tells who made an image, or when
    assert not {"user_id", "timestamp", "in_house"} & set(data.catalog.items.columns)
    said = data.card.description
    for part in ("1 images had a prompt above 0.2", "1 images were in-house", "1 users had fewer"):
        assert part in said


def test_models_are_items_and_the_last_use_counts(folder):
    data = models(folder)
    log = data.interactions.set_index(["user_id", "item_id"])
    # ann: m1 by a1, a2, a4 (last: day 3.001), m2 by a3, m3 by a4; bob: m1, m2, m3; cid: only m1
    assert log.index.tolist() == [(u, m) for u in ("ann", "bob") for m in ("m1", "m2", "m3")]
    assert log.loc[("ann", "m1"), "rating"] == 3
    assert log.loc[("ann", "m1"), "timestamp"] == 1_704_067_200 + 3.001 * 86_400
    items = data.catalog.items
    # of m1's images c1 is liked most (9); d1 (7) is in-house
    assert items.loc["m1", "caption"] == "a vehicle"
    assert items.loc["m1", "image"] == "images/c1.png"
    assert items["rank"].to_dict() == {"m1": 16, "m2": 32, "m3": 16}
    assert items["tags"].to_dict() == {
        "m1": "anime|car",
        "m2": "realistic",
        "m3": "anime|realistic",
    }
    assert items["style_by_tag"].to_dict() == {"m1": -1, "m2": 1, "m3": 0}
    np.testing.assert_array_equal(data.catalog.images(["m1"])[0], images_of(folder, "c1"))


def images_of(folder, name):
    from PIL import Image

    return np.asarray(Image.open(folder / f"images/{name}.png").convert("RGB")).transpose(2, 0, 1)


def test_the_order_of_rows_and_the_form_of_the_file_do_not_matter(folder, tmp_path):
    first = images(folder)
    turned = write_gem(tmp_path / "turned", images=list(IMAGES)[::-1], models=list(MODELS)[::-1])
    parquet = write_gem(tmp_path / "parquet", "parquet")
    for root in (turned, parquet):
        assert images(root).revision == first.revision
        assert models(root).revision == models(folder).revision


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"toxicity_threshold": None}, "a1 a2 a3 a4 b1 b2 b3 b4"),
        ({"toxicity_threshold": 0.005, "least_interactions": 2}, ""),
        ({"least_interactions": 2}, "a1 a2 a3 a4 b1 b2 b3 c1 c2"),
        ({"least_interactions": 4}, "a1 a2 a3 a4"),
        ({"nsfw": "None", "least_interactions": 2}, "a1 a2 a3 a4 b1 b3 c1 c2"),
        ({"base_model": "SDXL 1.0", "least_interactions": 2}, "a1 a2 a3 a4 b1 b3 c1 c2"),
        # rank 16: m1 and m3, so not a3 (m2) and b2 (m2); c2 used no LoRA at all
        ({"rank": 16, "least_interactions": 2}, "a1 a2 a4 b1 b3"),
        # key words as whole words; b1 is about a man, b3 holds a puppy
        ({"topic": "cars", "least_interactions": 2}, "c1 c2"),
    ],
)
def test_filters(folder, options, kept):
    if not kept:
        with refused("no image is left"):
            images(folder, **options)
        return
    data = images(folder, pictures="none", **options)
    assert data.catalog.ids == kept.split()


def test_in_house_is_told_by_owners_where_no_column_tells(tmp_path):
    rows = [{k: v for k, v in row.items() if k != "in_house"} for row in IMAGES]
    root = write_gem(tmp_path, images=rows, pictures=False)
    data = images(root, pictures="none", least_interactions=2)
    # d1 with dee's m1, and a4 with ann's own m3
    assert data.catalog.ids == ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2"]


def test_feedback_prompts_and_models_may_be_elsewhere(tmp_path):
    """The same data with prompts and feedback as relations, and one LoRA in the images."""
    plain = ("image_id", "user_id", "timestamp", "in_house")
    columns = [{k: row[k] for k in plain} | {"prompt_id": row["prompt"]} for row in IMAGES]
    used = dict(USES)  # the last LoRA of each
    some = [row | {"model_id": used[row["image_id"]]} for row in columns if row["image_id"] != "c2"]
    prompts = {row["prompt"]: row for row in IMAGES}.values()
    root = write_gem(
        tmp_path, images=some, uses=None, pictures=False,
        prompts=[{"prompt_id": r["prompt"], "prompt": r["prompt"], "insult": r["insult"]}
                 for r in prompts],
        feedback=[{"image_id": r["image_id"], "heart": r["heart"]} for r in IMAGES[:3]],
    )  # fmt: skip
    tables = read_relations(root)
    assert tables.images.loc["a2", ["prompt", "heart"]].tolist() == ["a dog in snow", 5]
    assert "8 images have no row of feedback" not in tables.notes  # c2 is not there: 7 of 10
    assert any("7 images have no row of feedback" in note for note in tables.notes)
    assert len(tables.uses) == 10
    assert images(root, pictures="none").catalog.ids == ["a1", "a2", "a3", "a4", "b1", "b2", "b3"]


def test_a_map_says_what_columns_are_called(tmp_path):
    rows = [
        {"id": r["image_id"], "author": r["user_id"], "meta": r["prompt"], "tox": r["toxicity"]}
        for r in IMAGES
    ]
    root = write_gem(tmp_path, images=None, pictures=False)
    pd.DataFrame(rows[:6]).to_parquet(root / "media-0.parquet")
    pd.DataFrame(rows[6:]).to_parquet(root / "media-1.parquet")
    (root / "columns.toml").write_text(
        '[images]\nfile = "media"\nimage_id = "id"\nuser_id = "author"\nprompt = "meta"\n'
        'toxicity = "tox"\n'
    )
    data = images(root, pictures="none")
    assert data.catalog.ids == [
        "a1",
        "a2",
        "a3",
        "b1",
        "b2",
        "b3",
        "b4",
    ]
    assert data.interactions["timestamp"].isna().all()


def test_safety_needs_probabilities_a_scorer_or_a_refusal(tmp_path):
    rows = [{k: v for k, v in r.items() if k in ("image_id", "user_id", "prompt")} for r in IMAGES]
    root = write_gem(tmp_path, images=rows, pictures=False)
    with refused("nothing says how safe", "toxicity_threshold=null"):
        images(root, pictures="none")
    assert "b4" in images(root, pictures="none", toxicity_threshold=None).catalog.ids

    class Scorer:
        def probabilities(self, prompts):
            return np.array([[float("bad" in prompt)] * 6 for prompt in prompts])

    assert "b4" not in safe(read_relations(root), 0.2, Scorer()).images.index


def test_an_unscored_or_missing_prompt_does_not_pass_as_safe(tmp_path):
    from imagegem_case import SAFE

    rows = edit(IMAGES, "image_id", "a1", **dict.fromkeys(SAFE, ""))
    rows = edit(rows, "image_id", "a2", prompt="")
    root = write_gem(tmp_path, images=rows, pictures=False)
    data = images(root, pictures="none", least_interactions=2)
    assert not {"a1", "a2"} & set(data.catalog.ids)
    assert "1 an unscored one" in data.card.description


def test_held_out_prompts_are_asked_for_and_not_trained_on(folder, tmp_path):
    root = write_gem(tmp_path, pictures=False)
    (root / "held_out_prompts.txt").write_text("A dog, in snow!\na new prompt\n")
    data = images(root, pictures="none", least_interactions=2)
    assert set(data.prompts) == {"A dog, in snow!", "a new prompt"}
    assert "a2" not in data.catalog.ids
    assert images(folder).prompts == ()
    with refused("no such file"):
        images(root, prompts="other.txt")


def test_splits_hold_out_the_last_image_and_its_versions(folder):
    data = images(folder)
    last, novel = data.split("leave-one-last"), data.split("novel-prompt")
    assert set(last.test["item_id"]) == {"a4", "b3"}
    # a3 has a4's prompt in normal form
    assert set(novel.test["item_id"]) == {"a3", "a4", "b3"}
    assert last.open_catalog
    assert novel.open_catalog


def test_pictures_that_are_missing_are_left_out_and_counted(tmp_path):
    root = write_gem(tmp_path)
    (root / "images/a1.png").unlink()
    data = images(root)
    assert "a1" not in data.catalog.ids
    assert "had no picture" in data.card.description
    rows = [r | {"image": f"images/{r['image_id']}.png"} for r in IMAGES]
    named = images(write_gem(tmp_path, images=rows))  # by a column
    assert named.catalog.items.loc["a2", "image"] == "images/a2.png"
    no_pictures = images(root, pictures="none")
    with refused("has no picture"):
        no_pictures.catalog.images(["a2"])


def test_size_draws_by_seed_two_images_a_pair(folder, monkeypatch):
    from persongen_bench.datasets import prompt_words

    monkeypatch.setitem(prompt_words.PAIRS, ("cars", "small"), 1)
    options = {"topic": "cars", "least_interactions": 1, "pictures": "none", "in_house": "both"}
    assert len(images(folder, size="small", **options).catalog) == 2
    with refused("large set of dogs", error=ConfigError):
        images(folder, topic="dogs", size="large")
    with refused("without a topic", error=ConfigError):
        images(folder, size="small")
    with refused("is nowhere", "Soft", error=ConfigError):
        images(folder, nsfw="PG")


def test_loras_are_a_zoo_of_files(tmp_path):
    layers = {path: LAYERS[path] for path in ATTENTION}
    for k, name in enumerate(("m1", "m2", "m3")):
        write(tmp_path / f"{name}.safetensors", kohya(factors(layers, rank=2, seed=k)))
    rows = [row | {"file": f"{row['model_id']}.safetensors"} for row in MODELS]
    data = images(write_gem(tmp_path, models=rows), weights="files", model_prompt="a road")
    zoo = data.models
    assert zoo.ids == ["m1", "m2", "m3"]  # m4 has no file
    assert "1 of 4 LoRAs have no file there" in data.card.description
    assert len(zoo.held_out) == 1
    assert not set(data.train_view(data.split()).models.ids) & set(zoo.held_out)
    assert data.model_prompt == "a road"
    # d1 is in-house and b4 unsafe: neither is an example
    assert zoo.examples_of("m1") == ("m1/a1", "m1/a2", "m1/a4", "m1/b1", "m1/c1")
    np.testing.assert_array_equal(zoo.examples.images(["m1/c1"])[0], images_of(tmp_path, "c1"))
    (adapter,) = zoo.open(["m2"])
    down = adapter.lora[f"unet.{ATTENTION[0]}.lora_A.weight"]
    up = adapter.lora[f"unet.{ATTENTION[0]}.lora_B.weight"]
    np.testing.assert_allclose(
        up @ down, change(factors(layers, rank=2, seed=1)[ATTENTION[0]]), atol=1e-5
    )
    other = factors(layers, rank=2, seed=9)
    write(tmp_path / "m1.safetensors", kohya(other))
    again = images(tmp_path, weights="files", model_prompt="a road")
    assert again.revision != data.revision
    for name in ("m1", "m2"):
        (tmp_path / f"{name}.safetensors").unlink()
    with refused("the files of 1 of 4 LoRAs are there"):
        images(tmp_path, weights="files")
    with refused("no column file"):
        images(write_gem(tmp_path / "other"), weights="files")


def test_style_by_tag_and_by_similarity():
    """Paper 004, 5.3.1: person >= .2; realistic >= .26 is 1, anime >= .24 is -1, both are out."""
    tags = pd.Series(["anime|cat", "realistic", "photo|manga", "animer", ""])
    assert style_by_tag(tags).tolist() == [-1, 1, 0, 0, 0]
    person = np.array([0.20, 0.19, 0.30, 0.30, 0.30, 0.25])
    real = np.array([0.26, 0.40, 0.259, 0.10, 0.27, 0.10])
    anime = np.array([0.10, 0.10, 0.10, 0.24, 0.25, 0.239])
    labels, both = style_by_similarity(person, real, anime)
    assert labels.tolist() == [1, 0, 0, -1, 0, 0]
    assert both.tolist() == [False, False, False, False, True, False]


def test_without_data_it_says_how_to_get_them(tmp_path):
    for loader, config in ((Imagegem, ImagegemConfig()), (ImagegemModels, ImagegemModelsConfig())):
        with refused("no data folder", "pgbench make imagegem"):
            loader.load(config, None)
        with pytest.raises(DataError, match=r"no images\.csv"):
            loader.load(config, tmp_path)


class TestImagegem(DatasetContract):
    dataset = "imagegem"

    @pytest.fixture(autouse=True)
    def _folder(self, folder):
        self.root = folder


class TestImagegemModels(TestImagegem):
    dataset = "imagegem-models"
