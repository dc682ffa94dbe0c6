"""Pairs of `pgbench run` that share a cache or a run: `python two_writers.py FOLDER`.

A script of its own, as `crashing`: every command is a fork of an interpreter that has imported what
a run imports, so that two of them work side by side from the first moment on.
"""

import os
import sys
import time
from pathlib import Path

from crashing import done, forked

WORLD = (
    "--dataset", "folder", "--data-option", "like_threshold=2", "--board", "catalogue",
    "--no-beside", "--n-images", "2",
)  # fmt: skip


def pgbench(folder: Path, runs: str, *words: str) -> int:
    """Start `pgbench run` with the cache in ``folder``; the number of its process."""
    return forked(lambda: _main(folder, runs, words))


def _main(folder: Path, runs: str, words: tuple[str, ...]) -> None:
    from persongen_bench import cli

    (folder / runs).mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["PGBENCH_CACHE"] = str(folder / "cache")
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{runs}.{name}", os.O_WRONLY | os.O_CREAT, 0o600), number)
    sys.argv = ["pgbench", "run", *WORLD, "--data", str(folder.parent / "data"), "--runs", runs, *words]
    cli.main()


if __name__ == "__main__":
    from persongen_bench.testing.toy import toy_world, write_folder
    base = Path(sys.argv[1])
    write_folder(toy_world(), base / "data")
    t = time.time(), os.times()
    print(done(pgbench(base / "alone", "runs", *sys.argv[2:])))
    n = os.times()
    print(time.time() - t[0], n.children_user + n.children_system - t[1].children_user - t[1].children_system)
