"""Processes that share a cache or a run: `python two_writers.py WHAT FOLDER N`.

Every `pgbench run` is a fork of an interpreter that has imported what a run imports, so that two of
them work side by side from their first moment on. It prints one JSON document.
"""

import contextlib
import importlib
import json
import os
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from crashing import count_changes, done, forked
from warm_server import Warm

from persongen_bench.core.types import Description
from persongen_bench.loop import feature_table, locking
from persongen_bench.loop.description_table import DescriptionTable
from persongen_bench.loop.feature_table import FeatureTable
from persongen_bench.loop.wall import launch
from persongen_bench.testing.toy import toy_world, write_folder
from persongen_bench.util.files import file_sha256

RUN = (
    "--dataset", "folder", "--data-option", "like_threshold=2", "--board", "catalogue",
    "--no-beside", "--n-images", "2", "-m", "nearest-item", "--stack", "pixels",
    "--metric", "verifier",
)  # fmt: skip
RESULTS = ("*.parquet", "summary.json", "copies.json", "images/*/*.png", "contact_sheet.png")
OF_THE_CLOCK = ("fit.json", "checksums.json")
"""Files of a fit that tell how long it took."""
TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}")


def pgbench(folder: Path, runs: str, *, patience: float = 1.0, kill_at=None) -> int:
    """Start `pgbench run` with the cache in ``folder``; the number of its process.

    ``patience``: `locking.PATIENCE`. ``kill_at``: the file event at which it dies.
    """

    def work() -> None:
        from persongen_bench import cli

        locking.PATIENCE = patience
        folder.mkdir(exist_ok=True)
        os.chdir(folder)
        os.environ["PGBENCH_CACHE"] = str(folder / "cache")
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{os.getpid()}.{name}", os.O_WRONLY | os.O_CREAT, 0o600), number)
        data = ("--data", str(folder.parent / "data"), "--runs", runs)
        sys.argv = ["pgbench", "run", *RUN, *data]
        count = count_changes(folder, kill_at)
        try:
            cli.main()
        except SystemExit as end:
            sys.stdout.flush()
            told = {"events": count[0], "imported": list(sys.modules)}
            (folder / f"{os.getpid()}.json").write_text(json.dumps(told))
            os._exit(end.code or 0)

    return forked(work)


def hashes(folder: Path, kinds: tuple[str, ...]) -> dict[str, str]:
    """Of files below a folder, by their places."""
    files = (file for kind in kinds for file in folder.rglob(kind) if file.is_file())
    return {file.relative_to(folder).as_posix(): file_sha256(file) for file in sorted(files)}


def cached(folder: Path) -> dict[str, str]:
    """What the cache holds, but for locks, for this machine's own, and for what tells the time."""
    found = hashes(folder / "cache", ("*",))
    return {
        name: sha256
        for name, sha256 in found.items()
        if not name.endswith((".lock", *OF_THE_CLOCK)) and not name.startswith("private")
    }


def temporaries(folder: Path) -> list[str]:
    """What writers that were killed have left in the cache."""
    places = (folder / "cache").rglob("*")
    return [p.name for p in places if TEMPORARY.fullmatch(p.name) or p.name.endswith(".partial")]


def said(folder: Path, process: int) -> str:
    """What a command said on standard error, but for its progress."""
    lines = (folder / f"{process}.err").read_text().splitlines()
    return "\n".join(line for line in lines if not re.match(r"[\w ]+: \d+ of \d+", line))


def ended(folder: Path, *processes: int) -> list[list]:
    """Status of each command, and what it said."""
    return [[done(process), said(folder, process)] for process in processes]


class Pairs:
    """Runs that share something, beside the same run that was alone."""

    def __init__(self, base: Path) -> None:
        self.base = base
        alone = self.start("alone", "runs")
        assert ended(base / "alone", alone) == [[0, ""]]
        told = json.loads((base / "alone" / f"{alone}.json").read_text())
        self.n_events = told["events"]
        for name in told["imported"]:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)  # once for all that are forked from now on
        self.results = hashes(base / "alone" / "runs", RESULTS)
        self.cache = cached(base / "alone")

    def start(self, name: str, runs: str, **more) -> int:
        return pgbench(self.base / name, runs, **more)

    def state(self, name: str, *runs: str) -> dict:
        """Whether runs and cache are those of the run that was alone."""
        folder = self.base / name
        return {
            "same": [hashes(folder / one, RESULTS) == self.results for one in runs],
            "cache": cached(folder) == self.cache, "temporaries": temporaries(folder),
        }  # fmt: skip

    def one_cache(self) -> dict:
        """Two at once on one fresh cache."""
        begun, pair = time.perf_counter(), [self.start("cache", runs) for runs in "ab"]
        ends = ended(self.base / "cache", *pair)
        self.seconds = time.perf_counter() - begun
        return {"ends": ends, **self.state("cache", "a", "b")}

    def one_run(self) -> dict:
        """Two at once at the same run."""
        pair = [self.start("run", "a", patience=0.01) for _ in "ab"]
        return {"ends": sorted(ended(self.base / "run", *pair)), **self.state("run", "a")}

    def one_killed(self, k: int, rng: np.random.Generator) -> dict:
        """Of two at once on one fresh cache one is killed, and made again after the other."""
        name = f"killed{k}"
        at = int(rng.integers(1, self.n_events)) if k % 2 else None
        dying, other = self.start(name, "a", kill_at=at), self.start(name, "b")
        if at is None:
            time.sleep(rng.uniform(0, self.seconds))
            with contextlib.suppress(ProcessLookupError):
                os.kill(dying, signal.SIGKILL)
        status, ends = done(dying), ended(self.base / name, other)
        after = self.state(name, "b")
        ends += ended(self.base / name, self.start(name, "a"))
        return {"status": status, "ends": ends, "after": after, **self.state(name, "a", "b")}


# --- tables of the cache ----------------------------------------------------------------------


def row_of(keys: np.ndarray) -> np.ndarray:
    """The row that belongs to a key: float32 ``(n, 8)``."""
    powers = np.arange(1, 9, dtype=np.float32)
    return (keys % np.uint64(1009)).astype(np.float32)[:, None] ** (1 / powers)


def many_at_tables(base: Path, seed: int, n: int) -> None:
    """Look for random keys and add those that are not there, ``n`` times."""
    feature_table.MAX_SHARDS = 3
    rng, words = np.random.default_rng(seed), DescriptionTable(base / "rows" / "words.sqlite")
    for _ in range(n):
        table = FeatureTable(base / "rows", 8)
        keys = np.unique(rng.integers(1, 1 << 11, 20).astype(np.uint64))
        with table.lock():
            new = keys[~table.known(keys)]
            if len(new):
                table.add(new, row_of(new))
        rows, sound = table.read(keys)
        assert sound.all(), "a row that was added is not there"
        np.testing.assert_array_equal(rows, row_of(keys))
        names = [f"{key:016x}" for key in keys]
        words.add(names, [Description(name, ()) for name in names])
        assert words.get(names) == {name: Description(name, ()) for name in names}


def tables(base: Path, n_kills: int) -> dict:
    """Three writers of one table, of whom one is killed again and again."""
    rng, ends = np.random.default_rng(0), []
    lasting = [forked(partial(many_at_tables, base, k, 60)) for k in range(2)]

    def dies(seed: int, at: int) -> None:
        count_changes(base, at)
        many_at_tables(base, seed, 1000)

    for seed in range(10, 10 + n_kills):
        at = int(rng.integers(1, 150))
        ends.append(done(forked(partial(dies, seed, at))))
    statuses = [done(process) for process in lasting]
    many_at_tables(base, 99, 1)
    rest = [p.name for p in (base / "rows").iterdir() if TEMPORARY.fullmatch(p.name)]
    return {"statuses": statuses, "kills": ends.count(-signal.SIGKILL), "temporaries": rest}


def pairs(base: Path, n_kills: int) -> dict:
    """All that two writers do to each other."""
    write_folder(toy_world(), base / "data")
    warm = launch.subprocess = Warm()
    try:
        pair, rng = Pairs(base), np.random.default_rng(0)
        answers: dict = {"cache": pair.one_cache(), "run": pair.one_run(), "killed": []}
        while (
            sum(one["status"] != 0 for one in answers["killed"]) < n_kills
        ):  # else it was too late
            answers["killed"].append(pair.one_killed(len(answers["killed"]), rng))
        return answers
    finally:
        warm.close()


def main(what: str, base: Path, n_kills: int) -> None:
    """Do what is asked."""
    works = {"tables": tables, "runs": pairs}
    sys.stdout.write(json.dumps(works[what](base, n_kills)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
