"""The pages that come from the registry are fresh, and what the README promises is there."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(p.parent.name for p in (ROOT / "persongen_bench").glob("*/__init__.py"))


def test_generated_pages_are_fresh():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_stale_page_is_noticed(tmp_path, monkeypatch, capsys):
    for name in ("generate.py", "api_page.py", "device_page.py", "writing.py"):
        shutil.copyfile(ROOT / "docs" / name, tmp_path / name)
    monkeypatch.syspath_prepend(tmp_path)

    def generate(*words):
        monkeypatch.setattr(sys, "argv", ["generate.py", *words])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(tmp_path / "generate.py"), run_name="__main__")
        for beside in ("api_page", "writing"):
            sys.modules.pop(beside, None)
        return end.value.code

    assert generate() == 0
    page = tmp_path / "metrics.md"
    written = page.read_text(encoding="utf-8")
    assert written == (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    page.write_text(written + "an edit by hand\n", encoding="utf-8")
    assert generate("--check") == 1
    said = capsys.readouterr().err.splitlines()
    assert said == ["docs/metrics.md is stale; run python docs/generate.py"]


def test_where_things_live_names_exactly_what_there_is():
    rows = re.findall(r"^\| `([^`]+)` \|", README.partition("## Where things live")[2], re.M)
    assert [row.rstrip("/").split("/")[-1] for row in rows] == [
        "pyproject.toml", "README.md", "persongen_bench", "methods", "datasets", "metrics",
        "leaderboards", "tests", "docs",
    ]  # fmt: skip
    assert [row for row in rows if not (ROOT / row).exists()] == []


def section(page: str, title: str) -> str:
    return page.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_architecture_names_exactly_the_rooms_there_are():
    rows = re.findall(r"^\| `(\w+)/` \|", section(ARCHITECTURE, "The rooms"), re.M)
    assert sorted(rows) == ROOMS


def test_picture_of_the_architecture_shows_exactly_the_rooms_there_are():
    picture = (ROOT / "docs" / "images" / "architecture.svg").read_text(encoding="utf-8")
    bold = re.findall(r'<text style="[^"]*\b700\b[^>]*>(\w+)</text>', picture)
    assert sorted(bold) == ROOMS


def test_files_that_the_architecture_names_are_there():
    files = re.findall(r"`(\w+/\w+\.py)`", ARCHITECTURE)
    roots = (ROOT, ROOT / "persongen_bench")
    assert files
    assert [f for f in files if not any((root / f).exists() for root in roots)] == []


def test_modules_that_the_architecture_lists_for_core_are_all_there_are():
    row = next(r for r in ARCHITECTURE.splitlines() if r.startswith("| `core/` |"))
    there = {p.stem for p in (ROOT / "persongen_bench" / "core").glob("*.py")} - {"__init__"}
    assert set(re.findall(r"`(\w+)`", row)) == there


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_arrows_are_those_that_the_test_of_imports_knows(name):
    line = re.search(r"^core <- .*$", (ROOT / name).read_text(encoding="utf-8"), re.M).group()
    written = [set(layer.split(", ")) for layer in line.split(" <- ")]
    code = ast.parse((ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    tiers = next(
        ast.literal_eval(node.value)
        for node in code.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TIERS"
    )
    assert written == [tier - {"testing"} for tier in tiers]


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^ +- .*: ([\w-]+\.md)$", text, re.M)
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


# Required by the Citation File Format 1.2.0 (schema guide, "Top-level keys"): these four.
REQUIRED_TO_CITE = {"cff-version", "message", "title", "authors"}
WANTED_TO_CITE = {"type", "version", "license", "abstract", "keywords"}


def test_citation_file_is_valid_and_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert set(citation) == REQUIRED_TO_CITE | WANTED_TO_CITE
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["title"] == PROJECT["name"]
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == [{"name": "persongen-bench contributors"}]
    assert len(set(citation["keywords"])) == len(citation["keywords"]) > 0


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
