"""Runs of the toy world in processes that are killed or starved: `python crashing.py WHAT FOLDER`.

A script of its own, so that it forks from an interpreter in which nothing has computed yet. It
prints one JSON document. A run and its cache lie in one folder, so that both are hit.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from warm_server import Warm

from persongen_bench.core.errors import PgbenchError
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import Job, reopen, resume, run
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.wall import launch
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.toy import toy_world, write_folder
from persongen_bench.util.files import file_sha256

METRICS = ("taste-gap", "precision@1", "novelty")
TERMS = Terms("catalogue", "prompt-free", METRICS, n_images=2, n_history=3)
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect")
"""Audit events at which something is written, replaced or removed."""
_PRIVATE, _REMOUNT, _READ_ONLY, _NEW_MOUNTS = 1 << 18 | 1 << 14, 1 << 5, 1, 0x20000
_libc = ctypes.CDLL(None, use_errno=True)


def make(folder: Path, batch_size: int = 64) -> None:
    """Make the run, or go on with it."""
    os.environ["PGBENCH_CACHE"] = str(folder / "cache")
    world = load_world(WorldRef("folder", "pixels", {"like_threshold": 2}, folder.parent / "data"))
    job = Job(world, TERMS, MethodChoice("nearest-item"), seed=3)
    run(job, folder / "runs", Execution(1, batch_size))


def go_on(folder: Path, batch_size: int) -> None:
    """`pgbench resume`, or `make` where there is no run yet."""
    os.environ["PGBENCH_CACHE"] = str(folder / "cache")
    begun = list((folder / "runs").rglob("run.json"))
    if not begun:
        make(folder, batch_size)
        return
    execution = Execution(1, batch_size)
    directory, world = reopen(begun[0].parent, folder.parent / "data", execution)
    resume(directory, world, execution)


def hashes(folder: Path) -> list[str]:
    """Of the exports of the only run."""
    (path,) = (folder / "runs").rglob("run.json")
    return [file_sha256(path.parent / name) for name in RESULTS]


def forked(work) -> int:
    """``work()`` in a process of its own; its id."""
    process = os.fork()
    if process:
        return process
    try:
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001  # nothing of the parent may go on here
        traceback.print_exc()
        os._exit(1)


def done(process: int) -> int:
    """Exit status; below 0: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def count_changes(folder: Path, kill_at: int | None = None) -> list[int]:
    """Count file events in ``folder`` from now on; die, as by kill -9, at one of them."""
    count, inside = [0], str(folder)

    def watch(event, arguments):
        if event in CHANGES and inside in str(arguments[0]):
            if event == "open" and arguments[1] in ("r", "rb", None) and not _writes(arguments[2]):
                return
            count[0] += 1
            if count[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return count


def _writes(flags: int) -> bool:
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def make_reference(base: Path) -> int:
    """The number of file events of a whole run; what it imports is imported here then.

    Once for all that are forked from now on.
    """

    def counted():
        count = count_changes(base)
        make(base / "reference")
        (base / "events").write_text(str(count[0]))
        (base / "imported").write_text("\n".join(sys.modules))

    assert done(forked(counted)) == 0
    for name in (base / "imported").read_text().split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    return int((base / "events").read_text())


def killed(base: Path, n_kills: int, per_chain: int) -> dict:
    """Runs killed several times each, at file events and at instants, and then gone on with."""
    n_events = make_reference(base)
    start = time.perf_counter()
    assert done(forked(lambda: make(base / "timed"))) == 0
    seconds = time.perf_counter() - start
    rng, expected = np.random.default_rng(0), hashes(base / "reference")
    chain = same = kills = 0
    while kills < n_kills and chain < n_kills:
        folder = base / f"chain{chain}"
        for k in range(per_chain):
            by_event, batch = k % 2 == 0, int(rng.integers(1, 9))
            left = n_events if k == 0 else n_events // 3  # what is done is not done again
            at = int(rng.integers(1, left + 1)) if by_event else None

            def work(folder=folder, at=at, batch=batch):
                count_changes(base, at)
                go_on(folder, batch)

            process = forked(work)
            if not by_event:
                time.sleep(rng.uniform(0, seconds))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            status = done(process)
            assert status in (0, -signal.SIGKILL), f"chain {chain}: status {status}"
            kills += status == -signal.SIGKILL
        assert done(forked(lambda folder=folder: go_on(folder, 5))) == 0
        same += hashes(folder) == expected
        chain += 1
    return {"n_events": n_events, "kills": kills, "chains": chain, "same": same}


# --- disks ------------------------------------------------------------------------------------


def own_disk(folder: Path, size: int) -> None:
    """A disk of so many bytes at ``folder``, for this process alone."""
    folder.mkdir(exist_ok=True)
    _checked(_libc.unshare(_NEW_MOUNTS))
    _checked(_libc.mount(b"none", b"/", None, _PRIVATE, None))
    _checked(_libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={size}".encode()))


def change_disk(folder: Path, size: int, *, read_only: bool = False) -> None:
    """Another size, or no more writing."""
    flags = _REMOUNT | (_READ_ONLY if read_only else 0)
    _checked(_libc.mount(b"none", str(folder).encode(), None, flags, f"size={size}".encode()))


def _checked(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def refusal(work) -> str | None:
    """What a user is told; None where it went well. Anything else is a traceback."""
    try:
        work()
    except PgbenchError as error:
        return str(error)
    except OSError as error:  # `cli.app` prints these on a line
        return f"OSError: {error.strerror or error}"
    return None


def full(base: Path, expected: list[str]) -> dict:
    """Runs on disks that are too small, then on the same disks with room."""
    sizes = [1 << 14, 1 << 16, 100_000, 1 << 17, 200_000, 1 << 18, 400_000]
    return _each(base, sizes, lambda folder, size: _full(folder, size, expected))


def _full(folder: Path, size: int, expected: list[str]) -> dict:
    own_disk(folder, size)
    said = refusal(lambda: make(folder))
    change_disk(folder, 1 << 26)
    go_on(folder, 5)
    return {"said": said, "same": hashes(folder) == expected}


def starved(base: Path, expected: list[str]) -> dict:
    """Runs with too few descriptors, then the same with enough."""
    return _each(base, range(4), lambda folder, few: _starved(folder, few, expected))


def _starved(folder: Path, few: int, expected: list[str]) -> dict:
    make(folder.parent / f"{folder.name}-warm")  # lazy imports need descriptors too
    limits, held = (
        resource.getrlimit(resource.RLIMIT_NOFILE),
        len(list(Path("/proc/self/fd").iterdir())),
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + few, limits[1]))
    said = refusal(lambda: make(folder))
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    go_on(folder, 5)
    return {"said": said, "same": hashes(folder) == expected}


def read_only(base: Path, expected: list[str]) -> dict:
    """A complete run on a disk that cannot be written any more."""
    return _each(base, [0], lambda folder, _: _read_only(folder, expected))


def _read_only(folder: Path, expected: list[str]) -> dict:
    from persongen_bench.leaderboards.ranking import collect
    from persongen_bench.loop.evaluation import Evaluation
    from persongen_bench.loop.store import RunDirectory

    own_disk(folder, 1 << 26)
    make(folder)
    change_disk(folder, 1 << 26, read_only=True)
    (path,) = (file.parent for file in (folder / "runs").rglob("run.json"))
    directory, world = reopen(path, folder.parent / "data", Execution())
    n = len(Evaluation.of_run(directory, world).samples)
    (table,) = collect(folder / "runs")
    images = RunDirectory.open(path)
    first = images.results().samples.iloc[0]
    images.read_image(str(first["sample_id"]), str(first["pixel_hash"]))
    return {
        "n": n, "rows": len(table.rows), "same": hashes(folder) == expected,
        "said": refusal(lambda: go_on(folder, 5)), "again": refusal(lambda: make(folder)),
    }  # fmt: skip


def _each(base: Path, values, work) -> dict:
    """``work`` for each value in a process of its own; what it returned."""
    answers = {}
    for value in values:
        folder = base / f"case{value}"

        def written(folder=folder, value=value):
            answer = work(folder, value)
            (base / f"{value}.json").write_text(json.dumps(answer))

        status = done(forked(written))
        file = base / f"{value}.json"
        answers[value] = json.loads(file.read_text()) if file.exists() else {"status": status}
    return answers


def main(what: str, base: Path) -> None:
    """Prepare the data and do what is asked."""
    write_folder(toy_world(), base / "data")
    warm = Warm() if what in ("killed", "starved") else None  # it would not see a disk of their own
    launch.subprocess = warm or launch.subprocess
    try:
        if what == "killed":
            answer = killed(base, *map(int, sys.argv[3:5]))
        else:
            make_reference(base)
            works = {"full": full, "starved": starved, "read-only": read_only}
            answer = works[what](base, hashes(base / "reference"))
        sys.stdout.write(json.dumps(answer))
    finally:
        if warm:
            warm.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
