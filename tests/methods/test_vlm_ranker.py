"""The VLM ranker: questions, replies, subsets, order; with toy models and a rule for a judge."""

import re
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hash_list_case import HashList
from plugin_case import fresh_registry
from pydantic import ValidationError

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.output import RANKING, Ranking
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.core.types import Catalog, NoImages
from persongen_bench.methods.vlm_ranker import VlmRanker, VlmRankerConfig
from persongen_bench.methods.vlm_ranker.captions import ModelPrompts
from persongen_bench.methods.vlm_ranker.config import SANDBOX
from persongen_bench.methods.vlm_ranker.method import reordered
from persongen_bench.testing import MethodContract, toy_world
from persongen_bench.util.judging.judges import RubricJudge

BASE = "local/hash-list"


@pytest.fixture(autouse=True)
def base(monkeypatch):
    fresh_registry(monkeypatch)
    registry.register("methods", "hash-list", HashList)


class TestVlmRanker(MethodContract):
    method = VlmRanker
    config: ClassVar = {"base": BASE}

    def make(self):
        if BASE not in registry.entries("methods"):  # in the worker
            registry.register("methods", "hash-list", HashList)
        return super().make()


def test_settings_that_score_some_items_more_often_are_refused():
    with pytest.raises(ValidationError, match="no multiple of n_candidates=10"):
        VlmRankerConfig(n_subsets=5, subset_size=5)
    with pytest.raises(ValidationError, match="subset_size=11 is more than n_candidates=10"):
        VlmRankerConfig(subset_size=11)


# --- the order ----------------------------------------------------------------------------------


def test_items_without_a_score_stand_behind_those_with_one():
    made = Ranking(("a", "b", "c", "d"), (4.0, 3.0, 3.0, 1.0))
    assert reordered(made, {"c": 5.0}, 3).item_ids == ("c", "a", "b", "d")
    assert reordered(made, {}, 3).item_ids == made.item_ids


def test_equal_scores_keep_the_order_of_the_base_and_its_ties():
    made = Ranking(("a", "b", "c", "d"), (4.0, 3.0, 3.0, 1.0))
    ranked = reordered(made, {"a": 5.0, "b": 5.0, "c": 5.0}, 3)
    assert ranked.item_ids == ("a", "b", "c", "d")
    assert ranked.scores == (0.0, -1.0, -1.0, -3.0)
    told = reordered(made, {"a": 5.0, "b": 6.0, "c": 7.0}, 3)
    assert told.item_ids == ("c", "b", "a", "d")
    assert told.scores == (0.0, -1.0, -2.0, -3.0)
    RANKING.check(told)
    untied = reordered(Ranking(("a", "b")), {"b": 1.0}, 2)
    assert untied.item_ids == ("b", "a")


# --- the whole ------------------------------------------------------------------------------------


def fitted(**config):
    world = toy_world()
    method = VlmRanker(VlmRankerConfig(base=BASE, **config))
    method.fit(world.train, world.context())
    return world, method


def test_the_first_ten_are_the_bases_and_the_rest_is_untouched():
    world, method = fitted()
    samples = world.samples(1)
    for made, base in zip(method.generate(samples), method.base.generate(samples), strict=True):
        assert set(made.item_ids[:10]) == set(base.item_ids[:10])
        assert made.item_ids[10:] == base.item_ids[10:]


def test_liked_hues_rise_among_the_ten():
    """Toy captions name the hue, beside brightness and side: own hues stand above the others."""
    world, method = fitted()
    themes, likes = world.train.catalog.items["theme"], world.train.liked_items
    places = {True: [], False: []}
    for sample in world.samples(1):
        user = sample.request.user_id
        asked = replace(sample, request=replace(sample.request, history=likes[user][:2]))
        (made,) = method.generate([asked])
        for place, item in enumerate(made.item_ids[:10]):
            places[themes[item] == f"hue-{user[-1]}"].append(place)
    assert len(places[True]) >= 3
    assert np.mean(places[True]) < np.mean(places[False]) - 2


def test_without_a_history_there_is_no_profile():
    world, method = fitted()
    sample = replace(world.samples(1)[0], request=Request("user-0", ()))
    (made,) = method.generate([sample])
    assert isinstance(made, Failure)
    assert "no liked history" in made.reason


def test_a_model_that_answers_otherwise_fails_by_name():
    """The toy language model lists keywords whatever it is asked."""
    world, method = fitted(judge="llm")
    (made,) = method.generate(world.samples(1)[:1])
    assert isinstance(made, Failure)
    assert re.match(r"no reply of the judge can be read: (not an object|item missing)", made.reason)


def test_explanations_say_why_each_of_ten_stands_there():
    world, method = fitted()
    sample = world.samples(1)[0]
    (made,) = method.generate([sample])
    said = method.explain(sample.request)
    assert set(said.listed) == set(made.item_ids[:10])
    assert said.note == f"first 10 of {BASE} by judge rubric"
    numbers = [float(said.listed[item].split()[0]) for item in made.item_ids[:10]]
    assert numbers == sorted(numbers, reverse=True)
    _, fresh = fitted()
    assert fresh.explain(sample.request) == said  # without having answered


def test_the_fit_seed_draws_the_subsets():
    world, method = fitted(n_candidates=10, subset_size=5, n_subsets=2)
    request = world.samples(1)[0].request
    items = method.base.generate(world.samples(1)[:1])[0].item_ids[:10]
    one = [q.item_ids for q in method._questions(request, items)]
    method._seed += 1
    assert one != [q.item_ids for q in method._questions(request, items)]


def test_the_base_takes_its_own_preset_of_the_same_name():
    """So that on the sandbox the base is the very recommender that stands beside it."""
    from persongen_bench.methods.recommenders.content_knn import ContentKnn

    own = ContentKnn.Config.model_validate(ContentKnn.presets["sandbox"])
    made = VlmRanker(VlmRankerConfig.model_validate(SANDBOX))
    assert made.config.base == "content-knn"
    assert made.base.config == own
    other = VlmRanker(VlmRankerConfig.model_validate({**SANDBOX, "base_config": {"n_last": 3}}))
    assert other.base.config.n_last == 3


def test_a_base_that_makes_pictures_is_refused():
    with pytest.raises(ConfigError, match="its base copy-history makes images"):
        VlmRanker(VlmRankerConfig(base="copy-history"))


def test_roles_are_those_of_who_captions_and_who_judges():
    def roles(**config):
        return VlmRanker(VlmRankerConfig(base=BASE, **config)).roles

    assert roles() == ("captioner",)
    assert roles(judge="llm") == ("captioner", "llm")
    assert roles(captions="lmm", judge="lmm") == ("lmm",)
    assert roles(items="models", judge="llm") == ("llm",)


def test_models_need_their_prompts():
    catalog = Catalog(pd.DataFrame(index=pd.Index(["a"], name="item_id")), NoImages())
    with pytest.raises(DataError, match="no column prompt or caption"):
        ModelPrompts(catalog, RubricJudge())


def test_the_sandboxs_words_are_those_of_tasteworld():
    from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES

    words = SANDBOX["words"]
    assert words["Primary subject"] == ATTRIBUTES["shape"]
    assert words["Artistic style"] == ATTRIBUTES["style"]
    assert words["Background"] == ATTRIBUTES["background"]


def test_an_answer_hangs_on_the_request_and_not_on_the_sample():
    world, method = fitted()
    one = world.samples(1)[0]
    made = method.generate([one, Sample("0" * 16, 1, one.request)])
    assert made[0] == made[1]
