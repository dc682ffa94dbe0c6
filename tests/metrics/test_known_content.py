"""Agreement, legibility and the words that were asked for: by hand, and their laws."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from answered import answered

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import Forms, parse_metric
from persongen_bench.core.request import Request
from persongen_bench.loop.score import penalised
from persongen_bench.metrics.content.agreement import Agreement
from persongen_bench.metrics.content.legibility import Legibility
from persongen_bench.metrics.similarity.cs import Cs, CsInstruction
from persongen_bench.testing import MetricContract, toy_score_context


class TestAgreement(MetricContract):
    metric = Agreement


class TestLegibility(MetricContract):
    metric = Legibility


class TestCsInstruction(MetricContract):
    metric = Cs
    argument = "instruction"


FIRST = Request("anna", reference="i0", instruction="i0")
SECOND = Request("anna", reference="i1", instruction="i90")
BARE = Request("anna")
OTHER = Request("ben", reference="i1")


TABLE = {("i0", 0): 1.0, ("i0", 3): 0.5, ("i1", 9): 0.25, ("i1", 4): 0.0}


class Shares:
    """A world whose content is a number on the picture: items agree in what their table says."""

    signature = "shares"

    def agreement(self, images, item_ids):
        pairs = zip(item_ids, (int(image[0, 0, 0]) for image in images), strict=True)
        return np.array([TABLE[pair] for pair in pairs])

    def legible(self, images):
        return np.array([image[0, 0, 0] / 10 for image in images])


class Context:
    content = Shares()

    def __init__(self, answers):
        self.numbers = [number for _, number in answers]
        self.samples, self.requests = answered([request for request, _ in answers])
        self.units = self.users = ("anna", "ben")
        self.references = self.of("reference")
        self.instructions = self.of("instruction")

    def of(self, name):
        values = {s: getattr(r, name) for s, r in self.requests.items()}
        return {s: value for s, value in values.items() if value is not None}

    def images(self, rows):
        return [np.full((3, 4, 4), self.numbers[k], dtype=np.uint8) for k in rows]

    def features(self, role):
        return plane([10 * number for number in self.numbers])

    def text_features(self, role, texts):
        return plane([int(text[1:]) for text in texts])

    def memo(self, key, make):
        return make()


def plane(degrees):
    radians = np.deg2rad(np.asarray(degrees, dtype=float))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


ANSWERS = [(SECOND, 9), (FIRST, 0), (BARE, 7), (OTHER, 4), (FIRST, 3)]


def test_agreement_is_with_each_requests_own_reference():
    values = Agreement().per_unit(Context(ANSWERS))
    # anna: two images of her first request, (1 + .5) / 2, one of her second, .25, and one of a
    # request without a reference, which does not count: (1 + .5 + .25) / 3
    assert values["anna"] == pytest.approx(1.75 / 3)
    assert values["ben"] == 0.0


def test_legibility_counts_every_image():
    values = Legibility().per_unit(Context(ANSWERS))
    assert values["anna"] == pytest.approx((0.9 + 0.0 + 0.7 + 0.3) / 4)
    assert values["ben"] == pytest.approx(0.4)


def test_words_are_those_of_the_request():
    values = CsInstruction().per_unit(Context(ANSWERS))
    # anna's first request asks for 0 degrees and got 0 and 30, her second for 90 and got 90.
    assert values["anna"] == pytest.approx((1 + np.cos(np.deg2rad(30)) + 1) / 3)
    assert np.isnan(values["ben"])


def test_nothing_is_said_where_nothing_is_known():
    context = Context([(BARE, 7), (OTHER, 4)])
    assert np.isnan(Agreement().per_unit(context)["anna"])
    context.content = None
    for metric in (Agreement(), Legibility()):
        assert metric.per_unit(context).isna().all()
        assert list(metric.per_unit(context).index) == ["anna", "ben"]


def test_what_is_not_delivered_counts_nothing():
    for metric, whole in ((Agreement(), 0.75), (Legibility(), 0.15)):
        values = metric.per_unit(Context([(FIRST, 0), (FIRST, 3)]))
        assert values["anna"] == pytest.approx(whole)
        planned = pd.DataFrame({"unit": ["anna"] * 4, "state": ["ok", "ok", *["filtered"] * 2]})
        counted = penalised(metric, values[["anna"]], planned)
        assert counted["anna"] == pytest.approx(whole / 2)


def test_signatures_name_the_reader_and_the_words():
    assert Agreement().signature(Context([])) == "agreement|in:u8|reader:shares|impl:1"
    assert Legibility().signature(Forms()) == "legibility|in:u8|reader:<reader>|impl:1"
    signature = parse_metric("cs@instruction").signature(Forms())
    assert signature.startswith("cs@instruction|")
    assert "text:instruction" in signature
    assert "captioner" not in signature


def test_other_arguments_are_refused():
    with pytest.raises(ConfigError):
        CsInstruction.parse("history")
    with pytest.raises(ConfigError):
        Agreement.parse("reference")


def test_the_toy_world_knows_its_content():
    # Every user is asked for their own hue, so a generator that meets it agrees.
    right, chance = (toy_score_context(accuracy=share) for share in (1.0, 1 / 6))
    assert Agreement().per_unit(right).min() > 0.9
    assert Agreement().per_unit(chance).mean() < 0.8
    grey = np.full((3, 16, 16), 90, dtype=np.uint8)
    faded = replace(right, pictures=(grey,) * len(right.pictures), _memo={})
    assert Legibility().per_unit(right).min() > 0.9
    assert Legibility().per_unit(faded).max() == 0
