"""Who makes which run of a campaign, and when a process is started to help."""

import multiprocessing
import threading
from types import SimpleNamespace

import pytest

from persongen_bench.api import crew
from persongen_bench.api.attempts import Attempt
from persongen_bench.api.campaign import Campaign
from persongen_bench.api.crew import Crew, Desk
from persongen_bench.api.executing import execute
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.datasets.dsprites import DSprites
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.generate import Execution
from persongen_bench.methods.random_item import RandomItem


def tasks(*names, threads=1):
    """Tasks that are made at once, by whom it says."""
    made = []

    def task(name):
        choice = MethodChoice(name)

        def make(world, execution):
            made.append((name, threading.current_thread() is threading.main_thread()))
            return SimpleNamespace(path=name)

        return SimpleNamespace(
            choice=choice,
            make=make,
            label=name,
            campaign=SimpleNamespace(threads=threads, dataset="dsprites"),
        )

    return [task(name) for name in names], made


def test_nobody_helps_with_what_is_done_before_patience_ends(monkeypatch):
    monkeypatch.setattr(crew.Helper, "_start", lambda self: pytest.fail("a process was started"))
    asked, made = tasks("random-item", "nearest-item", "oracle")
    done = list(crew.made(asked, None, Execution(), Crew(4, patience=30.0)))
    assert [one.path for one in done] == ["random-item", "nearest-item", "oracle"]
    assert made == [(one, True) for one in ("random-item", "nearest-item", "oracle")]


@pytest.mark.parametrize("room", [True, False])
def test_help_that_nobody_asked_for_needs_room(monkeypatch, room):
    asked, helped = tasks("random-item", "nearest-item")[0], []
    waits = threading.Event()

    def attempt(self, task):
        helped.append(task.label)
        waits.set()
        return Attempt(task, task.label)

    monkeypatch.setattr(crew.Helper, "_attempt", attempt)
    monkeypatch.setattr(crew, "room_for_another", lambda: room)
    asked[0].make = lambda world, execution: (waits.wait(1), SimpleNamespace(path="here"))[1]
    done = list(crew.made(asked, None, Execution(), Crew(2, patience=0.01)))
    assert helped == (["nearest-item"] if room else [])
    assert len(done) == 2


def test_a_run_that_builds_on_a_fit_in_the_making_comes_last():
    asked, _ = tasks("rebeca", "wrong-user", "random-item")
    asked[1].choice = MethodChoice("wrong-user", options={"base": "rebeca"})
    desk = Desk(asked)
    assert [desk.take() for _ in range(4)] == [0, 2, 1, None]
    assert desk.over.is_set()


def test_a_run_is_made_once_whoever_asks():
    asked, _ = tasks(*["random-item"] * 200)
    desk, taken = Desk(asked), []

    def take():
        while (place := desk.take()) is not None:
            taken.append(place)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(200))


def test_a_process_that_dies_costs_its_run_and_is_followed_by_another(monkeypatch):
    asked, _ = tasks("random-item", "nearest-item")
    ends = []

    def start(self):
        ours, theirs = multiprocessing.Pipe()
        self._wire = SimpleNamespace(send=lambda what: None, recv=ours.recv)
        theirs.send(("folder", "")) if ends else theirs.close()
        ends.append((ours, theirs))
        return self._wire

    monkeypatch.setattr(crew.Helper, "_start", start)
    helper = crew.Helper(Execution())
    first, second = (helper._attempt(task) for task in asked)
    assert (first.path, first.reason) == (None, "its process ended without a word")
    assert second.path == "folder"
    assert len(ends) == 2


def test_how_many_work_at_a_time(monkeypatch):
    monkeypatch.setattr(crew, "n_cores", lambda: 16)
    asked, _ = tasks(*["random-item"] * 9)
    assert Crew.of(3, Execution(), asked) == Crew(3)
    assert Crew.of(None, Execution(), asked) == Crew(crew.MOST, crew.PATIENCE)
    assert Crew.of(None, Execution(), asked[:2]).most == 2
    assert Crew.of(None, Execution(), asked[:1]).most == 1
    assert Crew.of(None, Execution(n_workers=2), asked).most == 1  # others work for the run
    assert Crew.of(None, Execution(), tasks(*["oracle"] * 9, threads=8)[0]).most == 2
    name = registry.register("methods", "own", type("Own", (RandomItem,), {"name": "own"})).name
    assert Crew.of(None, Execution(), tasks(name, "oracle")[0]).most == 1
    data = registry.register("datasets", "mine", DSprites).name
    asked[0].campaign.dataset = data
    assert Crew.of(None, Execution(), asked[:2]).most == 1


def test_an_error_of_a_process_that_helps_is_the_reason(tmp_path):
    asked = Campaign(
        ("random-item", "textual-inversion"), "dsprites", tmp_path, {"n_images": 40},
        n_images=1, beside=False, stack="pixels",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="stack"):
        list(execute(asked, Execution(), 2))
