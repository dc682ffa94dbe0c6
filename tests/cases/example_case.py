"""The example package, built from a copy into a folder, and `pgbench` beside it in a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warm_python import WarmPython

EXAMPLE = Path(__file__).parents[1] / "plugin_example"
ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 600
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")


def environment(site: Path) -> dict[str, str]:
    """Of a process that has what lies in ``site``, and a wide terminal."""
    return {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "COLUMNS": "160",
    }  # fmt: skip


@dataclass(frozen=True)
class Installed:
    """A folder of packages, and a process that has imported the benchmark beside them."""

    site: Path
    warm: WarmPython


@dataclass(frozen=True)
class Place:
    """Where commands run: the installed example, a working folder, a cache."""

    installed: Installed
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of every command."""
        cache = str(self.folder / "cache")
        return {**environment(self.installed.site), "PGBENCH_CACHE": cache}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """``python command`` from the start, not waited for; a pipe each for what it prints."""
        return subprocess.Popen(
            [sys.executable, *command], text=True, cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def python(self, *command: str) -> subprocess.CompletedProcess[str]:
        """``python command`` to its end, whatever it is; the imports are made already."""
        return self.installed.warm.run(*command, cwd=self.folder, env=self.environment)

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


def install(folder: Path, *sources: Path) -> Path:
    """Build and install packages below ``folder``, which is made."""
    site = folder / "site"
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    command = [sys.executable, *pip, "--target", str(site), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return site


@contextmanager
def with_warm_python(site: Path) -> Iterator[Installed]:
    """Commands that know what lies in ``site``."""
    warm = WarmPython(environment(site))
    yield Installed(site, warm)
    warm.close()


@contextmanager
def installed_example(folder: Path) -> Iterator[Installed]:
    """The example, built from a copy: the checkout stays clean."""
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    with with_warm_python(install(folder, source)) as made:
        yield made


def results(run: Path) -> list[bytes]:
    """The exports of a run that must not depend on how it was made."""
    return [(run / name).read_bytes() for name in RESULTS]


def only_run(runs: Path, method: str) -> Path:
    """The one run of a method below a folder."""
    (file,) = [file for file in runs.rglob("run.json") if file.parent.name.startswith(method)]
    return file.parent
