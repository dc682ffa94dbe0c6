"""What a site says is what the tables, the runs and the data say."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from site_case import LABELS, N_IMAGES, document, whole

import persongen_bench as pb
from persongen_bench.core.images import read as read_picture
from persongen_bench.loop.copies import write_copies
from persongen_bench.loop.copy_pool import pool_of
from persongen_bench.loop.copying import search
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.human import Judged, put_human
from persongen_bench.loop.store import RunDirectory, find_runs
from persongen_bench.site import data_pictures
from persongen_bench.site.documents import BoardPage, Index, People, Pictures, Values
from persongen_bench.util import twins


@pytest.fixture(scope="module")
def board(site):
    return document(site, "tasteworld/board", BoardPage)


@pytest.fixture(scope="module")
def directories(runs):
    found = [RunDirectory.open(path) for path in find_runs(runs)]
    return {run.config.method.label: run for run in found}


def test_the_index_says_what_there_is(site, world):
    (link,) = document(site, "index", Index).boards
    assert (link.slug, link.n_rows, link.n_runs) == ("tasteworld", 3, 3)
    assert link.date == "2026-01-02"
    assert link.data == f"tasteworld {world.dataset.revision}"


def test_standings_are_those_of_the_board(board, runs):
    from persongen_bench.leaderboards.export import to_json

    table = pb.leaderboard(runs)
    assert board.standings == json.loads(to_json(table.tables, costs=True))["tables"][0]
    assert [row.label for row in board.rows] == [row.label for row in table[0].rows]


def test_columns_are_explained(board):
    first = board.columns[0]
    assert (first.metric, first.headline, first.decimals) == ("true-taste", True, 3)
    assert "like-probability" in first.card
    assert "Diversity" in first.does_not_show
    assert first.signature == "true-taste|drawn"
    assert [column.metric for column in board.columns] == list(board.standings["signatures"])


def test_what_people_said_is_a_column_marked_as_theirs(board, runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    judged = [RunDirectory.open(path) for path in find_runs(tmp_path / "runs")][:2]
    for run in judged:
        said = Judged(
            study="s<i>1", metric="human-win-rate", person="first", values={"1": 0.5, "2": 0.75},
            mean=0.625, low=0.5, high=0.75, n_excluded=0, excluded={},
        )  # fmt: skip
        put_human(run.path, run.config.run_id, "s<i>1", (said,))
    pb.build_site(tmp_path / "runs", tmp_path / "site", pictures=0)
    page = document(tmp_path / "site", "tasteworld/board", BoardPage)
    *others, column = page.columns
    assert (column.human, column.by_user, column.header) == (True, False, "human-win-rate (people)")
    assert [one.model_dump() for one in others] == [one.model_dump() for one in board.columns]
    rows = {row["label"]: row["cells"].get(column.metric) for row in page.standings["methods"]
            + page.standings["anchors"]}  # fmt: skip
    found = {label: (cell["mean"], cell["n_units"]) for label, cell in rows.items() if cell}
    assert found == {run.config.method.label: (0.625, 2) for run in judged}


def test_rows_are_complete_and_dated(board):
    assert all(row.complete and row.n_failed == 0 for row in board.rows)
    assert {row.date for row in board.rows} == {"2026-01-02"}
    assert {row.package for row in board.rows} == {"persongen-bench 0.1.0"}


def test_values_are_those_of_the_scores(board, site, directories):
    for k, column in enumerate(board.columns):
        shown = document(site, f"tasteworld/values-{k}", Values)
        for row, values in zip(board.rows, shown.values, strict=True):
            scores = directories[row.label].results().by_metric[column.metric].by_unit
            assert dict(zip(shown.users, values, strict=True)) == scores


def test_pictures_are_those_of_the_runs_exactly(board, site, directories):
    for row in board.rows:
        shown = document(site, f"tasteworld/pictures-{row.row}", Pictures)
        run = directories[row.label]
        samples = run.results().samples.set_index("sample_id")
        made = [(user, one) for user, own in shown.users.items() for one in own]
        assert len(made) == row.n_pictures == 4 * N_IMAGES
        for user, one in made:
            line = samples.loc[one.sample]
            assert (line["user_id"], line["index"], line["request_id"]) == (
                user, one.index, one.request,
            )  # fmt: skip
            image = run.read_image(one.sample, line["pixel_hash"])
            assert np.array_equal(read_picture(site / one.thumb), image)


def test_taste_and_neighbours_are_those_of_the_data(board, site, directories, world):
    pool = pool_of(world)
    for row in board.rows:
        shown = document(site, f"tasteworld/pictures-{row.row}", Pictures)
        seen = Evaluation.of_run(directories[row.label], world)
        taste, ids = seen.taste(seen.users), list(seen.samples["sample_id"])
        for user, own in shown.users.items():
            for one in own:
                k = ids.index(one.sample)
                assert one.taste == pytest.approx(taste[k, seen.users.index(user)], abs=1e-6)
                small = twins.thumbnails(seen.images([k]))
                (place,), (far,) = twins.nearest(small, pool.small_shown)
                assert one.training_distance == pytest.approx(far)
                (item,) = world.dataset.catalog.images([pool.shown[place]])
                assert np.array_equal(read_picture(site / one.training), item)
                _, (far,) = twins.nearest(small, pool.small_hidden)
                assert one.held_out_distance == pytest.approx(far)


def test_histories_are_the_last_likes(runs, world, tmp_path, monkeypatch):
    monkeypatch.setattr(data_pictures, "N_LIKED", 3)
    pb.build_site(runs, tmp_path / "site", pictures=9)
    shown = document(tmp_path / "site", "tasteworld/people", People)
    assert (shown.sampled, shown.note) == (1, "")
    for person in shown.people:
        likes = world.train.liked_items[person.user]
        assert person.n_likes == len(likes)
        if person.history:
            items = world.dataset.catalog.images(likes[-3:])
            pictures = [read_picture(tmp_path / "site" / one) for one in person.history]
            assert len(pictures) == 3 < len(likes)
            assert all(np.array_equal(a, b) for a, b in zip(pictures, items, strict=True))
    (person,) = [one for one in shown.people if one.history]
    assert len(person.requests) == len(person.references) == len(person.captions) == 1


def test_downloads_are_what_the_leaderboard_prints(board, site, runs):
    table = pb.leaderboard(runs)
    assert (site / board.downloads["tex"]).read_text() == table.to_latex()
    assert set(LABELS) <= set((site / board.downloads["csv"]).read_text().replace(",", " ").split())
    assert json.loads((site / board.downloads["json"]).read_text())["tables"]


def test_values_of_everybody_are_a_download(board, site):
    text = (site / board.downloads["people"]).read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert list(rows[0]) == ["user", "row", *(c.metric for c in board.columns if c.by_user)]
    for k, column in enumerate(board.columns):
        shown = document(site, f"tasteworld/values-{k}", Values)
        wanted = {
            (user, row.label): value
            for row, values in zip(board.rows, shown.values, strict=True)
            for user, value in zip(shown.users, values, strict=True)
        }
        found = {(row["user"], row["row"]): row[column.metric] for row in rows}
        assert found == {who: "" if v is None else repr(v) for who, v in wanted.items()}


def test_the_unit_is_said_and_whose_value_a_picture_shares(board, site):
    assert board.unit == "person"
    shown = document(site, "tasteworld/pictures-0", Pictures)
    assert all(one.unit == user for user, own in shown.users.items() for one in own)


def test_whether_there_is_an_audit_is_said(board, runs, tmp_path):
    assert not board.audited
    (tmp_path / "audit.json").write_text('{"board": "tasteworld", "n_users": 3, "rows": []}')
    pb.build_site(runs, tmp_path / "site", pictures=0, audit=tmp_path / "audit.json")
    assert document(tmp_path / "site", "tasteworld/board", BoardPage).audited


def test_what_a_killed_writer_left_is_removed(runs, tmp_path):
    """Not what one at work may be writing, nor what belongs to a site of another name."""
    old, young, other = (tmp_path / f".{name}" for name in
                         ("site.0123abcd", "site.1123abcd", "site.old.0123abcd"))  # fmt: skip
    for left in (old, young, other):
        left.mkdir()
    for left in (old, other):
        os.utime(left, (0, 0))
    pb.build_site(runs, tmp_path / "site", pictures=0)
    assert [left.exists() for left in (old, young, other)] == [False, True, True]


def test_two_builds_are_equal_byte_for_byte(site, runs, tmp_path):
    """Whatever the runs are called on the command line, and whenever."""
    pb.build_site([*sorted(runs.iterdir(), reverse=True), runs], tmp_path / "again")
    assert whole(tmp_path / "again") == whole(site)


def test_fewer_pictures_are_the_same_people_and_places_of_every_row(site, runs, tmp_path):
    pb.build_site(runs, tmp_path / "few", pictures=3 * 6)
    people = document(tmp_path / "few", "tasteworld/people", People)
    rows = [document(tmp_path / "few", f"tasteworld/pictures-{k}", Pictures) for k in range(3)]
    places = [
        {(user, one.seed, one.index, one.request) for user, own in row.users.items() for one in own}
        for row in rows
    ]
    assert places[0] == places[1] == places[2]
    assert people.sampled == len(rows[0].users) == 2
    assert sum(map(len, rows[0].users.values())) == 6
    assert sum(bool(person.history) for person in people.people) == 2
    pb.build_site(runs, tmp_path / "none", pictures=0)
    assert not (tmp_path / "none" / "thumbs").exists()


def test_copies_are_those_found_at_scoring(runs, world, tmp_path):
    """By the run's own search; distances too, where the data do not open."""
    shutil.copytree(runs, tmp_path / "runs")
    directory = RunDirectory.open(tmp_path / "runs" / "run-0")
    copies, lines = search(Evaluation.of_run(directory, world))
    lines.loc[0, "copy_of"] = "training"
    write_copies(directory.path, copies, lines)
    pb.build_site(tmp_path / "runs", tmp_path / "site")
    board = document(tmp_path / "site", "tasteworld/board", BoardPage)
    place = next(row.row for row in board.rows if row.label == directory.config.method.label)
    shown = document(tmp_path / "site", f"tasteworld/pictures-{place}", Pictures)
    found = lines.set_index("sample_id")
    for one in (one for own in shown.users.values() for one in own):
        assert one.copy_of == found.loc[one.sample, "copy_of"]
        assert one.training_distance == found.loc[one.sample, "training_difference"]
        assert one.held_out_distance == found.loc[one.sample, "held_out_difference"]
