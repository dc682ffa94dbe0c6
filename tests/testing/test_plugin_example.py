"""The example package, installed from its folder, is found, checked and run like any other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "plugin_example"


def run(*command: str, path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path), "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env=environment,
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Folder with the installed package: built from a copy, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    target = folder / "site"
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    done = run(*install, "--target", str(target), str(source), path=target, cwd=folder)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_is_listed_with_its_distribution(installed, tmp_path):
    done = run("-m", "persongen_bench", "list", "methods", path=installed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "plugin-example/blend" in done.stdout


@pytest.mark.slow
def test_passes_the_check(installed, tmp_path):
    name = "plugin-example/blend"
    done = run("-m", "persongen_bench", "check", name, path=installed, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all passed" in done.stdout
    assert "FAIL" not in done.stdout


@pytest.mark.slow
def test_bare_name_suggests_the_full_one(installed, tmp_path):
    done = run("-m", "persongen_bench", "check", "blend", path=installed, cwd=tmp_path)
    assert done.returncode == 2
    assert "Did you mean plugin-example/blend?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_own_tests_pass(installed, tmp_path):
    tests = tmp_path / "tests"
    shutil.copytree(EXAMPLE / "tests", tests, ignore=shutil.ignore_patterns("__pycache__"))
    done = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(tests),
        path=installed, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout
