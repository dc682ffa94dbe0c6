"""What a run asks: requests of a track, checked; references that are opened, recorded, audited."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from home_case import HomeOf
from run_case import make_config

from persongen_bench.core import registry
from persongen_bench.core.errors import DataError
from persongen_bench.core.output import IMAGE
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.loop.asked import References, ask, requests_of
from persongen_bench.loop.audits import audited_requests, leaks
from persongen_bench.loop.engines.station import Worker
from persongen_bench.loop.generate import note_references
from persongen_bench.loop.making import Maker
from persongen_bench.loop.veil import Veil
from persongen_bench.testing.toy import PROTOCOL, toy_world


class Follow:
    """Two requests a user: the first likes with a held-out reference, the last ones without."""

    output: ClassVar[str] = "image"
    unit: ClassVar[str] = "user"

    def requests(self, world, n_images, n_history):
        likes, held_out = world.train.liked_items, world.test.liked_items
        for user in world.test.users:
            yield Request(user, likes[user][:2], n_images, reference=held_out[user][0])
            yield Request(user, likes[user][-2:], n_images)


@pytest.fixture
def world():
    return toy_world()


class Config:
    track = "local/follow"
    n_images, n_history = 2, 2

    def protocol(self):
        return PROTOCOL


@pytest.fixture
def asked(world):
    registry.register("tracks", "follow", Follow)
    return ask(world, Config())


def test_every_request_has_its_own_samples(asked, world):
    assert len(asked.samples) == 2 * 2 * len(world.test.users)
    assert asked.users == world.test.users
    assert asked.unit == "user"
    first, last = (asked.samples[k].request for k in (0, 2))
    assert first.user_id == last.user_id
    assert first.history != last.history
    assert first.request_id != last.request_id
    assert asked.named([asked.samples[3].sample_id]) == [asked.samples[3]]


def test_a_held_out_reference_opens_through_its_request_alone(asked, world):
    request = asked.samples[0].request
    assert request.reference in world.held_out_items
    (expected,) = world.dataset.catalog.images([request.reference])
    assert np.array_equal(request.open_reference(), expected)
    assert asked.references.opened == Counter({request.reference: 1})
    with pytest.raises(DataError, match="not in this catalogue"):
        asked.references(world.test.catalog.ids[0] + "-other")
    others = set(world.held_out_items) - {r.reference for r in asked.requests}
    for item in others:
        with pytest.raises(DataError):
            asked.references(item)


def test_a_request_without_reference_says_so(asked):
    with pytest.raises(DataError, match="has no reference"):
        asked.samples[2].request.open_reference()
    with pytest.raises(DataError, match="no opener"):
        Request("anna", reference="x").open_reference()


def test_opening_does_not_change_what_a_sample_is(asked):
    plain = replace(asked.samples[0].request, opener=None)
    assert plan_samples(PROTOCOL, [plain])[0].sample_id == asked.samples[0].sample_id
    assert asked.samples[0].request == plain


def test_equal_requests_need_names():
    twice = [Request("anna", ("a",)), Request("anna", ("a",))]
    with pytest.raises(DataError, match="share their ids"):
        plan_samples(PROTOCOL, twice)
    named = [replace(twice[0], request_id="one"), replace(twice[1], request_id="two")]
    ids = [sample.sample_id for sample in plan_samples(PROTOCOL, named)]
    assert len(set(ids)) == 2


def test_a_history_may_not_hold_a_held_out_item(world):
    class Leaky(Follow):
        def requests(self, world, n_images, n_history):
            user = world.test.users[0]
            yield Request(user, world.test.liked_items[user][:1], n_images)

    with pytest.raises(DataError, match="not in the training catalogue"):
        requests_of(Leaky(), world, 1, 1)


def test_the_audit_says_what_references_give_away(asked, world):
    n = len(world.test.users)
    lines = audited_requests(world, asked.requests, {"x": 3, "y": 1})
    assert f"{n} requests name one, {n} of them a held-out item; 2 items were opened, 4" in lines[0]
    assert lines[1].startswith(f"warning: reference-is-answer: {n} requests")
    assert leaks(lines) == lines[1:]
    assert audited_requests(world, [Request("anna")], {}) == []


def test_references_are_pictures_of_those_items_only(world):
    references = References(world.dataset.catalog.subset([]))
    with pytest.raises(DataError):
        references(world.train.catalog.ids[0])


def test_what_a_method_opens_is_noted_by_the_run(asked, world):
    class Looks:
        def generate(self, samples):
            for sample in samples:
                if sample.request.reference is not None:
                    sample.request.open_reference()
            return [Failure("filtered", "only looked")] * len(samples)

    class Run:
        """What of a run directory is written to."""

        facts: ClassVar = {}
        config, veil = Config(), Veil(make_config())

        def noted(self, key):
            return self.facts.get(key)

        def note(self, key, value):
            self.facts[key] = value

    class Asking:
        """What of a world a worker asks."""

        def asked(self, config):
            return asked

    run, maker = Run(), Maker(Looks(), IMAGE, world.stack, threads=1)
    worker = Worker(run, Asking(), HomeOf(maker))
    for _ in range(2):
        batch = worker.make([sample.sample_id for sample in asked.samples[:4]])
        note_references(run, batch.references)
    # Two of the four samples have a reference; each was looked at twice.
    assert run.facts["references"] == {asked.samples[0].request.reference: 4}


def test_references_are_counted_by_what_they_give_away():
    """By hand: of three, two are held out, and one of these is liked by the one who asks."""
    world = SimpleNamespace(
        test=SimpleNamespace(liked_items={"anna": ("h1",), "ben": ("h2",)}),
        train=SimpleNamespace(catalog=SimpleNamespace(ids=["t1", "t2"])),
    )
    requests = [
        Request("anna", reference="t1"), Request("anna", reference="h1"),
        Request("ben", reference="h1"), Request("cleo"),
    ]  # fmt: skip
    info, warning = audited_requests(world, requests, {"h1": 3})
    assert info.startswith("info: reference: 3 requests name one, 2 of them a held-out item; ")
    assert info.endswith("1 items were opened, 3 times in all")
    assert warning.startswith("warning: reference-is-answer: 1 requests name an item")
