"""The contract of a track accepts what is right, and each fault is caught by the check for it."""

from __future__ import annotations

import os

import numpy as np
import pytest

from persongen_bench.core import registry
from persongen_bench.core.errors import DataError
from persongen_bench.core.request import Request
from persongen_bench.testing import TrackContract, toy_world
from persongen_bench.testing.require import ContractError
from persongen_bench.testing.toy import write_folder


class Good:
    """Two requests a user: the last liked items, and the first ones with a picture to follow."""

    output = "image"
    unit = "user"

    def requests(self, world, n_images, n_history):
        return [
            one
            for user, liked in world.train.liked_items.items()
            for one in (
                Request(user, liked[len(liked) - n_history :], n_images),
                Request(user, liked[:n_history], n_images, world.test.catalog.ids[0], "like it"),
            )
        ]


class TestGood(TrackContract):
    track = Good


for name in registry.entries("tracks"):
    if "/" not in name:
        title = f"Test{name.title().replace('-', '')}"
        globals()[title] = type(title, (TrackContract,), {"track": name})


class Video(Good):
    output = "video"


class ByItem(Good):
    unit = "item"


class Silent(Good):
    def requests(self, world, n_images, n_history):  # the fault
        return []


class Strangers(Good):
    def requests(self, world, n_images, n_history):  # the fault
        return [Request("nobody", (), n_images)]


class Drawn(Good):
    """Asks in an order that the global generator sets."""

    def requests(self, world, n_images, n_history):
        asked = super().requests(world, n_images, n_history)
        return [asked[k] for k in np.random.permutation(len(asked))]  # noqa: NPY002  # the fault


class ProcessBound(Good):
    def requests(self, world, n_images, n_history):
        user = world.train.users[0]
        return [Request(user, (), n_images, None, f"process {os.getpid()}")]


class Twins(Good):
    def requests(self, world, n_images, n_history):
        return super().requests(world, n_images, n_history)[:1] * 2


class HeldOutHistory(Good):
    def requests(self, world, n_images, n_history):
        return [Request(u, world.test.liked_items[u][:n_history], n_images)
                for u in world.test.users]  # fmt: skip


class Repeats(Good):
    def requests(self, world, n_images, n_history):
        return [Request(u, items[:1] * n_history, n_images)
                for u, items in world.train.liked_items.items()]  # fmt: skip


class WholeHistory(Good):
    """``liked[-0:]`` is everything: the usual slip."""

    def requests(self, world, n_images, n_history):
        likes = world.train.liked_items
        return [Request(u, items[-n_history:], n_images) for u, items in likes.items()]


class Elsewhere(Good):
    def requests(self, world, n_images, n_history):
        return [Request(world.train.users[0], (), n_images, "no-such-item")]


class OpensIt(Good):
    def requests(self, world, n_images, n_history):
        opener = lambda item: world.dataset.catalog.images([item])[0]  # noqa: E731
        item = world.train.catalog.ids[0]
        return [Request(world.train.users[0], (), n_images, item, opener=opener)]


class NoSuchModel(Good):
    def requests(self, world, n_images, n_history):
        return [Request(world.train.users[0], (), n_images, model="no-such-model")]


class AlwaysTwo(Good):
    def requests(self, world, n_images, n_history):
        return super().requests(world, 2, n_history)


class NamedByNumber(Good):
    def requests(self, world, n_images, n_history):
        return [Request(u, (), n_images, request_id=f"{u}-{n_images}") for u in world.train.users]


class Forgetful(Good):
    """Changes the data that it looks at."""

    def requests(self, world, n_images, n_history):
        world.train.interactions["liked"] = ~world.train.interactions["liked"]
        return super().requests(world, n_images, n_history)


BROKEN = {
    Video: "test_declares_kind_and_unit",
    ByItem: "test_declares_kind_and_unit",
    Silent: "test_asks_something_of_known_users",
    Strangers: "test_asks_something_of_known_users",
    Drawn: "test_same_world_same_requests",
    Twins: "test_ids_are_unique",
    HeldOutHistory: "test_histories_are_training_items",
    Repeats: "test_histories_are_training_items",
    WholeHistory: "test_histories_are_as_long_as_asked",
    Elsewhere: "test_references_are_items",
    OpensIt: "test_references_are_items",
    NoSuchModel: "test_models_are_models",
    AlwaysTwo: "test_number_of_answers_is_as_asked",
    NamedByNumber: "test_number_of_answers_is_as_asked",
    Forgetful: "test_inputs_stay_as_they_were",
}


class Caught(TrackContract):
    """The contract of whichever class is assigned."""


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_broken_track_is_caught(broken, monkeypatch):
    contract = Caught()
    contract.track = broken
    # a class in an attribute does not travel to another process
    monkeypatch.setattr(Caught, "elsewhere", lambda self, job: getattr(self, job)())
    with pytest.raises(ContractError):
        getattr(contract, BROKEN[broken])()


class ProcessBoundContract(TrackContract):
    track = ProcessBound


def test_requests_that_depend_on_the_process_are_caught():
    with pytest.raises(ContractError, match="another process is asked something else"):
        ProcessBoundContract().test_same_world_same_requests()


def test_track_can_ask_about_a_data_set(tmp_path, monkeypatch):
    write_folder(toy_world(), tmp_path / "folder")
    contract = TrackContract()
    contract.track, contract.dataset = "prompt-free", "folder"
    with pytest.raises(DataError):  # this one needs a folder: the world is overridden for it
        contract.requests()
    loader = registry.get("datasets", "folder")
    data = loader.load(loader.Config(), tmp_path / "folder")
    fake = type("Loader", (), {"Config": loader.Config, "load": lambda *_: data})
    monkeypatch.setattr(registry, "get", lambda kind, name: (
        fake if kind == "datasets" else registry.find(kind, name).load()
    ))  # fmt: skip
    assert len(contract.requests()) == 6  # the toy world's users
