"""Dead links are found and named; folders that are no runs or no site are refused on one line."""

import re
import shutil

import pytest
from site_case import document
from typer.testing import CliRunner

from persongen_bench.cli.app import app
from persongen_bench.site import write
from persongen_bench.site.documents import BoardPage, Pictures, Values
from persongen_bench.site.script import script


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
    style = "a{background:url('no.svg')} /* url(b.svg) */ b{background:url(data:,x)}"
    (copy / "assets" / "app" / "site.css").write_text(
        f'{style} @import "http://example.org/c.css";'
    )
    assert found(copy) == [
        "assets/app/site.css: no.svg is not there",
        "assets/app/site.css: http://example.org/c.css is not below the site",
    ]


FAR = "https://example.org/x"


@pytest.mark.parametrize(("old", "new", "said"), [
    ("</head>", f'<style>@import "{FAR}"</style></head>', "has <style> of its own"),
    ("<footer", f'<p style="background:url({FAR})"></p><footer', "has an attribute style"),
    ("<footer", '<p onclick="alert(1)"></p><footer', "has an attribute onclick"),
    ("</head>", f'<meta http-equiv="refresh" content="0;url={FAR}"></head>',
     "has <meta http-equiv=refresh>"),
    ("</head>", '<script src="data:,alert(1)"></script></head>', "no site loads data:,alert(1)"),
    ("</head>", '<script src="data/tasteworld/board.js"></script></head>',
     "no site loads data/tasteworld/board.js"),
    ("</head>", "<script>alert(1)</script></head>", "has <script> of its own"),
    ("</head>", '<base target="x"></head>', "has <base>"),
    ('<script src="assets/app/0-store.js" defer></script>', "",
     "does not load assets/app/0-store.js"),
    ("script-src &#39;self&#39;", "script-src *", "does not begin with the policy of a site"),
    ('http-equiv="Content-Security-Policy"', 'name="x"',
     "does not begin with the policy of a site"),
])  # fmt: skip
def test_a_page_that_does_something_else_is_named(copy, old, new, said):
    page = copy / "index.html"
    text = page.read_text()
    assert old in text
    page.write_text(text.replace(old, new))
    assert found(copy) == [f"index.html: {said}"]


def test_the_policy_comes_before_what_it_is_for(copy):
    page = copy / "index.html"
    policy = next(line for line in page.read_text().splitlines() if "Security" in line)
    text = page.read_text().replace(policy, "").replace("</head>", f"{policy}</head>")
    page.write_text(text)
    assert found(copy) == ["index.html: does not begin with the policy of a site"]


def test_all_scripts_and_their_order_count(copy):
    page = copy / "index.html"
    text = page.read_text()
    page.write_text(re.sub("<script.*?</script>", "", text))
    assert len(found(copy)) == text.count("<script")
    first, *_, last = re.findall("<script.*?</script>", text)
    page.write_text(text.replace(first, "").replace(last, last + first))
    assert found(copy) == ["index.html: loads its scripts or styles in another order"]


@pytest.mark.parametrize(("element", "said"), [
    (f'<image href="{FAR}"/>', f"{FAR} is not below the site"),
    (f'<image xlink:href="{FAR}"/>', f"{FAR} is not below the site"),
    ('<use href="data:image/svg+xml,x"/>', "data:image/svg+xml,x is not below the site"),
    ("<script>alert(1)</script>", "has <script>"),
    ('<g onload="alert(1)"/>', "has an attribute onload"),
    (f"<style>@import '{FAR}';</style>", f"{FAR} is not below the site"),
    (f'<g style="fill:url({FAR})"/>', f"{FAR} is not below the site"),
    ("<?xml-stylesheet href='x.css'?>", "has an entity or an instruction"),
    ("<g>", "no SVG picture"),
])  # fmt: skip
def test_a_drawing_that_loads_or_runs_something_is_named(copy, element, said):
    file = copy / "figures" / "tasteworld-forest.svg"
    file.write_text(file.read_text().replace("</svg>", f"{element}</svg>"))
    assert found(copy) == [f"figures/tasteworld-forest.svg: {said}"]


def test_files_that_no_site_has_are_named(copy):
    (copy / "assets" / "app" / "more.js").write_text(f'fetch("{FAR}")')
    shutil.copy(copy / "index.html", copy / "more.html")
    assert found(copy) == [
        "more.html: no site has this page",
        "assets/app/more.js: no site has this file",
    ]


def change(site, name, model, **changes):
    """Of a document that a site has."""
    old = document(site, name, model)
    kind = name.split("/")[1].partition("-")
    key = "/".join(filter(None, (kind[0], name.split("/")[0], kind[2])))
    new = old.model_copy(update=changes)
    (site / "data" / f"{name}.js").write_bytes(script(key, new))


def test_documents_that_do_not_fit_together_are_named(copy):
    board = document(copy, "tasteworld/board", BoardPage)
    change(copy, "tasteworld/values-0", Values, values=())
    change(copy, "tasteworld/pictures-1", Pictures, users={})
    release = {**board.history[0], "slug": "nowhere"}
    change(copy, "tasteworld/board", BoardPage, history=(release,), rows=board.rows[:2])
    assert found(copy) == [
        "data/tasteworld/board.js: has not as many rows as the index or its standings say",
        "data/tasteworld/board.js: its release nowhere is not in the index",
        "data/tasteworld/values-0.js: not a value for each row and unit",
        *(f"data/tasteworld/values-{k}.js: not a value for each row and unit"
          for k, column in enumerate(board.columns) if k and column.by_user),
        "data/tasteworld/pictures-1.js: has 0 pictures, which its board does not say",
    ]  # fmt: skip


def test_an_empty_thumbnail_is_named(copy):
    shown = document(copy, "tasteworld/pictures-0", Pictures)
    address = next(iter(shown.users.values()))[0].thumb
    (copy / address).write_bytes(b"")
    assert f"data/tasteworld/pictures-0.js: {address} is empty" in found(copy)


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
    assert " 0 files" not in pgbench(runs, "--out", ".", "--pictures", 0)
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
