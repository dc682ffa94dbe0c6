"""Workers pinned to devices: how they are said, which are there, and what a cell sees."""

import os

import pytest
from engine_case import data_in, job_on, made_by
from forked import in_child

from persongen_bench.api.engines import devices_for, engine_of
from persongen_bench.api.settings import execution_of
from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.loop.engines.devices import devices_of, shown
from persongen_bench.loop.engines.local import Local
from persongen_bench.loop.engines.ray_actors import _Crew
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import prepare
from persongen_bench.loop.wall import homes
from persongen_bench.loop.wall.settling import Setup, settle
from persongen_bench.util.guard import Bounds


@pytest.fixture
def cards(monkeypatch):
    """A machine with two graphics cards."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)


def test_as_they_are_said(cards):
    assert devices_of("cpu, cuda:0,cuda:1") == ("cpu", "cuda:0", "cuda:1")
    assert engine_of("local", None, ("cuda:1",)) == Local(("cuda:1",))
    assert devices_for(None, 3) == ()


@pytest.mark.parametrize(
    "text", ["", "cuda", "gpu", "cuda:", "cuda:-1", "cuda:01", "cpu;cpu", "cpu,"]
)
def test_what_is_no_device(text):
    with pytest.raises(ConfigError, match=r"there is no device .*Say cpu or cuda:N"):
        devices_of(text)


def test_a_card_that_is_not_there_is_one_line(cards):
    with pytest.raises(
        ConfigError, match=r"^there is no cuda:2 here. Graphics .* cuda:0 to cuda:1"
    ):
        engine_of("local", None, ("cpu", "cuda:2"))


def test_where_there_are_no_cards(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert engine_of("local", None, ("cpu", "cpu")) == Local(("cpu", "cpu"))
    with pytest.raises(ConfigError, match="Graphics cards here: none"):
        engine_of("local", None, ("cuda:0",))


def test_there_is_a_worker_on_each():
    with execution_of({"devices": "cpu,cpu"}) as execution:
        assert (execution.n_workers, execution.here) == (2, False)
    with execution_of({"devices": "cpu"}) as execution:
        assert (execution.n_workers, execution.here) == (1, False)
    with pytest.raises(ConfigError, match="3 workers on 2 devices"):
        devices_for("cpu,cpu", 3)


@pytest.mark.parametrize(
    ("device", "visible", "sees"),
    [("", "3", {}), ("cpu", "3", {"CUDA_VISIBLE_DEVICES": ""}),
     ("cuda:1", None, {"CUDA_VISIBLE_DEVICES": "1"}),
     ("cuda:1", "4, 6", {"CUDA_VISIBLE_DEVICES": "6"}),
     ("cuda:0", "GPU-8f", {"CUDA_VISIBLE_DEVICES": "GPU-8f"})],
)  # fmt: skip
def test_what_a_process_is_shown(device, visible, sees):
    assert shown(device, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == sees


def test_a_cell_sees_its_device_alone(tmp_path):
    def seen():
        settle(
            Setup((), Bounds((), (tmp_path,)), tmp_path, variables={"CUDA_VISIBLE_DEVICES": "6"})
        )
        return os.environ["CUDA_VISIBLE_DEVICES"]

    assert in_child(seen) == "6"


def test_two_workers_on_processors_make_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    data, told = data_in(tmp_path), []
    start = homes.Cell.start
    monkeypatch.setattr(homes.Cell, "start", lambda *a, **k: told.append(k) or start(*a, **k))
    pinned = made_by(data, tmp_path / "two", Execution(2, 3, engine=Local(("cpu", "cpu"))))
    kept = [one["variables"] for one in told]
    assert len(kept) >= 3  # the fit, both workers, and who makes answers again
    assert all(one == {"CUDA_VISIBLE_DEVICES": ""} for one in kept)
    assert made_by(data, tmp_path / "one", Execution()) == pinned
    assert told[-1]["variables"] == {}


def test_more_cards_than_ray_has_are_one_line(tmp_path, monkeypatch):
    class NoCards:
        @staticmethod
        def cluster_resources():
            return {"CPU": 4.0}

    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    work = prepare(job_on(data_in(tmp_path)), tmp_path / "runs", Execution())
    with pytest.raises(RunError, match="Ray has 0 graphics cards, and 2 are asked for"):
        _Crew(NoCards, work, [], ("cuda:0", "cpu", "cuda:1"))
