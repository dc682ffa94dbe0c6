"""The contracts on answers that are no images, and on requests that name a picture to follow."""
# The subjects below have the shape that the protocols ask for, plain class attributes included:
# ruff: noqa: RUF012

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError, DataError, UnsupportedRequestError
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.output import Ranking
from persongen_bench.core.request import Failure
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import content_hash
from persongen_bench.testing import MethodContract, MetricContract, toy_score_context, toy_world
from persongen_bench.testing.require import ContractError


class Options(Config):
    pass


class Base:
    """What the user liked, kept as JSON."""

    Config = Options
    presets = {}
    privileged = False
    generate_fields = frozenset()
    makes = "ranking"
    roles = ()

    def __init__(self, config):
        self.config = config

    def fit(self, train, context):
        self.train = train
        self.liked = {user: list(items) for user, items in train.liked_items.items()}

    def generate(self, samples):
        return [self.one(sample) for sample in samples]

    def save(self, folder):
        (folder / "liked.json").write_text(json.dumps(self.liked), encoding="utf-8")

    def load(self, folder, stack, train):
        self.train = train
        self.liked = json.loads((folder / "liked.json").read_text(encoding="utf-8"))


class Ranks(Base):
    def one(self, sample):
        liked = self.liked.get(sample.request.user_id)
        if not liked:
            return Failure("method_error", "unknown user")
        order = sample.rng().permutation(len(liked))
        return Ranking(tuple(liked[k] for k in order), tuple(-float(k) for k in order.argsort()))


class Ranked(Ranks):
    """Scores fall, as they must."""

    def one(self, sample):
        made = super().one(sample)
        if isinstance(made, Failure):
            return made
        return Ranking(made.item_ids, tuple(-float(k) for k in range(len(made.item_ids))))


class Adapts(Base):
    makes = "adapter"

    def one(self, sample):
        likes = self.liked.get(sample.request.user_id, [])
        rng = np.random.default_rng(int(content_hash(likes), 16))
        lora = {f"unet.layer.lora_{m}.weight": rng.random((1, 4), np.float32) for m in "A"}
        return Adapter({**lora, "unet.layer.lora_B.weight": rng.random((4, 1), np.float32)})


class TestRanked(MethodContract):
    method = Ranked


class TestAdapts(MethodContract):
    method = Adapts


class BareList(Ranked):
    def one(self, sample):
        made = super().one(sample)
        return made if isinstance(made, Failure) else list(made.item_ids)


class NotFinite(Adapts):
    def one(self, sample):
        made = super().one(sample)
        return Adapter({name: array * np.float32("nan") for name, array in made.lora.items()})


class SaysImages(Ranked):
    makes = "image"


class Positions(Ranked):
    def generate(self, samples):
        made = super().generate(samples)
        return [
            Ranking(m.item_ids[k % 3 :] or m.item_ids, None) if isinstance(m, Ranking) else m
            for k, m in enumerate(made)
        ]


class LastBit(Adapts):
    """Adapters that differ in one bit between two calls."""

    calls = 0

    def generate(self, samples):
        self.calls += 1
        made = super().generate(samples)
        for one in made:
            array = one.lora["unet.layer.lora_A.weight"]
            if self.calls % 2:
                array[0, 0] = np.nextafter(array[0, 0], np.float32(2))
        return made


class Reuses(Adapts):
    """Answers with one array that every call writes into."""

    def __init__(self, config):
        super().__init__(config)
        self.array = np.zeros((1, 4), np.float32)

    def generate(self, samples):
        self.array += 1
        lora = {"unet.l.lora_A.weight": self.array, "unet.l.lora_B.weight": np.ones((4, 1))}
        return [Adapter(lora) for _ in samples]


BROKEN = {
    Ranks: ("test_delivers_one_answer_per_sample", "none larger than the one before it"),
    BareList: ("test_delivers_one_answer_per_sample", "ranking 0: expected a Ranking, found list"),
    NotFinite: ("test_delivers_one_answer_per_sample", "a number that is not finite"),
    SaysImages: ("test_delivers_one_answer_per_sample", "image 0"),
    Positions: ("test_batch_does_not_matter", "one by one: result"),
    LastBit: ("test_generating_leaves_no_trace", "generating twice: result"),
    Reuses: ("test_generating_leaves_no_trace", "generating twice: result"),
}


class Caught(MethodContract):
    """The contract of whichever class is assigned."""


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_broken_method_is_caught(broken):
    contract, (check, said) = Caught(), BROKEN[broken]
    contract.method = broken
    with pytest.raises(ContractError, match=said):
        getattr(contract, check)()


def test_unknown_kind_is_named():
    contract = Caught()
    contract.method = type("Films", (Ranked,), {"makes": "film"})
    with pytest.raises(ContractError, match="makes is 'film', not one of image, ranking, adapter"):
        contract.test_declares_what_the_loop_reads()
    with pytest.raises(ConfigError):
        contract.test_delivers_one_answer_per_sample()


# --- requests with a picture to follow ----------------------------------------------------------


class Follows(Base):
    """Answers with the picture to follow; refuses a request without one."""

    makes = "image"

    def one(self, sample):
        if sample.request.reference is None:
            raise UnsupportedRequestError("there is no picture to follow")
        return sample.request.open_reference()


class FollowsOrFails(Follows):
    """The same with a `Failure` in place of the refusal."""

    def one(self, sample):
        if sample.request.reference is None:
            return Failure("method_error", "there is no picture to follow")
        return sample.request.open_reference()


class LooksItUp(Follows):
    """Goes to the training catalogue, where a held-out reference is not."""

    def one(self, sample):
        if sample.request.reference is None:
            raise UnsupportedRequestError("there is no picture to follow")
        return self.train.catalog.images([sample.request.reference])[0]


class TestFollows(MethodContract):
    method = Follows


class TestFollowsOrFails(MethodContract):
    method = FollowsOrFails


def test_the_reference_is_in_no_catalogue():
    contract = Caught()
    contract.method = LooksItUp
    with pytest.raises(DataError, match=r"toy-reference-0.*is not in this catalogue"):
        contract.test_delivers_one_answer_per_sample()


def test_plain_requests_come_first():
    plain, following = Caught(), Caught()
    plain.method, following.method = Ranked, Follows
    assert {s.request.reference for s in plain.samples()} == {None}
    assert [s.request.reference for s in following.samples()][::2] == [
        f"toy-reference-{k}" for k in range(6)  # six people, two samples each
    ]  # fmt: skip
    assert following.samples()[0].sample_id != plain.samples()[0].sample_id


def test_the_reference_is_the_same_where_the_held_out_part_differs():
    asked = [[s.sample_id for s in toy_world(k).samples(references=True)] for k in (0, 1)]
    assert asked[0] == asked[1]


# --- metrics that read other answers ------------------------------------------------------------


class Reads:
    """Base: a number per answer, its mean per user."""

    info = MetricInfo(
        name="reads-rankings", family="toy", direction="higher", range=(0.0, 1.0), unit="share",
        source="here", shows_not="Anything.", reads="ranking",
    )  # fmt: skip

    @classmethod
    def parse(cls, argument):
        if argument is not None:
            raise ConfigError("no argument")
        return cls()

    def signature(self, context):
        return f"{self.info.name}|impl:1"

    def per_unit(self, context):
        rows = context.samples.groupby("unit").indices
        return pd.Series({
            unit: np.mean([self.value(context, unit, a) for a in context.outputs(rows[unit])])
            if unit in rows else np.nan
            for unit in context.units
        }, dtype=float)  # fmt: skip

    def value(self, context, unit, answer):
        return float(answer.item_ids[0] in context.test.liked_items[unit])


class ReadsAdapters(Reads):
    """How far up a LoRA points."""

    info = MetricInfo(
        name="reads-adapters", family="toy", direction="none", range=(-1.0, 1.0), unit="sine",
        source="here", shows_not="Anything.", reads="adapter",
    )  # fmt: skip

    def value(self, context, unit, answer):
        return float(answer.lora["unet.toy.lora_B.weight"][1, 0])


class ReadsFilms(Reads):
    info = MetricInfo(
        name="reads-films", family="toy", direction="higher", range=(0.0, 1.0), unit="share",
        source="here", shows_not="Anything.", reads="film",
    )  # fmt: skip


class Reorders(Reads):
    """Changes the answer that it looks at."""

    info = ReadsAdapters.info

    def value(self, context, unit, answer):
        answer.lora["unet.toy.lora_B.weight"][0] = 0
        return 0.5


class TestReads(MetricContract):
    metric = Reads


class TestReadsAdapters(MetricContract):
    metric = ReadsAdapters


def test_unknown_kind_of_answer_and_changed_answers_are_caught():
    contract = MetricContract()
    contract.metric = ReadsFilms
    with pytest.raises(ContractError, match="reads 'film', not one of"):
        contract.test_card_is_complete()
    contract = MetricContract()
    contract.metric = Reorders
    with pytest.raises(ContractError, match="changed its context"):
        contract.test_inputs_stay_as_they_were()


def test_name_of_the_card_must_be_the_registered_one(monkeypatch):
    monkeypatch.setattr("persongen_bench.core.registry.get", lambda _kind, _name: Reads)
    contract = MetricContract()
    contract.metric = "my-package/reads-rankings"
    with pytest.raises(ContractError, match="registered is 'my-package/reads-rankings'"):
        contract.test_printed_form_parses_to_itself()


def test_rankings_of_the_toy_generator_put_its_hue_first():
    context = toy_score_context(n_images=2, accuracy=1.0, reads="ranking")
    hues = context.world.dataset.catalog.items["hue"]
    for row, user in enumerate(context.samples["user_id"]):
        first = context.outputs([row])[0].item_ids[:8]  # 5 training and 3 held-out items of a hue
        own = int(user[-1]) / 6  # user-k likes hue k/6, drawn within 0.02 of it
        away = [abs((hues[item] - own + 0.5) % 1 - 0.5) for item in first]
        assert max(away) <= 0.02
