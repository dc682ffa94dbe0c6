"""Dead links are found and named; folders that are no runs or no site are refused on one line."""

import shutil

import pytest
from site_case import document
from typer.testing import CliRunner

from persongen_bench.cli.app import app
from persongen_bench.site import write
from persongen_bench.site.documents import Pictures


def pgbench(*arguments, status=0):
    done = CliRunner().invoke(app, ["site", *map(str, arguments)])
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture
def copy(site, tmp_path):
    shutil.copytree(site, tmp_path / "copy")
    return tmp_path / "copy"


def found(copy):
    *lines, last = pgbench("--check", copy, status=1).splitlines()
    assert last.endswith(f"{len(lines)} dead links")
    return lines


def test_a_site_is_whole(site):
    assert pgbench("--check", site).splitlines() == [f"{site}: no dead link"]


@pytest.mark.parametrize("gone", [
    "data/index.js", "data/tasteworld/board.js", "data/tasteworld/people.js",
    "data/tasteworld/values-2.js", "data/tasteworld/pictures-1.js", "downloads/tasteworld.tex",
    "figures/tasteworld-forest.svg",
])  # fmt: skip
def test_a_file_that_is_gone_is_named(copy, gone):
    (copy / gone).unlink()
    assert any(gone in line and line.endswith("is not there") for line in found(copy))


@pytest.mark.parametrize("field", ["thumb", "training", "held_out"])
def test_a_thumbnail_that_is_gone_is_named(copy, field):
    shown = document(copy, "tasteworld/pictures-0", Pictures)
    address = getattr(next(iter(shown.users.values()))[0], field)
    (copy / address).unlink()
    assert f"data/tasteworld/pictures-0.js: {address} is not there" in found(copy)


def test_the_picture_of_a_history_that_is_gone_is_named(copy):
    address = document(copy, "tasteworld/people")["people"][0]["history"][0]
    (copy / address).unlink()
    assert f"data/tasteworld/people.js: {address} is not there" in found(copy)


@pytest.mark.parametrize("address", [
    "https://example.org/a.js", "//example.org/a.js", "/a.js", "file:///a.js", "../a.js",
])  # fmt: skip
def test_nothing_is_loaded_from_elsewhere(copy, address):
    page = copy / "index.html"
    page.write_text(
        page.read_text().replace("</head>", f'<script src="{address}"></script></head>')
    )
    assert found(copy) == [f"index.html: {address} is not below the site"]


def test_a_visitor_may_be_sent_elsewhere(copy):
    page = copy / "index.html"
    link = '<a href="https://example.org/">there</a><a href="#/x">here</a>'
    page.write_text(page.read_text().replace("</main>", f"{link}</main>"))
    pgbench("--check", copy)


def test_styles_are_searched(copy):
    (copy / "assets").mkdir(exist_ok=True)
    style = "a{background:url('no.svg')} /* url(b.svg) */ b{background:url(data:,x)}"
    (copy / "assets" / "x.css").write_text(f'{style} @import "http://example.org/c.css";')
    assert found(copy) == [
        "assets/x.css: no.svg is not there",
        "assets/x.css: http://example.org/c.css is not below the site",
    ]


def test_damaged_and_exchanged_documents_are_named(copy):
    data = copy / "data" / "tasteworld"
    (data / "values-0.js").write_bytes((data / "values-1.js").read_bytes())
    (data / "people.js").write_bytes(
        b"""PGBENCH.put("people/tasteworld",JSON.parse('{"people":1}'));\n"""
    )
    lines = found(copy)
    assert "data/tasteworld/values-0.js: says that it is values/tasteworld/1" in lines
    assert any(line.startswith("data/tasteworld/people.js: not a document") for line in lines)


def test_a_site_replaces_a_site_whole(runs, copy):
    (copy / "data" / "old.js").write_text("old")
    pgbench(runs, "--out", copy, "--pictures", 0)
    assert not (copy / "data" / "old.js").exists()
    assert not (copy / "thumbs").exists()
    pgbench("--check", copy)


def test_the_folder_one_is_in(runs, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    pgbench(runs, "--out", ".", "--pictures", 0)
    pgbench("--check", tmp_path / "empty")


def test_what_is_no_site_stays(runs, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    said = pgbench(runs, "--out", tmp_path / "mine", status=2)
    assert "this folder holds something else than a site" in said
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("name", [".git", "CNAME"])
def test_what_lies_beside_a_site_stays(runs, copy, name):
    """A folder that is checked out and published holds more than the site."""
    (copy / name).write_text("mine")
    said = pgbench(runs, "--out", copy, "--pictures", 0, status=2)
    assert f"this folder holds {name}, which would be lost" in said
    assert len(said.splitlines()) == 1
    assert (copy / name).read_text() == "mine"
    assert (copy / "thumbs").is_dir()


def test_what_came_while_a_site_was_written_stays(runs, copy, monkeypatch):
    def draw(*about):
        (copy / "CNAME").write_text("mine")
        return {}

    monkeypatch.setattr(write, "draw", draw)
    assert "holds CNAME" in pgbench(runs, "--out", copy, "--pictures", 0, status=2)
    assert (copy / "CNAME").read_text() == "mine"
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize(("words", "said"), [
    ((), "a site needs runs and a folder"),
    (("runs",), "a site needs runs and a folder"),
    (("nowhere", "--out", "x"), "nowhere: no such folder"),
    ((".", "--out", "x"), "no complete run"),
    ((".", "--out", "x", "--board", "tastewrld"), "tastewrld"),
    ((".", "--out", "x", "--audit", "x.json"), "x.json"),
    ((".", "--out", "file"), "file is a file"),
    (("--check", "nowhere"), "nowhere: no site is here"),
    (("runs", "--check", "nowhere"), "--check builds nothing"),
])  # fmt: skip
def test_refused_on_one_line(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    text = pgbench(*words, status=2)
    assert said in text
    assert len(text.splitlines()) == 1
    assert not (tmp_path / "x").exists()
