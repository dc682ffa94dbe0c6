"""The pages that come from the registry are fresh, and what the README promises is there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_generated_pages_are_fresh():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_stale_page_is_noticed(tmp_path):
    source = (ROOT / "docs" / "generate.py").read_text(encoding="utf-8")
    (tmp_path / "generate.py").write_text(source, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "generate.py")]
    subprocess.run(command, check=True)
    page = tmp_path / "metrics.md"
    page.write_text(page.read_text(encoding="utf-8") + "an edit by hand\n", encoding="utf-8")
    done = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["docs/metrics.md is stale; run python docs/generate.py"]


def test_where_things_live_names_exactly_what_there_is():
    rows = re.findall(r"^\| `([^`]+)` \|", README.partition("## Where things live")[2], re.M)
    assert [row.rstrip("/").split("/")[-1] for row in rows] == [
        "pyproject.toml", "README.md", "persongen_bench", "methods", "datasets", "metrics",
        "leaderboards", "tests", "docs",
    ]  # fmt: skip
    assert [row for row in rows if not (ROOT / row).exists()] == []


def test_links_of_the_pages_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_commands_of_the_pages_exist():
    from typer.main import get_command

    from persongen_bench.cli.app import app

    known = set(get_command(app).commands)
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        used = set(re.findall(r"pgbench ([a-z]+(?:-[a-z]+)*)", page.read_text(encoding="utf-8")))
        assert used <= known, f"{page.name}: {used - known}"


PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


@pytest.mark.parametrize(
    "requirement", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
)
def test_every_dependency_is_pinned_within_its_bounds(requirement):
    from packaging.markers import default_environment
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    wanted = Requirement(requirement)
    if wanted.marker is not None and not wanted.marker.evaluate(default_environment()):
        return
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    assert pins[canonicalize_name(wanted.name)] in wanted.specifier
