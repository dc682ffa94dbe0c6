"""The site's scripts and styles as files: whose they are, and what they never do."""

import hashlib
import re
from pathlib import Path

import pytest
from site_example import build

import persongen_bench.site
from persongen_bench.site.check import check

ASSETS = Path(persongen_bench.site.__file__).parent / "assets"
OWN = sorted((ASSETS / "app").iterdir())
LIBRARIES = sorted(path for path in (ASSETS / "vendor").iterdir() if path.is_dir())
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|"
    r"fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)"
)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_our_scripts_write_no_markup_and_ask_for_nothing(path):
    assert MARKUP.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_our_scripts_are_short(path):
    limit = 420 if path.suffix == ".css" else 250
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@pytest.mark.parametrize("folder", LIBRARIES, ids=lambda path: path.name)
def test_libraries_are_the_published_ones_with_their_licences(folder):
    said = (ASSETS / "vendor" / "VERSIONS").read_text(encoding="utf-8")
    assert "Permission" in (folder / "LICENSE").read_text(encoding="utf-8")
    for path in sorted({*folder.iterdir()} - {folder / "LICENSE"}):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"{digest}  {folder.name}/{path.name}" in said


def test_libraries_are_small():
    assert sum(path.stat().st_size for path in (ASSETS / "vendor").rglob("*.js")) < 1_100_000


def test_the_example_that_browsers_open_is_a_site(tmp_path):
    build(tmp_path)
    assert check(tmp_path) == []
