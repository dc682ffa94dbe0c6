"""Signature kNN: by hand on planted signatures, and on LoRAs that show what people like."""

import loras_case
import numpy as np
import pandas as pd
import pytest

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.loop.features import CatalogFeatures, FeatureStore
from persongen_bench.methods.signature_knn import SignatureKnn, SignatureKnnConfig, zoo_signatures
from persongen_bench.stacks.sandbox.loras.files import open_zoo
from persongen_bench.testing import MethodContract
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_stack import ToyStack


class TestSignatureKnn(MethodContract):
    method = "signature-knn"


def planted(**options):
    """Models a, b, c, d in the plane; anna likes a and dislikes c."""
    method = SignatureKnn(SignatureKnnConfig(**options))
    method._ids = ["a", "b", "c", "d"]
    method._direction = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], dtype=np.float32)
    method._consistency = np.ones(4, dtype=np.float32)
    log = pd.DataFrame({
        "user_id": ["anna", "anna"], "item_id": ["a", "c"], "rating": [5.0, 1.0],
        "liked": [True, False], "timestamp": [1, 2],
    })  # fmt: skip
    method._train = View(toy_world().train.catalog, log)
    return method


def ranked(method, user="anna"):
    (answer,) = method.generate(plan_samples({}, [Request(user)]))
    return answer.item_ids, answer.scores


def test_by_hand():
    """Cosines with a: b .8, d -1; what was tried is left out."""
    assert ranked(planted(dislikes=0)) == (("b", "d"), pytest.approx((0.8, -1.0)))


def test_dislikes_count_against():
    """b: .8 - 2 (.6) = -.4, d: -1 - 0."""
    assert ranked(planted(dislikes=2)) == (("b", "d"), pytest.approx((-0.4, -1.0)))


def test_who_tried_nothing_gets_the_order_of_the_zoo():
    assert ranked(planted(), "ben") == (("a", "b", "c", "d"), (0.0, 0.0, 0.0, 0.0))


def test_a_model_that_contradicts_itself_counts_for_nothing():
    method = planted(weight="consistency", dislikes=0)
    method._consistency[0] = -0.2
    assert ranked(method)[1] == (0.0, 0.0)


def test_examples_must_be_comparable():
    zoo = open_zoo(loras_case.folder())
    table, context = zoo.examples.items, toy_world().context(0)
    silent = type(zoo.examples)(table.drop(columns="seed"), zoo.examples.source)
    with pytest.raises(ConfigError, match="do not say what they show"):
        zoo_signatures(ModelZoo(zoo.items, zoo.source, silent), context)
    other = table.assign(seed=range(len(table)))
    mixed = type(zoo.examples)(other, zoo.examples.source)
    with pytest.raises(ConfigError, match="differ in their prompts"):
        zoo_signatures(ModelZoo(zoo.items, zoo.source, mixed), context)


def test_the_examples_are_encoded_once(tmp_path):
    """The second fit, and any other method's, finds their rows in the store."""
    zoo, stack = open_zoo(loras_case.folder()), ToyStack()
    store = FeatureStore(tmp_path, stack)
    features = CatalogFeatures(toy_world().train.catalog, store, tmp_path)
    context = FitContext(stack, 0, features.for_view)
    first, again = zoo_signatures(zoo, context), zoo_signatures(zoo, context)
    assert store.encoded["clip"] == len(zoo.examples)
    np.testing.assert_array_equal(first.direction, again.direction)


def test_data_without_models_are_refused():
    world = toy_world()
    bare = View(world.train.catalog, world.train.interactions)
    with pytest.raises(ConfigError, match="hold none"):
        SignatureKnn(SignatureKnnConfig()).fit(bare, world.context(0))
