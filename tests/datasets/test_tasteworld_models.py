"""Tasteworld with LoRAs: who is held out, what is known, and how models become items."""

from functools import cache

import loras_case
import numpy as np
import pytest

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.datasets.tasteworld_loras import (
    TasteworldLoras,
    TasteworldLorasConfig,
    model_taste,
)
from persongen_bench.datasets.tasteworld_models import (
    TasteworldModels,
    TasteworldModelsConfig,
    edited_models,
    zoo_folder,
)
from persongen_bench.stacks.sandbox.loras.files import SHIPPED, open_zoo
from persongen_bench.testing.datasets import DatasetContract

FEW = {"n_users": 20}
TINY = {
    "n_panel": 5, "n_cold": 4, "n_users": 25, "n_items": 600, "n_ratings": 2500,
    "panel_ratings": 120, "n_edited": 2,
}  # fmt: skip


def models(**options):
    config = TasteworldModelsConfig(**{**TINY, **options})
    return TasteworldModels.load(config, loras_case.folder())


@cache
def loras():
    return TasteworldLoras.load(TasteworldLorasConfig(n_users=30), loras_case.folder())


class TestModels(DatasetContract):
    dataset = "tasteworld-models"
    config = TINY
    root = loras_case.folder()


class TestLoras(DatasetContract):
    dataset = "tasteworld-loras"
    config = FEW
    root = loras_case.folder()


def test_methods_see_no_model_of_a_maker_who_is_held_out():
    data = models()
    view = data.train_view(data.split())
    assert view.models is not None
    assert len(data.models.held_out) == 2
    held_out = set(data.models.items.loc[list(data.models.held_out), "owner"])
    assert not held_out & set(view.models.items["owner"])
    assert not view.models.held_out


def test_folds_share_no_maker_and_no_model_of_content():
    table = open_zoo(loras_case.folder()).items
    parts = [set(edited_models(table, 2, fold)) for fold in range(2)]
    assert not parts[0] & parts[1]
    chosen = table.loc[sorted(parts[0] | parts[1])]
    assert chosen["owner"].is_unique
    assert chosen["held_out"].all()
    assert not (chosen["kind"] == "content").any()
    with pytest.raises(ConfigError, match="fold 9"):
        edited_models(table, 2, 9)


@pytest.mark.parametrize("start", ["shared", "own"])
def test_starts_can_be_told_apart(start):
    assert set(models(start=start, n_edited=1).models.items["start"]) == {start}


def test_edited_models_can_be_of_one_rank():
    zoo = models(edited_rank=1, n_edited=1).models
    assert set(zoo.items.loc[list(zoo.held_out), "rank"]) == {1}


def test_other_models_or_words_are_other_data():
    revisions = {models(**o).revision for o in ({}, {"fold": 1}, {"model_prompt": "a red star"})}
    assert len(revisions) == 3


def test_a_folder_without_models_means_those_that_ship(tmp_path):
    assert zoo_folder(None) == zoo_folder(tmp_path) == SHIPPED
    assert zoo_folder(loras_case.folder()) == loras_case.folder()


def test_a_damaged_table_is_refused(tmp_path):
    (tmp_path / "models.json").write_text("{", encoding="utf-8")
    (tmp_path / "loras.safetensors").touch()
    with pytest.raises(DataError, match="no table of LoRAs"):
        TasteworldModels.load(TasteworldModelsConfig(**TINY), tmp_path)


def test_the_utility_of_a_model_is_the_mean_taste_of_its_examples():
    data = loras()
    utility = model_taste(data.models, data.taste)
    name = data.models.ids[7]
    shown = data.models.examples.images(data.models.examples_of(name))
    users = data.taste.people.ids
    assert utility[7] == pytest.approx(data.taste.utility(shown, users).mean(axis=0))


def test_people_like_models_as_often_as_their_utility_says():
    """720 independent likes: their number has the sum of the utilities as its mean."""
    data = loras()
    utility = model_taste(data.models, data.taste)
    place = {name: k for k, name in enumerate(data.models.ids)}
    log = data.interactions
    chance = np.array([
        utility[place[item], int(user.removeprefix("person-"))]
        for user, item in zip(log["user_id"], log["item_id"], strict=True)
    ])  # fmt: skip
    sd = np.sqrt((chance * (1 - chance)).sum())
    assert abs(log["liked"].sum() - chance.sum()) < 4 * sd
    assert np.corrcoef(chance, log["liked"])[0, 1] > 0.1


def test_every_model_is_a_candidate():
    data = loras()
    split = data.split()
    assert split.open_catalog
    assert data.train_view(split).models.ids == data.models.ids == data.catalog.ids
