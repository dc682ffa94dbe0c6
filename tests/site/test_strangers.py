"""Texts and runs of strangers: escaped everywhere, nobody told who has a pseudonym."""

import csv
import io
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from site_case import document, draw_runs, whole

import persongen_bench as pb
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import plain
from persongen_bench.core.request import Request
from persongen_bench.leaderboards import matching
from persongen_bench.loop.human import Judged, put_human
from persongen_bench.loop.reasons import reason
from persongen_bench.loop.store import RunDirectory, find_runs
from persongen_bench.site.check import check
from persongen_bench.site.chosen import Made, Place
from persongen_bench.site.documents import BoardPage, People, Pictures, Values
from persongen_bench.site.people import Shown
from persongen_bench.util.private import Pseudonyms

EVIL = "</script><script>alert('1')</script>\"'&<img src=x onerror=alert(1)>\u2028\u202e\\end{x}%$_"
FORMULA = '=HYPERLINK("http://example.org")'
USERS = (EVIL, FORMULA, "\u200b", "anna", "..", "a/b")


@pytest.fixture(scope="module")
def strange(world, tmp_path_factory):
    """Labels and users of strangers, of data that do not open."""
    folder = tmp_path_factory.mktemp("strange")
    runs = draw_runs(folder, world, labels=(EVIL, FORMULA, "rebeca"), users=USERS)
    pb.build_site(runs, folder / "site")
    return folder / "site"


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.seen = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def test_the_page_has_no_element_of_theirs(strange):
    page = Elements((strange / "index.html").read_text(encoding="utf-8"))
    scripts = [attrs for tag, attrs in page.seen if tag == "script"]
    assert all(set(attrs) == {"src", "defer"} for attrs in scripts)
    assert not [tag for tag, _ in page.seen if tag == "img"]
    assert not [attrs for _, attrs in page.seen if any(name.startswith("on") for name in attrs)]
    policy = next(a["content"] for tag, a in page.seen if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'self';")


def test_documents_are_ascii_without_markup(strange):
    documents = {place: data for place, data in whole(strange).items() if place.endswith(".js")
                 and place.startswith("data/")}  # fmt: skip
    assert len(documents) > 5
    assert all(data.isascii() and not set(b"<>&") & set(data) for data in documents.values())


def test_everybody_is_there_by_a_name_that_is_seen(strange):
    people = document(strange, "tasteworld/people", People)
    names = {person.user for person in people.people}
    assert names == {plain(user) or "(nameless)" for user in USERS}
    assert set(document(strange, "tasteworld/values-0", Values).users) == names
    pictures = document(strange, "tasteworld/pictures-0", Pictures)
    assert set(pictures.users) == names


def test_tables_are_escaped(strange):
    table = (strange / "downloads/tasteworld.csv").read_text(encoding="utf-8")
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert f"'{FORMULA}" in cells
    assert not [cell for cell in cells if cell.lstrip().startswith("=")]
    table = (strange / "downloads/tasteworld.people.csv").read_text(encoding="utf-8")
    rows = [row[:2] for row in csv.reader(io.StringIO(table))]
    assert [f"'{FORMULA}"] * 2 in rows
    assert not [name for row in rows for name in row if name.lstrip().startswith("=")]
    assert len(rows) == 1 + 3 * len(USERS)
    paper = (strange / "downloads/tasteworld.tex").read_text(encoding="utf-8")
    assert r"\textbackslash{}end\{x\}\%\$\_" in paper
    assert "\\end{x}" not in paper


def test_what_does_not_open_is_said(strange):
    board = document(strange, "tasteworld/board", BoardPage)
    (note,) = board.notes
    assert note.startswith("The data could not be opened, so there are no histories: ")
    people = document(strange, "tasteworld/people", People)
    assert people.note == note
    assert all(person.history == () and person.n_likes == 0 for person in people.people)
    shown = document(strange, "tasteworld/pictures-0", Pictures)
    pictures = [one for own in shown.users.values() for one in own]
    assert len(pictures) == 3 * len(USERS)
    assert {(one.taste, one.training, one.held_out) for one in pictures} == {(None, "", "")}


def test_captions_are_texts():
    """References and instructions stand beside the requests whose pictures are shown."""
    asked = {
        "r1": Request("anna", reference="item", instruction=EVIL, request_id="r1"),
        "r2": Request("anna", request_id="r2"), "r3": Request("anna", request_id="r3"),
    }  # fmt: skip
    data = SimpleNamespace(
        likes=lambda user: ("a", "b"), history=lambda user: ["h"], requests=asked,
        add=lambda items: [f"thumbs/{item}" for item in items],
    )  # fmt: skip
    made = [Made("anna", Place(0, 0, request), "s", "d", "run") for request in ("r2", "r1")]
    shown = Shown(None, {"anna": "anna"}, ["anna"], [made], None, data, "")
    (person,) = shown.people().people
    assert person.requests == ("r1", "r2")
    assert person.references == ("thumbs/item", "")
    assert person.captions == (plain(EVIL), "")


def test_requests_that_look_alike_are_told_apart():
    """By the same names in the rows and beside the people."""
    long = "x" * 300
    ids = ("r", "r\u200b", long + "a" + long, long + "b" + long)
    asked = {one: Request("anna", request_id=one) for one in ids}
    data = SimpleNamespace(
        likes=lambda user: (), history=lambda user: [], requests=asked, add=lambda items: [],
        nearest=lambda images: [(None, None)] * len(images),
        taste=lambda images, users: [None] * len(images),
    )  # fmt: skip
    thumbs = SimpleNamespace(add=lambda image: "")
    made = [Made("anna", Place(0, 0, one), one, "d", "run") for one in ids]
    table = SimpleNamespace(runs={})
    shown = Shown(table, {"anna": "anna"}, ["anna"], [made], thumbs, data, "")
    shown.__dict__["_copied"] = {}
    seen = [one for _, _, one in shown._seen([(0, one, np.zeros((3, 2, 2))) for one in made])]
    (person,) = shown.people().people
    assert len(set(person.requests)) == 4
    assert sorted(one.request for one in seen) == sorted(person.requests)
    assert {one.unit for one in seen} == {"anna"}


def test_prompts_have_the_values_of_their_pictures():
    asked = {"r1": Request("anna", instruction="a fox", request_id="r1")}
    data = SimpleNamespace(requests=asked)
    prompts = {"a fox": "a fox (2)", "r2": "r2"}
    made = [Made("anna", Place(0, 0, one), one, "d", "run") for one in ("r1", "r2", "r3")]
    known = Shown(None, {"anna": "anna"}, [], [made], None, data, "", prompts)
    assert [known._unit(one) for one in made] == ["a fox (2)", "r2", ""]
    closed = Shown(None, {"anna": "anna"}, [], [made], None, None, "", prompts)
    assert [closed._unit(one) for one in made] == ["", "r2", ""]


def test_labels_are_shown_by_what_is_seen_and_keep_what_people_said(world, tmp_path):
    label = "re\u200bbeca"
    runs = draw_runs(tmp_path, world, labels=(label, "random-item"))
    judged = RunDirectory.open(find_runs(runs)[0])
    said = Judged(
        study="s", metric="human-win-rate", person="first", values={"1": 0.5, "2": 0.75},
        mean=0.625, low=0.5, high=0.75, n_excluded=0, excluded={},
    )  # fmt: skip
    put_human(judged.path, judged.config.run_id, "s", (said,))
    pb.build_site(runs, tmp_path / "site", pictures=0)
    board = document(tmp_path / "site", "tasteworld/board", BoardPage)
    key = board.columns[-1].metric
    found = {row["label"]: row["cells"][key]["mean"] for row in board.standings["methods"]
             + board.standings["anchors"] if key in row["cells"]}  # fmt: skip
    assert found == {"rebeca": 0.625}
    assert board.fragile.new_first in {row.label for row in board.rows} | {""}


def test_open_runs_do_not_stand_beside_those_with_pseudonyms(runs, world, tmp_path, monkeypatch):
    """Equal pictures are one file, and equal values one person."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    key = Pseudonyms.of_this_machine().fingerprint
    veiled = draw_runs(tmp_path, world, labels=("rebeca",), pseudonyms=key)
    with pytest.raises(ConfigError, match="run-0 have pseudonyms, those of other runs") as refused:
        pb.build_site([runs, veiled], tmp_path / "site")
    assert len(str(refused.value).splitlines()) == 1
    assert not (tmp_path / "site").exists()


def test_pseudonyms_stay(world, tmp_path, monkeypatch):
    """Neither names of the data nor what somebody likes: it would tell who has the pseudonym."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    key = Pseudonyms.of_this_machine().fingerprint
    runs = draw_runs(tmp_path, world, labels=("rebeca", "random-item"), pseudonyms=key)
    pb.build_site(runs, tmp_path / "site")
    files = whole(tmp_path / "site")
    users = {user for user in world.train.users if user.startswith("person-")}
    assert users
    assert not [place for place, data in files.items() if any(u.encode() in data for u in users)]
    people = document(tmp_path / "site", "tasteworld/people", People)
    assert (len(people.people), people.sampled) == (4, 4)
    assert "pseudonyms" in people.note
    assert all(person.history == person.requests == () for person in people.people)
    pictures = document(tmp_path / "site", "tasteworld/pictures-0", Pictures)
    assert {one.training for own in pictures.users.values() for one in own} == {""}


def test_no_place_of_this_machine(runs, tmp_path, monkeypatch):
    """A run that does not read is refused with its reason, which names a file."""
    shutil.copytree(runs, tmp_path / "home-of-alice" / "runs")
    broken = tmp_path / "home-of-alice" / "runs" / "broken"
    shutil.copytree(tmp_path / "home-of-alice" / "runs" / "run-0", broken)
    (broken / "scores.parquet").write_bytes(b"no table")
    pb.build_site(tmp_path / "home-of-alice" / "runs", tmp_path / "site")
    board = document(tmp_path / "site", "tasteworld/board", BoardPage)
    assert [one["run"] for one in board.standings["refused"]] == ["broken"]
    files = whole(tmp_path / "site")
    assert not [place for place, data in files.items() if b"home-of-alice" in data]
    (tmp_path / "here").mkdir()
    for folder, spelled in (("here", "../home-of-alice/runs"), ("home-of-alice", "runs")):
        monkeypatch.chdir(tmp_path / folder)
        pb.build_site(spelled, tmp_path / "again")
        assert whole(tmp_path / "again") == files


def test_a_picture_that_is_another_is_not_shown(runs, tmp_path):
    """And nothing is marked in the run, which may be somebody else's."""
    shutil.copytree(runs, tmp_path / "runs")
    pictures = sorted((tmp_path / "runs" / "run-0" / "images").rglob("*.png"))
    pictures[0].write_bytes(b"no picture")
    pictures[1].write_bytes(pictures[2].read_bytes())
    before = whole(tmp_path / "runs")
    pb.build_site(tmp_path / "runs", tmp_path / "site")
    assert whole(tmp_path / "runs") == before
    board = document(tmp_path / "site", "tasteworld/board", BoardPage)
    assert sorted(row.n_pictures for row in board.rows) == [10, 12, 12]
    assert board.notes == ("2 pictures could not be read or are not those that were recorded.",)


def test_releases_of_a_board(world, tmp_path):
    """Runs whose metrics were measured otherwise are of another release, and the row's history."""
    early = draw_runs(tmp_path / "1", world, created="2025-05-05T00:00:00+00:00", users=["a", "b"])
    late = draw_runs(tmp_path / "2", world)
    pb.build_site([early, late], tmp_path / "site")
    boards = document(tmp_path / "site", "index")["boards"]
    assert len({board["slug"] for board in boards}) == len({b["release"] for b in boards}) == 2
    pages = [document(tmp_path / "site", f"{b['slug']}/board", BoardPage) for b in boards]
    for page in pages:
        assert [one["date"] for one in page.history] == ["2025-05-05", "2026-01-02"]
        assert {one["slug"] for one in page.history} == {board["slug"] for board in boards}
        for row in page.rows:
            assert [one["date"] for one in row.history] == ["2025-05-05", "2026-01-02"]
            own = next(one for one in row.history if one["release"] == page.release)
            said = page.standings["methods"] + page.standings["anchors"]
            assert own["mean"] == said[row.row]["cells"]["true-taste"]["mean"]
    pb.build_site([early, late], tmp_path / "site", board="tasteworld", metrics=("all",))


def test_a_table_without_a_row(runs, tmp_path, monkeypatch):
    """All of its runs were refused, which is said."""
    lacking = reason("it lacks somebody")
    monkeypatch.setattr(matching, "lacks", lambda metric, own, units: dict.fromkeys(own, lacking))
    pb.build_site(runs, tmp_path / "site")
    board = document(tmp_path / "site", "tasteworld/board", BoardPage)
    assert (board.rows, board.date, board.fragile.n_users) == ((), "", None)
    assert [one["reason"] for one in board.standings["refused"]] == ["it lacks somebody"] * 3
    assert check(tmp_path / "site") == []
