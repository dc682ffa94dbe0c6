"""`make` and `.ci/run`, without the network: a stand-in makes environments of stand-in programs.

Expected commands are the ones the README gives to those who have an environment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALL = 'pip install -c constraints.txt -e ".[dev]"'
DEMO = "pgbench run --method rebeca"
TEST = "pytest -n 2"
PROGRAMS = ("python", "pgbench", "pytest", "ruff", "mypy", "mkdocs")
OURS = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "VENV", "SITE")
"""Variables of a make that runs these tests; they would reach the make under test."""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# Writes down its name, its arguments and where the cache would lie; fails where a test wants it to.
PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >> "$LOG"
echo "PYTHONPATH=$PYTHONPATH PGBENCH_CACHE=$PGBENCH_CACHE" >> "$LOG.environment"
case "${0##*/}" in pytest) echo "... in 600.00s";; esac
test "${0##*/}" != "$FAILS"
"""
# `-m venv FOLDER` makes stand-ins; anything else is Python's own, after the lines in BEFORE.
PYTHON = """#!/bin/sh
if [ "$1" = --version ]; then echo "Python $VERSION"; exit; fi
if [ "$1" = -c ]; then exec "{python}" -c "$BEFORE$2"; fi
echo "python3 -m venv" >> "$LOG"
mkdir -p "$3/bin"
touch "$3/pyvenv.cfg"
for name in {programs}; do cp "{program}" "$3/bin/$name"; done
"""


class Checkout:
    """A copy of what make reads, in a folder with a space in its name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a checkout"
        (self.path / ".ci").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "constraints.txt", ".ci/run"):
            shutil.copy(ROOT / name, self.path / name)
        self.log = folder / "log"
        program = self.script(folder / "program", PROGRAM)
        values = {"python": sys.executable, "programs": " ".join(PROGRAMS), "program": program}
        self.python = self.script(folder / "python", PYTHON.format(**values))
        browsers = folder / "browsers"  # so that nothing is installed
        browsers.mkdir()
        self.script(browsers / "chromium", PROGRAM)
        self.environment = {k: v for k, v in os.environ.items() if k not in OURS} | {
            "PYTHON": str(self.python), "LOG": str(self.log), "VERSION": "3.11.0",
            "TMPDIR": str(folder), "PATH": f"{browsers}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip

    @staticmethod
    def script(path: Path, text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Standard output and error together, in the order in which they were written."""
        return subprocess.run(
            command, cwd=self.path, env=self.environment | variables, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
        )  # fmt: skip

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run("make", *arguments, **variables)

    def called(self) -> list[str]:
        """What was called since the last time, in order."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


def commands_of_readme() -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```$", README, re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_readme_opens_with_the_two_commands_and_says_what_they_run():
    assert commands_of_readme()[:2] == ["make demo", "make test"]
    assert commands_of_readme()[2:5] == [INSTALL, DEMO, TEST]


@pytest.mark.parametrize(("target", "command"), [("demo", DEMO), ("test", TEST)])
def test_target_runs_the_commands_of_the_readme(checkout, target, command):
    done = checkout.make("-n", target)
    assert done.returncode == 0, done.stdout
    program, _, rest = command.partition(" ")
    assert done.stdout.splitlines() == [
        f'"{checkout.python}" -m venv ".venv"',
        f'".venv/bin/python" -m {INSTALL}',
        'touch ".venv/.installed"',
        f'".venv/bin/{program}" {rest}',
    ]
    assert not (checkout.path / ".venv").exists()


def test_environment_is_made_once_and_again_when_what_it_holds_changed(checkout):
    made = ["python3 -m venv", "python -m " + INSTALL.replace('"', "")]
    assert checkout.make("demo").returncode == 0
    assert checkout.called() == [*made, DEMO]
    assert checkout.make("test").returncode == 0
    assert checkout.called() == [TEST]
    for name in ("pyproject.toml", "constraints.txt"):
        # Ten seconds ahead: newer than the stamp, whatever the clock of the file system resolves.
        stamp = (checkout.path / ".venv" / ".installed").stat().st_mtime
        os.utime(checkout.path / name, (stamp + 10, stamp + 10))
        checkout.make("test")
        assert checkout.called() == [*made, TEST], name
        os.utime(checkout.path / name, (stamp - 10, stamp - 10))
    os.utime(checkout.path / "Makefile", (stamp + 20, stamp + 20))
    checkout.make("test")
    assert checkout.called() == [TEST]


def test_installation_cut_short_is_taken_up_again(checkout):
    assert checkout.make("test", FAILS="python").returncode != 0
    assert len(checkout.called()) == 2  # venv, pip; no tests
    assert checkout.make("test").returncode == 0
    assert len(checkout.called()) == 3  # venv, pip, tests


def test_environment_may_lie_elsewhere_and_be_removed(checkout, tmp_path):
    elsewhere = tmp_path / "with a space"
    assert checkout.make("install", f"VENV={elsewhere}").returncode == 0
    checkout.make("install", f"VENV={elsewhere}")
    assert len(checkout.called()) == 2  # venv, pip: once
    assert (elsewhere / ".installed").exists()
    assert not (checkout.path / ".venv").exists()
    assert checkout.make("clean", f"VENV={elsewhere}").returncode == 0
    assert not elsewhere.exists()
    assert checkout.make("clean").returncode == 0  # nothing there


def test_clean_spares_a_folder_that_is_no_environment(checkout):
    done = checkout.make("clean", "VENV=.ci")
    assert done.returncode != 0
    assert done.stdout.splitlines()[0] == ".ci is not a virtual environment; nothing was removed"
    assert (checkout.path / ".ci" / "run").exists()


# What Python says of itself is changed before it answers: 3.10 is the newest that is too old.
@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        (
            {"BEFORE": "import sys; sys.version_info = (3, 10, 13);", "VERSION": "3.10.13"},
            '3.11 or newer is needed, but {python} says "Python 3.10.13"; name another: make test',
        ),
        (
            {"BEFORE": "import sys; sys.modules['ensurepip'] = None;"},
            "{python} has no venv or no ensurepip; install python3-venv or name another: make",
        ),
        ({"PYTHON": "no-such-python"}, "3.11 or newer is needed, but no-such-python says "),
    ],
    ids=["too old", "no ensurepip", "missing"],
)
def test_unfit_python_is_one_line(checkout, variables, complaint):
    done = checkout.make("test", **variables)
    assert done.returncode != 0
    assert len(done.stdout.splitlines()) == 1
    assert complaint.format(python=checkout.python) in done.stdout
    assert checkout.called() == []
    assert not (checkout.path / ".venv").exists()


def test_help_has_a_line_for_each_target(checkout):
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    lines = checkout.make("help").stdout.splitlines()
    assert [line.split()[1] for line in lines] == targets.group(1).split()
    assert all(len(line.split()) > 3 for line in lines)
    assert checkout.make().stdout.splitlines() == lines


def test_gate_makes_its_own_environment_and_ends_with_the_tests(checkout, tmp_path):
    before = set(tmp_path.iterdir())
    done = checkout.run(".ci/run", PYTHONPATH="outside", PGBENCH_CACHE="outside")
    assert done.returncode == 0, done.stdout
    assert [line.split()[0] for line in checkout.called()] == [
        "python3", "python", "ruff", "ruff", "mypy", "python", "python", "mkdocs", "pytest",
    ]  # fmt: skip
    assert done.stdout.splitlines()[-1] == "... in 600.00s"
    assert "outside" not in (tmp_path / "log.environment").read_text(encoding="utf-8")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "log.environment"}
    assert not (checkout.path / ".venv").exists()


def test_gate_calls_the_second_command_of_the_readme_last():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    called = re.findall(r"step (make .*?) VENV=", text)
    assert called[-1] == commands_of_readme()[1]


@pytest.mark.parametrize("program", ["ruff", "mkdocs", "pytest"])
def test_gate_fails_with_what_it_runs(checkout, program):
    done = checkout.run(".ci/run", FAILS=program)
    assert done.returncode != 0
    assert checkout.called()[-1].startswith(program)
    if program == "pytest":
        assert done.stdout.splitlines()[-1] == "... in 600.00s"
