"""The example package, built from a copy into a folder, and `pgbench` beside it in a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[1] / "plugin_example"
ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 600
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")


@dataclass(frozen=True)
class Place:
    """Where commands run: the installed example, a working folder, a cache."""

    site: Path
    folder: Path

    def start(self, *command: str) -> subprocess.Popen[str]:
        """``python command``, not waited for; standard output and error in one pipe each."""
        path = os.pathsep.join([str(self.site), str(ROOT)])
        cache = str(self.folder / "cache")
        return subprocess.Popen(
            [sys.executable, *command], text=True, cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "160", "PGBENCH_CACHE": cache},
        )  # fmt: skip

    def python(self, *command: str) -> subprocess.CompletedProcess[str]:
        """``python command`` to its end, whatever it is."""
        process = self.start(*command)
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def pgbench(self, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        done = self.python("-m", "persongen_bench", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def requests(self, *arguments: str) -> list[dict[str, Any]]:
        """What `pgbench list requests` says of the data set ``pairs``."""
        said = self.pgbench(
            "list", "requests", "-d", "plugin-example/pairs", "-f", "json", *arguments
        )
        return list(json.loads(said))


def install(folder: Path) -> Path:
    """Build and install the example below ``folder``; the checkout stays clean."""
    source, site = folder / "source", folder / "site"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    done = Place(site, folder).python(*pip, "--target", str(site), str(source))
    assert done.returncode == 0, done.stderr
    return site


def results(run: Path) -> list[bytes]:
    """The exports of a run that must not depend on how it was made."""
    return [(run / name).read_bytes() for name in RESULTS]


def only_run(runs: Path, method: str) -> Path:
    """The one run of a method below a folder."""
    (file,) = [file for file in runs.rglob("run.json") if file.parent.name.startswith(method)]
    return file.parent
