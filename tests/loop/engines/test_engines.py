"""Whatever makes the answers, where, in which order and with whatever deaths: the same tables."""

import pytest
from engine_case import data_in, hashes, job_on, made_by, made_in_shares, share_of

from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.loop.engines import worker_journal
from persongen_bench.loop.engines.local import Local
from persongen_bench.loop.engines.merging import merge
from persongen_bench.loop.engines.ray_actors import Ray
from persongen_bench.loop.engines.shards import Share
from persongen_bench.loop.engines.station import handed_on
from persongen_bench.loop.engines.worker_journal import FOLDER, WorkerJournal, journals_of, told
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import gather, prepare, reopen, resume
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.wall import bubble, limits


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    base = tmp_path_factory.mktemp("engines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        yield data_in(base)


@pytest.fixture(scope="module")
def expected(data):
    """Of the run that one process makes at once."""
    return made_by(data, data.parent / "reference", Execution())


@pytest.fixture(scope="module")
def ray_here():
    """Ray with four processors, which every test of this process uses."""
    ray = pytest.importorskip("ray")
    ray.init(
        address="local", num_cpus=4, include_dashboard=False, object_store_memory=100 << 20,
        log_to_driver=False, _node_ip_address="127.0.0.1", logging_level="ERROR",
        _system_config={"worker_niceness": 0, "enable_worker_prestart": False},
    )  # fmt: skip
    yield ray
    ray.shutdown()


# --- the contract -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n_workers", "batch_size"), [(1, 5), (2, 3), (4, 1)])
def test_local_workers(tmp_path, data, expected, n_workers, batch_size):
    execution = Execution(n_workers, batch_size, engine=Local())
    assert made_by(data, tmp_path, execution) == expected


@pytest.mark.parametrize("n", [1, 7])
def test_shares_in_shuffled_order(tmp_path, data, expected, n):
    assert made_in_shares(data, tmp_path, n, seed=n) == expected


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_ray_actors(tmp_path, data, expected, ray_here, n_workers):
    assert made_by(data, tmp_path, Execution(n_workers, 3, engine=Ray())) == expected
    workers = list(tmp_path.rglob("*.jsonl"))
    assert 1 <= len(workers) <= n_workers


# --- shares -----------------------------------------------------------------------------------


@pytest.fixture
def prepared(tmp_path, data):
    """Path of a run that is fitted and has no answers."""
    return prepare(job_on(data), tmp_path, Execution()).run.path


def test_a_share_is_made_once_and_what_is_lost_of_it_again(prepared, data, expected):
    assert share_of(prepared, data, Share(1, 2), 4) == (12, 12)
    assert share_of(prepared, data, Share(1, 2), 4) == (0, 12)
    (journal,) = (prepared / FOLDER).glob("*.jsonl")
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-40])  # the last of three lines is torn
    assert share_of(prepared, data, Share(1, 2), 12) == (4, 12)
    assert whole.splitlines()[:2] == journal.read_bytes().splitlines()[:2]
    next(prepared.rglob("images/*/*.png")).unlink()
    assert share_of(prepared, data, Share(1, 2), 12) == (1, 12)
    assert share_of(prepared, data, Share(2, 2), 5) == (12, 12)
    directory, world = reopen(prepared, data, Execution())
    assert hashes(gather(directory, world, Execution()).path) == expected


def test_journals_are_read_once_for_a_run(prepared, data, expected, monkeypatch):
    """What counts as made is what is entered, whatever workers write meanwhile."""
    share_of(prepared, data, Share(1, 1), 5)
    directory, world = reopen(prepared, data, Execution())
    read, once = [], worker_journal.read_journal
    monkeypatch.setattr(
        worker_journal, "read_journal", lambda file, run: (read.append(file), once(file, run))[1]
    )
    assert hashes(gather(directory, world, Execution()).path) == expected
    assert len(read) == 1


def test_shares_know_what_the_coordinator_made(tmp_path, data, expected):
    path = prepare(job_on(data), tmp_path, Execution()).run.path
    share_of(path, data, Share(1, 3), 4)
    directory, _ = reopen(path, data, Execution())
    with directory.lock():
        assert len(merge(directory)) == 8
    for file in (path / FOLDER).iterdir():
        file.unlink()
    prepare(job_on(data), tmp_path, Execution())
    assert share_of(path, data, Share(1, 3), 4) == (0, 8)
    assert [share_of(path, data, Share(k, 3), 4)[0] for k in (2, 3)] == [8, 8]
    assert hashes(gather(*reopen(path, data, Execution()), Execution()).path) == expected


def test_what_lacks_is_told_of_or_made(prepared, data, expected):
    share_of(prepared, data, Share(2, 3), 4)
    directory, world = reopen(prepared, data, Execution())
    with pytest.raises(RunError, match=r"16 of 24 samples are not made yet. `pgbench resume"):
        gather(directory, world, Execution())
    assert set(directory.samples()["state"]) == {"pending"}
    assert hashes(resume(directory, world, Execution(2, 3)).path) == expected


def test_an_answer_that_is_not_what_the_journal_tells_of_is_made_again(prepared, data, expected):
    share_of(prepared, data, Share(1, 1), 5)
    first, second = sorted(prepared.rglob("images/*/*.png"))[:2]
    first.write_bytes(second.read_bytes())
    second.write_bytes(b"no picture")
    directory, world = reopen(prepared, data, Execution())
    with directory.lock():
        assert len(merge(directory)) == 22
    assert hashes(resume(directory, world, Execution()).path) == expected


def test_one_writer_of_a_share_at_a_time(prepared, data, monkeypatch):
    monkeypatch.setattr("persongen_bench.loop.engines.worker_journal.PATIENCE", 0.1)
    with WorkerJournal.held(prepared, "shard-1-of-2", "any"):
        with pytest.raises(RunError, match="another process is making shard-1-of-2"):
            share_of(prepared, data, Share(1, 2), 5)
        assert share_of(prepared, data, Share(2, 2), 5) == (12, 12)


def test_workers_elsewhere_hold_methods_as_this_one_does(monkeypatch, tmp_path):
    asked = {bubble.SEALED: "1", limits.MINUTES: "3", "PGBENCH_CACHE": str(tmp_path)}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(limits.GIB, raising=False)
    known = handed_on(2)
    assert known.items() >= {**asked, "OMP_NUM_THREADS": "2"}.items()
    assert limits.GIB not in known


def test_a_fit_that_is_not_there_is_one_line(prepared, data, tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "another"))
    with pytest.raises(RunError, match=r"not in the cache.*--engine slurm"):
        share_of(prepared, data, Share(1, 2), 5)


def test_logs_and_journals_name_no_place(prepared, data):
    share_of(prepared, data, Share(1, 1), 12)
    texts = [file.read_text() for file in (prepared / FOLDER).iterdir()]
    assert not [text for text in texts if str(data.parent) in text]
    (log,) = (prepared / FOLDER).glob("*.log")
    assert [line.partition(" ")[2][:15] for line in log.read_text().splitlines()[1:]] == [
        "12 of 12 sample", "12 of 12 sample"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "environment", "share"),
    [
        ("2/7", {}, Share(2, 7)),
        ("2/7", {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "6"}, Share(2, 7)),
        (None, {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "6",
                "SLURM_ARRAY_TASK_MIN": "1"}, Share(5, 6)),
    ],
)  # fmt: skip
def test_which_share(text, environment, share):
    assert Share.of(text, environment) == share


@pytest.mark.parametrize("text", ["0/7", "8/7", "7", "a/b", "-1/2", "1/2/3", "", "1/9999999"])
def test_what_is_no_share(text):
    with pytest.raises(ConfigError, match="Say I/N"):
        Share.of(text, {})


@pytest.mark.parametrize(("first", "place", "n"), [("0", "3", "7"), ("3", "3", "1"), ("1", "", "")])
def test_an_array_that_is_not_all_shares_is_refused(first, place, n):
    """A job that is submitted again alone says that it is one of one."""
    names = ("SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
    with pytest.raises(ConfigError, match="array=1-7"):
        Share.of(None, dict(zip(names, (first, place, n), strict=True)))


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_shares_are_disjoint_and_are_all(n):
    samples = list(range(24))
    shares = [Share(k, n).samples(samples) for k in range(1, n + 1)]
    assert [one for share in shares for one in share] == samples
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


# --- Ray --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_actor_that_is_killed_is_replaced(tmp_path, data, expected, ray_here, monkeypatch):
    """The third batch kills an actor: its samples alone are made again, by another one."""
    import os
    import signal

    class Killing(Ray):
        def make(self, work, parts, n_workers):
            for k, batch in enumerate(super().make(work, parts, n_workers)):
                yield batch
                if k == 2:
                    log = next((work.run.path / FOLDER).glob("ray-*.log")).read_text()
                    os.kill(int(log.split("process ")[1].split(":")[0]), signal.SIGKILL)

    assert made_by(data, tmp_path, Execution(2, 1, engine=Killing())) == expected
    (folder,) = tmp_path.rglob(FOLDER)
    assert len(list(folder.glob("*.jsonl"))) >= 2  # a third may come up when all is made
    run = RunDirectory.open(folder.parent)
    assert told(journals_of(run.path, run.config.run_id)) == set(run.samples()["sample_id"])


def test_a_head_that_does_not_answer_is_one_line(tmp_path, data):
    pytest.importorskip("ray")
    with pytest.raises(RunError, match=r"Ray at 127.0.0.1:1 cannot be reached .*ray start --head"):
        made_by(data, tmp_path, Execution(engine=Ray("127.0.0.1:1")))


def test_without_ray_it_is_one_line(tmp_path, data, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(RunError, match=r"Ray is not installed. pip install .*--engine local"):
        made_by(data, tmp_path, Execution(engine=Ray()))
