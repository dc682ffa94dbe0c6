"""The contracts accept what is right, and each broken promise is caught by the check for it."""
# The subjects below have the shape that the protocols ask for, plain class attributes included:
# ruff: noqa: RUF012

from __future__ import annotations

import gc
import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import Dataset, DatasetCard, Split, SplitFunction
from persongen_bench.core.errors import ConfigError, MissingRoleError, UnsupportedRequestError
from persongen_bench.core.method import Explanation
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.request import Failure
from persongen_bench.core.types import Catalog
from persongen_bench.testing import (
    DatasetContract,
    MethodContract,
    MetricContract,
    StackContract,
    ToyStack,
    toy_score_context,
    toy_world,
)
from persongen_bench.testing.leaks import find_strings, opened_files
from persongen_bench.testing.observe import unsafe_files
from persongen_bench.testing.require import ContractError
from persongen_bench.testing.toy import DrawnSource, split_by_time

# --- methods: a good one, and the same with one promise broken ----------------------------------


class HueConfig(Config):
    strength: float = 1.0
    """Weight of the user's mean against grey, in [0, 1]."""


class Good:
    """Decodes the mean embedding of what the user liked."""

    Config = HueConfig
    presets = {"paper": {"strength": 1.0}}
    privileged = False
    generate_fields = frozenset({"strength"})
    makes = "image"
    roles = ("image_encoder", "decoder")

    def __init__(self, config):
        self.config = config

    def fit(self, train, context):
        features = context.features("image_encoder", train)
        row = {item: k for k, item in enumerate(train.catalog.ids)}
        self.means = {
            user: features[[row[i] for i in liked]].mean(axis=0).tolist()
            for user, liked in train.liked_items.items()
        }
        self.decoder = context.stack.role("decoder")

    def generate(self, samples):
        return [self.one(sample) for sample in samples]

    def one(self, sample):
        if sample.request.user_id not in self.means:
            return Failure("method_error", "unknown user")
        mean = np.array([self.means[sample.request.user_id]], dtype=np.float32)
        return self.decoder.decode(self.config.strength * mean, [sample.seed])[0]

    def save(self, folder):
        (folder / "means.json").write_text(json.dumps(self.means), encoding="utf-8")

    def load(self, folder, stack, train):
        self.means = json.loads((folder / "means.json").read_text(encoding="utf-8"))
        self.decoder = stack.role("decoder")


class TestGood(MethodContract):
    method = Good
    # the mean embedding of one hue decodes to that hue; its true taste is close to the ceiling 0.95
    taste_floor = 0.85


class BadPreset(Good):
    presets = {"paper": {"strenght": 1.0}}


class LooseConfig(Good):
    class Config(Config, extra="ignore"):
        strength: float = 1.0


class WrongGenerateFields(Good):
    generate_fields = frozenset({"guidance_scale"})


class MakesNothing(Good):
    makes = ""


class OneRoleInBrackets(Good):
    roles = "decoder"  # as where the comma of a tuple of one was forgotten


class AsksForTheJudge(Good):
    """Fits with the model that will judge it, and does not say so."""

    def fit(self, train, context):
        super().fit(train, context)
        context.features("judge_encoder", train)


class AsksForWordsLater(Good):
    """A role of which the fit knows nothing: another process would ask for it."""

    def load(self, folder, stack, train):
        super().load(folder, stack, train)
        stack.role("captioner")


class FloatImages(Good):
    def one(self, sample):
        made = super().one(sample)
        return made if isinstance(made, Failure) else made / np.float32(255)


class ChannelsLast(Good):
    def one(self, sample):
        made = super().one(sample)
        return made if isinstance(made, Failure) else made.transpose(1, 2, 0)


class NamesOthers(Good):
    def explain(self, request):
        return Explanation({request.history[0]: "retrieved", "elsewhere": "retrieved"})


class SaysNothing(Good):
    def explain(self, request):
        return Explanation({request.history[0]: ""})


class SaysMuch(Good):
    def explain(self, request):
        return Explanation({request.history[0]: "retrieved because it is like it"})


class NotesMuch(Good):
    def explain(self, request):
        return Explanation(note="as in the paper " * 9)


class SaysAnotherThing(Good):
    """What it says depends on what it said before."""

    said = 0

    def explain(self, request):
        self.said += 1
        return Explanation(note=f"call {self.said}")


class RemembersExplaining(Good):
    """Its answers depend on whether it was asked."""

    def explain(self, request):
        self.means = {user: [0.0 for _ in mean] for user, mean in self.means.items()}
        return Explanation()


class Explaining(Good):
    """As it should be."""

    def explain(self, request):
        return Explanation({request.history[-1]: "retrieved"}, "the latest")


class TestExplaining(MethodContract):
    method = Explaining


class ForgetsOne(Good):
    def generate(self, samples):
        return super().generate(samples)[:-1]


class NeedsSamples(Good):
    def generate(self, samples):
        return list(np.stack(super().generate(samples)))  # np.stack refuses an empty list


class CrashesOnStrangers(Good):
    def one(self, sample):
        return super().one(sample) if self.means[sample.request.user_id] else None


class CrashesOnEmptyHistory(Good):
    def one(self, sample):
        return super().one(sample) if sample.request.history[0] else None


class RefusesStrangers(Good):
    def one(self, sample):
        if sample.request.user_id not in self.means or not sample.request.history:
            raise UnsupportedRequestError(f"user {sample.request.user_id} is unknown")
        return super().one(sample)


class IgnoresTheUser(Good):
    def fit(self, train, context):
        super().fit(train, context)
        overall = np.mean(list(self.means.values()), axis=0).tolist()
        self.means = dict.fromkeys(self.means, overall)


class GlobalGenerator(Good):
    def fit(self, train, context):
        super().fit(train, context)
        noise = np.random.rand(32) - 0.5  # noqa: NPY002  # the fault
        self.means = {u: (np.array(m) + noise).tolist() for u, m in self.means.items()}


class CountsCalls(Good):
    calls = 0

    def generate(self, samples):
        self.calls += 1
        made = super().generate(samples)
        return [np.roll(m, self.calls, axis=2) if isinstance(m, np.ndarray) else m for m in made]


class BatchNormalised(Good):
    def generate(self, samples):
        made = super().generate(samples)
        images = [m for m in made if isinstance(m, np.ndarray)]
        shift = len(images) % 7
        return [np.roll(m, shift, axis=1) if isinstance(m, np.ndarray) else m for m in made]


class SeedsByPosition(Good):
    def generate(self, samples):
        made = super().generate(samples)
        return [m if isinstance(m, Failure) else np.roll(m, k, axis=1) for k, m in enumerate(made)]


class ForgetsOnSave(Good):
    def save(self, folder):
        (folder / "means.json").write_text(
            json.dumps({u: np.round(m, 1).tolist() for u, m in self.means.items()}),
            encoding="utf-8",
        )


class Pickles(Good):
    def save(self, folder):
        super().save(folder)
        (folder / "state.bin").write_bytes(pickle.dumps(self.means))


class ProcessBound(Good):
    """Works only where it was fitted: its state lives in the class."""

    shared: dict[str, list[float]] = {}

    def save(self, folder):
        type(self).shared = self.means

    def load(self, folder, stack, train):
        self.means, self.decoder = self.shared, stack.role("decoder")


class MutatesView(Good):
    def fit(self, train, context):
        super().fit(train, context)
        train.interactions["rating"] *= 0.5


class MutatesSamples(Good):
    def generate(self, samples):
        made = super().generate(samples)
        if len(samples) > 1:
            samples.reverse()
        return made


class Spy(Good):
    """Asks the interpreter who else holds the training view, and so finds the held-out rows."""

    def fit(self, train, context):
        super().fit(train, context)
        holders = [h if isinstance(h, dict) else vars(h) for h in _holders(train)]
        split = next(holder["split"] for holder in holders if "split" in holder)
        self.seen = list(split.test["item_id"])
        shade = int(self.seen[0][-4:], 16) / 65536 - 0.5
        self.means = {u: (np.array(m) + shade).tolist() for u, m in self.means.items()}


def _holders(train):
    return [h for h in gc.get_referrers(train) if isinstance(h, dict) or hasattr(h, "__dict__")]


class SpyOnDisk(Good):
    """Reads the pictures that lie beside the training ones."""

    def fit(self, train, context):
        super().fit(train, context)
        root = getattr(train.catalog.source, "root", None)
        self.seen = [p.read_bytes() for p in root.rglob("*.png")] if root else []


class Privileged(Good):
    privileged = True

    def fit(self, train, context):
        super().fit(train, context)
        held_out = context.held_out
        self.items = held_out.liked_items
        self.taste = context.taste.signature


BROKEN = {
    BadPreset: "test_every_preset_is_a_valid_config",
    LooseConfig: "test_every_preset_is_a_valid_config",
    WrongGenerateFields: "test_declares_what_the_loop_reads",
    MakesNothing: "test_declares_what_the_loop_reads",
    OneRoleInBrackets: "test_declares_what_the_loop_reads",
    AsksForTheJudge: "test_asks_for_no_other_role",
    AsksForWordsLater: "test_asks_for_no_other_role",
    FloatImages: "test_delivers_one_answer_per_sample",
    ChannelsLast: "test_delivers_one_answer_per_sample",
    ForgetsOne: "test_delivers_one_answer_per_sample",
    NeedsSamples: "test_no_samples_give_no_answers",
    CrashesOnStrangers: "test_unknown_user_is_served_or_refused",
    CrashesOnEmptyHistory: "test_empty_history_is_served_or_refused",
    IgnoresTheUser: "test_reaches_the_taste_floor",
    GlobalGenerator: "test_same_seed_same_answers",
    CountsCalls: "test_generating_leaves_no_trace",
    NamesOthers: "test_explains_the_request",
    SaysNothing: "test_explains_the_request",
    SaysMuch: "test_explains_the_request",
    NotesMuch: "test_explains_the_request",
    SaysAnotherThing: "test_explains_the_request",
    RemembersExplaining: "test_explains_the_request",
    BatchNormalised: "test_batch_does_not_matter",
    SeedsByPosition: "test_batch_does_not_matter",
    ForgetsOnSave: "test_save_and_load_round_trip",
    Pickles: "test_save_and_load_round_trip",
    MutatesView: "test_inputs_stay_as_they_were",
    MutatesSamples: "test_inputs_stay_as_they_were",
    Spy: "test_held_out_data_do_not_matter",
    SpyOnDisk: "test_opens_no_held_out_file",
}


class Caught(MethodContract):
    """The contract of whichever class is assigned."""

    taste_floor = 0.85


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_broken_method_is_caught(broken):
    contract = Caught()
    contract.method = broken
    crash = {"CrashesOnStrangers": KeyError, "CrashesOnEmptyHistory": IndexError}
    crash["NeedsSamples"] = ValueError  # what the method itself raises reaches pytest unchanged
    with pytest.raises(crash.get(broken.__name__, ContractError)):
        getattr(contract, BROKEN[broken])()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_a_fault_is_not_seen_everywhere(broken):
    """A check that fails for every fault would say nothing: the card check passes for most."""
    contract = Caught()
    contract.method = broken
    other = "test_declares_what_the_loop_reads"
    if BROKEN[broken] not in (other, "test_every_preset_is_a_valid_config"):
        getattr(contract, other)()


def test_spy_is_also_caught_by_what_it_holds():
    contract = Caught()
    contract.method = Spy
    with pytest.raises(ContractError, match=r"fitted method reaches held-out item item-[0-9a-f]+"):
        contract.test_holds_no_held_out_item()


class ProcessBoundContract(MethodContract):
    method = ProcessBound


def test_state_that_stays_in_the_process_is_caught():
    contract = ProcessBoundContract()
    contract.test_save_and_load_round_trip()  # the same process cannot see the fault
    with pytest.raises(ContractError, match="this process against a worker: result 0 differs"):
        contract.test_worker_does_not_matter()


class TestRefusesStrangers(MethodContract):
    method = RefusesStrangers


class TestPrivileged(MethodContract):
    """Anchors may hold held-out items; the rest of the contract still binds them."""

    method = Privileged


def test_contract_in_a_function_says_why_it_cannot_travel():
    class Local(MethodContract):
        method = Good

    with pytest.raises(ContractError, match="top level of a module"):
        Local().test_worker_does_not_matter()


# --- leaks --------------------------------------------------------------------------------------


def test_walk_finds_what_hides_in_closures_frames_partials_and_arrow_memory():
    world = toy_world()
    hidden = world.held_out_items

    def closure():
        return world

    def generator():
        kept = world
        yield kept

    running = generator()
    next(running)
    table = world.dataset.catalog.items
    holders = [closure, running, {"a": [world]}, np.array([world], dtype=object), table.index[:1]]
    for holder in holders:
        assert find_strings(holder, hidden, inside_memory=True)


def test_training_view_reaches_every_training_item_and_no_held_out_one():
    world = toy_world()
    # touch the cached properties first: they are part of what a method can reach
    assert world.train.users
    assert world.train.liked_items
    assert find_strings(world.train, world.held_out_items, inside_memory=True) == {}
    assert set(find_strings(world.train, set(world.train.catalog.ids))) == set(
        world.train.catalog.ids
    )


def test_opened_files_are_recorded_only_inside(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for path in (inside, outside):
        path.write_text("x")
    with opened_files() as opened:
        inside.read_text()
        found = opened()
    outside.read_text()
    assert inside.resolve() in found
    assert outside.resolve() not in opened()


@pytest.mark.parametrize("name", ["state.pkl", "weights.pt", "objects.npy", "archive.npz"])
def test_files_that_can_run_code_are_named(tmp_path: Path, name):
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    elif path.suffix == ".npz":
        np.savez(path, a=np.array([{}], dtype=object))
    else:
        path.write_bytes(pickle.dumps({}))
    np.save(tmp_path / "plain.npy", np.zeros(3))
    (tmp_path / "plain.json").write_text("{}")
    assert unsafe_files(tmp_path) == [name]


def test_a_header_whose_length_reads_as_a_pickle_is_none(tmp_path):
    path = tmp_path / "rows.safetensors"
    for size in range(500, 640, 8):
        save_file({"x": np.zeros(1)}, path, metadata={"a": "b" * size})
        if path.read_bytes().startswith(b"\x80\x02"):  # protocol 2 of pickle, or 640 bytes
            break
    else:
        pytest.fail("no header is 640 bytes long")
    assert unsafe_files(tmp_path) == []
    path.write_bytes(pickle.dumps({"x": "y" * 100}, protocol=2))
    assert unsafe_files(tmp_path) == [path.name]


# --- stacks, data sets, metrics -----------------------------------------------------------------


class TestToyStack(StackContract):
    stack = ToyStack


class BatchMeanStack(ToyStack):
    def role(self, name):
        model = super().role(name)
        if name != "image_encoder":
            return model
        return _Centred(model)


class _Centred:
    signature = "centred|impl:1"
    embedding_size = 32

    def __init__(self, model):
        self.model = model

    def encode(self, images):
        rows = self.model.encode(images)
        return rows - rows.mean(axis=0) if len(rows) else rows


class RestlessStack(ToyStack):
    @property
    def signature(self):
        return f"toy|{id(self)}"


class OpenStack(ToyStack):
    def role(self, name):
        return super().role(name if name in self.roles else "decoder")


@pytest.mark.parametrize(
    ("stack", "check"),
    [
        (BatchMeanStack, "test_encoding_ignores_the_batch"),
        (RestlessStack, "test_signature_is_stable"),
        (OpenStack, "test_unknown_role_is_a_clear_error"),
    ],
)
def test_broken_stack_is_caught(stack, check):
    contract = StackContract()
    contract.stack = stack
    kept = contract.make()  # keeps the first instance alive, so that ids differ
    with pytest.raises(ContractError):
        getattr(contract, check)()
    assert kept.roles


def test_unknown_role_names_the_roles():
    with pytest.raises(MissingRoleError, match=r"'oracle'.*image_encoder"):
        ToyStack().role("oracle")


class ToyLoader:
    class Config(Config):
        pass

    tracks = ("prompt-free",)

    @classmethod
    def load(cls, config, root):
        return toy_world().dataset


class TestToyDataset(DatasetContract):
    dataset = ToyLoader


def _dataset(**changes):
    toy = toy_world().dataset
    fields = ("name", "card", "catalog", "interactions", "splits", "taste")
    return Dataset(**{name: getattr(toy, name) for name in fields} | changes)


class _SourceWithEverything(DrawnSource):
    """A source that keeps the item table: the training view would hold the held-out part."""

    def __init__(self, items):
        object.__setattr__(self, "items", items)


def _overlapping(interactions, seed):
    split = split_by_time(interactions, seed)
    return Split("by-time", seed, split.train, pd.concat([split.test, split.train.head(1)]))


def _promising(*promise):
    """The toy's split by time, which has every user on both sides, with another promise."""
    return lambda interactions, seed: replace(
        split_by_time(interactions, seed), promise=frozenset(promise)
    )


def _later(interactions, seed):
    """Promises an order, and trains on everybody's last row."""
    split = split_by_time(interactions, seed)
    last = split.test.drop_duplicates("user_id", keep="last")
    train = pd.concat([split.train, last], ignore_index=True)
    return replace(
        split, train=train, test=split.test.drop(last.index), promise=frozenset({"time"})
    )


def _supported(interactions, seed):
    """Says that nobody tested has a training row; everybody has thirty."""
    return replace(split_by_time(interactions, seed), support=0)


@dataclass(frozen=True)
class _Uncut:
    """Says that it cuts, and does not."""

    split: SplitFunction = split_by_time
    name: str = "whole"
    k: int = 2

    def __call__(self, interactions, seed):
        return self.split(interactions, seed)


def _unseeded(interactions, seed):
    shuffled = interactions.sample(frac=1.0, random_state=np.random.default_rng())
    return Split("by-time", seed, shuffled[:100], shuffled[100:])


def _broken_datasets():
    toy = toy_world().dataset
    items, log = toy.catalog.items, toy.interactions
    twice = pd.concat([items, items.head(1)])
    yield "test_item_ids_are_unique_strings", {"catalog": Catalog(twice, DrawnSource())}
    unknown = log.assign(item_id=log["item_id"].where(log.index > 0, "ghost"))
    yield "test_interactions_are_well_formed", {"interactions": unknown}
    yield "test_interactions_are_well_formed", {"interactions": log.drop(columns="liked")}
    yield "test_card_says_what_a_reader_needs", {"card": DatasetCard("t", "d", "", "s")}
    yield "test_splits_are_disjoint_parts_of_the_log", {"splits": {"by-time": _overlapping}}
    yield "test_splits_are_deterministic", {"splits": {"by-time": _unseeded}}
    yield "test_splits_keep_their_promise", {"splits": {"by-time": _promising("users")}}
    yield "test_splits_keep_their_promise", {"splits": {"by-time": _later}}
    same_motif = Catalog(items.assign(content_id="motif"), DrawnSource())
    cut_motifs = {"splits": {"by-time": _promising("contents")}, "catalog": same_motif}
    yield "test_splits_keep_their_promise", cut_motifs
    yield "test_splits_keep_their_support", {"splits": {"by-time": _supported}}
    yield "test_splits_keep_their_support", {"splits": {"by-time": _Uncut()}}
    leaky = Catalog(items, _SourceWithEverything(items))
    yield "test_training_view_hides_held_out_items", {"catalog": leaky}


@pytest.mark.parametrize(
    ("check", "changes"), [pytest.param(*case, id=case[0]) for case in _broken_datasets()]
)
def test_broken_dataset_is_caught(check, changes):
    class Contract(DatasetContract):
        def make(self):
            return _dataset(**changes)

    with pytest.raises(ContractError):
        getattr(Contract(), check)()


@pytest.mark.parametrize(
    "tracks", [(), "prompt-free", ("prompt-fre",), ("a", "a"), ("", "b"), (1,)]
)
def test_broken_tracks_are_caught(tracks):
    class Contract(DatasetContract):
        dataset = type("Loader", (ToyLoader,), {"tracks": tracks})

    with pytest.raises(ContractError, match="track"):
        Contract().test_tracks_are_named()


class MeanTaste:
    """Mean true taste of a user's images."""

    info = MetricInfo(
        "mean-taste", "taste", "higher", (0.0, 1.0), "probability", "toy", shows_not="novelty"
    )

    @classmethod
    def parse(cls, argument):
        if argument is not None:
            raise ConfigError(f"mean-taste takes no argument, found {argument!r}")
        return cls()

    def signature(self, context):
        return f"{self.info.name}|{context.taste_signature}|impl:1"

    def values(self, context):
        own = pd.Index(context.users).get_indexer(pd.Index(context.samples["user_id"]))
        return context.taste(context.users)[np.arange(len(own)), own]

    def per_unit(self, context):
        values = pd.Series(self.values(context)).groupby(context.samples["user_id"]).mean()
        return values.reindex(list(context.users))


class TestMeanTaste(MetricContract):
    metric = MeanTaste


class ZeroForNobody(MeanTaste):
    def per_unit(self, context):
        return super().per_unit(context).fillna(0.0)


class DropsUsers(MeanTaste):
    def per_unit(self, context):
        return super().per_unit(context).dropna().iloc[1:]


class FirstRows(MeanTaste):
    def values(self, context):
        return super().values(context) * (np.arange(len(context.samples)) < 6)


class Percent(MeanTaste):
    def values(self, context):
        return 100 * super().values(context)


class Anonymous(MeanTaste):
    def signature(self, context):
        return "taste"


class Vandal(MeanTaste):
    def per_unit(self, context):
        found = super().per_unit(context)
        context.samples["index"] += 1
        return found


@pytest.mark.parametrize(
    ("metric", "check"),
    [
        (ZeroForNobody, "test_unit_without_samples_is_undefined"),
        (DropsUsers, "test_one_value_per_unit"),
        (FirstRows, "test_order_of_samples_does_not_matter"),
        (Percent, "test_values_lie_in_the_range"),
        (Anonymous, "test_signature_names_what_fixes_the_number"),
        (Vandal, "test_inputs_stay_as_they_were"),
    ],
)
def test_broken_metric_is_caught(metric, check):
    contract = MetricContract()
    contract.metric = metric
    with pytest.raises(ContractError):
        getattr(contract, check)()


def test_toy_scores_reflect_the_accuracy_of_their_generator():
    # An oracle draws the user's hue +-0.02: utility >= 0.05 + 0.9 exp(-(0.03 / 0.08)^2 / 2) > 0.85
    # with room for rounding; at 1/6 the user is ignored, so own and other users fare alike.
    oracle, blind = toy_score_context(accuracy=1.0), toy_score_context(40, accuracy=1 / 6)
    assert MeanTaste().per_unit(oracle).min() > 0.85
    matrix = blind.taste(blind.users)
    own = MeanTaste().per_unit(blind).mean()
    assert own == pytest.approx(matrix.mean(), abs=0.08)  # 240 draws, sd 0.33: 0.08 is 3.7 se
