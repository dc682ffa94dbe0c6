"""What a method answers with, or fails to, and what the run remembers of how it was made."""

import time
from itertools import count

import numpy as np
import pytest
from home_case import made_by
from run_case import make_config

from persongen_bench.core.output import ADAPTER, IMAGE, Ranking
from persongen_bench.core.request import Failure
from persongen_bench.core.roles import Adapter
from persongen_bench.loop import generate
from persongen_bench.loop.making import Made, Maker
from persongen_bench.loop.store import RunDirectory
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_stack import ToyStack


def picture(grey):
    return np.full((3, 8, 8), grey, dtype=np.uint8)


class Answers:
    """A method whose answers are the function's; it keeps which batches it was asked for."""

    def __init__(self, answer):
        self._answer, self.batches = answer, []

    def generate(self, samples):
        self.batches.append([sample.sample_id for sample in samples])
        return self._answer(samples)


@pytest.fixture(scope="module")
def samples():
    return toy_world().samples(2)[:4]


def make(answer, samples, kind=IMAGE):
    method = Answers(answer)
    return Maker(method, kind, ToyStack(), threads=1).make(samples), method.batches


# --- faults -----------------------------------------------------------------------------------


def test_good_answers_are_asked_for_once_and_keep_their_order(samples):
    made, batches = make(lambda batch: [picture(s.index) for s in batch], samples)
    assert [int(one.answer.max()) for one in made] == [0, 1, 0, 1]
    assert batches == [[sample.sample_id for sample in samples]]


@pytest.mark.parametrize("surplus", [1, -1])
def test_a_wrong_number_of_answers_is_nobodys(samples, surplus):
    """Which answer belongs to whom cannot be told: not even of the first ones."""
    made, _ = make(lambda batch: [picture(0)] * (len(batch) + surplus), samples)
    reason = f"returned {1 + surplus} answers for 1 samples"
    assert made == [Failure("method_error", reason)] * 4


def test_a_fault_is_narrowed_down_to_its_sample(samples):
    bad = samples[2].sample_id

    def answer(batch):
        if bad in [sample.sample_id for sample in batch]:
            raise ValueError("no  such\ncolour")
        return [picture(9)] * len(batch)

    made, batches = make(answer, samples)
    assert [isinstance(one, Made) for one in made] == [True, True, False, True]
    assert made[2].state == "method_error"
    assert made[2].reason.startswith("ValueError: no such colour (test_generate.py:")
    assert [len(batch) for batch in batches] == [4, 1, 1, 1, 1]


@pytest.mark.parametrize("error", [MemoryError, OSError])
def test_what_the_machine_lacks_does_not_count_against_the_method(samples, error):
    def answer(batch):
        raise error("full")

    with pytest.raises(error):
        make(answer, samples)


def test_an_answer_of_another_kind_is_a_fault(samples):
    answers = [picture(0), Ranking(("a",)), Failure("filtered", "unsafe"), picture(1)]
    made, _ = make(lambda batch: answers, samples)
    assert [isinstance(one, Made) for one in made] == [True, False, False, True]
    assert made[1].state == "method_error"
    assert made[1].reason.startswith("bad image: ")
    assert made[2] == Failure("filtered", "unsafe")


@pytest.mark.parametrize("state", ["unscored", "pending", "missing", "ok", "skipped", None, 3, []])
def test_a_state_that_is_not_the_methods_to_say_is_its_error(samples, state):
    """`unscored` had let a method off (.583 for .219): a failure is one whatever it says."""
    made, _ = make(lambda batch: [Failure(state, "hard user")] * len(batch), samples)
    assert [one.state for one in made] == ["method_error"] * len(samples)
    assert all("hard user" in one.reason and "cannot say" in one.reason for one in made)


def test_a_failure_is_what_it_says_once(samples):
    """A subclass cannot answer differently when it is asked again; reasons are one short line."""

    class Sly(Failure):
        @property
        def state(self):
            return next(self.states)

    failure = object.__new__(Sly)
    object.__setattr__(failure, "states", iter(["filtered", *["unscored"] * 99]))
    object.__setattr__(failure, "reason", "a\nb" * 1000)
    (made,), _ = make(lambda batch: [failure], samples[:1])
    assert type(made) is Failure
    assert made.state == "filtered"
    assert made.reason.startswith("a ba b")
    assert len(made.reason) == 500


# --- what is recorded -------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, samples):
    return RunDirectory.create(tmp_path / "run", make_config(), samples)


def test_seconds_are_those_of_a_sample_delivered_or_not(run, samples, monkeypatch):
    """A clock that moves on by 6 seconds whenever it is read: a batch of 3 took 6, each 2."""
    monkeypatch.setattr(time, "perf_counter", count(0.0, 6.0).__next__)
    answers = [picture(0), Failure("filtered", "unsafe"), picture(1).astype(float)]
    maker = Maker(Answers(lambda batch: answers), IMAGE, ToyStack(), threads=1)
    outcomes = made_by(maker, samples[:3], run)
    assert [o.state for o in outcomes] == ["ok", "filtered", "method_error"]
    assert [o.seconds for o in outcomes] == [2.0, 2.0, 2.0]


def test_what_is_recorded_of_an_answer_is_what_lies_on_disk(run, samples):
    maker = Maker(Answers(lambda batch: [picture(7)]), IMAGE, ToyStack(), threads=1)
    (outcome,) = made_by(maker, samples[:1], run)
    assert outcome.digest == outcome.pixel_hash == IMAGE.digest(picture(7))
    assert np.array_equal(run.read_image(outcome.sample_id, outcome.pixel_hash), picture(7))


def test_models_are_remembered_over_batches(run):
    """A later worker, or a resumed run, may ask for other models than an earlier one."""
    generate.note_roles(run, {"clip": "c|1"})
    generate.note_roles(run, {"dino": "d|1"})
    assert run.noted("roles") == {"clip": "c|1", "dino": "d|1"}


class Drawn(ToyStack):
    """The decoder draws the strength of the adapter's only number."""

    def role(self, name):
        return Adapted() if name == "decoder" else super().role(name)


class Adapted:
    signature, pipeline, strength = "adapted", None, 0

    def adapted(self, adapter):
        self.strength = int(adapter.lora["k"][0])
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def draw(self, conditions, seeds, options=None):
        return [picture(self.strength) for _ in seeds]

    def decode(self, embeddings, seeds):
        return self.draw(embeddings, seeds)


def test_an_adapter_is_kept_with_the_image_that_was_drawn_with_it(tmp_path, samples):
    config = make_config(output="adapter")
    run = RunDirectory.create(tmp_path / "run", config, samples)
    adapter = Adapter({"k": np.array([5.0])})
    maker = Maker(Answers(lambda batch: [adapter] * len(batch)), ADAPTER, Drawn(), threads=1)
    outcomes = made_by(maker, samples, run)
    run.record(outcomes)
    assert {o.digest for o in outcomes} == {ADAPTER.digest(adapter)}
    assert {o.pixel_hash for o in outcomes} == {IMAGE.digest(picture(5))}
    before = run.samples().drop(columns="seconds")
    run.output_path(samples[1].sample_id, IMAGE).unlink()
    run.output_path(samples[2].sample_id).unlink()
    assert [run.holds(s.sample_id) for s in samples] == [True, False, False, True]
    assert run.rebuild_journal(samples) == 2
    after = run.samples().drop(columns="seconds")
    assert list(after["state"]) == ["ok", "pending", "pending", "ok"]
    assert after[after["state"] == "ok"].equals(before[after["state"] == "ok"])
