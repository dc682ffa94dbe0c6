"""Strips show every request as it is: what was liked, what to follow, a column for each answer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from arrow_case import arrow_of
from PIL import Image as PilImage

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.request import Request
from persongen_bench.leaderboards import sheets
from persongen_bench.leaderboards.plots import plane_plot
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.request_gallery import shown_requests
from persongen_bench.leaderboards.standings import Cell
from persongen_bench.leaderboards.strips import N_LIKED, HistoryUse, RequestStrip, request_sheet

RED, BLUE, GREEN = (210, 30, 40), (20, 60, 200), (30, 160, 60)


def solid(colour, side=64):
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, side, side)).copy()


def strip(made=(GREEN, GREEN), n_liked=3, reference=BLUE, words="a red star"):
    return RequestStrip(
        "anna", words, [solid(RED)] * n_liked, None if reference is None else solid(reference),
        [None if colour is None else solid(colour) for colour in made],
    )  # fmt: skip


def draw(tmp_path, strips, columns=("one", "two")):
    path = tmp_path / "strips.png"
    request_sheet(strips, columns, path, title="t", subtitle="first")
    with PilImage.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def places(pixels, colour):
    return np.argwhere((pixels == np.array(colour)).all(axis=2))


@pytest.fixture
def printed(monkeypatch):
    """Every text that is drawn."""
    texts = []
    real = sheets.ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        sheets.ImageDraw.ImageDraw,
        "text",
        lambda self, at, text, **k: (texts.append(text), real(self, at, text, **k))[1],
    )
    return texts


def test_everything_is_there_at_its_size(tmp_path):
    pixels = draw(tmp_path, [strip(), strip()])
    assert len(places(pixels, BLUE)) == 2 * 96 * 96
    assert len(places(pixels, GREEN)) == 2 * 2 * 96 * 96
    assert len(places(pixels, RED)) == 2 * 3 * 45 * 45


def test_liked_stands_left_then_what_to_follow_then_what_was_made(tmp_path):
    pixels = draw(tmp_path, [strip()])
    liked, reference, made = (places(pixels, c)[:, 1] for c in (RED, BLUE, GREEN))
    assert liked.max() < reference.min()
    assert reference.max() < made.min()


def test_the_latest_likes_are_shown(tmp_path):
    shown = RequestStrip("a", "", [solid(BLUE)] * 2 + [solid(RED)] * N_LIKED, None, [solid(GREEN)])
    pixels = draw(tmp_path, [shown], ["one"])
    assert len(places(pixels, BLUE)) == 0
    assert len(places(pixels, RED)) == N_LIKED * 45 * 45


def test_words_names_and_gaps(tmp_path, printed):
    draw(tmp_path, [strip(made=(GREEN, None))], ["one", "ip-adapter-history[image_scale=0.1]"])
    for words in ("anna", "a red star", "liked", "to follow", "one", "ip-adapter-"):
        assert words in printed
    assert "first; crossed: not delivered" in printed
    draw(tmp_path, [strip(n_liked=0, reference=None, words="")])
    assert "nothing liked" in printed
    assert "first" in printed


# --- what methods say of a history -----------------------------------------------------------


def used(*marks, note="", name="ragar"):
    return HistoryUse(name, [(solid(RED), mark) for mark in marks], note)


def test_a_line_for_each_method_shows_all_it_was_given(tmp_path, printed):
    one = replace(strip(), used=[used("", "retrieved", ""), used("masked .4", "", name="pigeon")])
    pixels = draw(tmp_path, [one, strip()])
    frame = 45 * 45 - 39 * 39  # three pixels on every side
    assert len(places(pixels, (0xD5, 0x5E, 0x00))) == frame + 20 * 20 - 14 * 14  # and the legend
    # 2 x 3 likes above, and 2 + 1 without a mark, 1 within its frame below; .4 x 45 = 18 rows are
    # hatched, of which the frame has 3, of the last.
    assert len(places(pixels, RED)) == (6 + 3) * 45 * 45 + 39 * 39 + 39 * (39 - 15)
    for words in ("ragar", "pigeon", "retrieved", "masked (share hatched)"):
        assert words in printed


def test_a_method_with_nothing_but_a_note_shows_the_note(tmp_path, printed):
    one = replace(strip(), used=[used("", "", note="words: blue, night sky", name="pmg")])
    pixels = draw(tmp_path, [one])
    assert len(places(pixels, RED)) == 3 * 45 * 45
    assert {"pmg", "words: blue, night sky"} <= set(printed)


def test_without_explanations_a_sheet_is_what_it_was(tmp_path):
    assert draw(tmp_path, [strip()]).shape[0] == sheets.HEAD + 62 + 96 + 24 + sheets.MARGIN


def test_a_long_history_has_room_and_ends_at_its_latest(tmp_path):
    many = used(*["old"] * 5, *["new"] * 20)
    pixels = draw(tmp_path, [replace(strip(), used=[many])])
    assert pixels.shape[1] >= 24 + 168 + 20 * 51
    assert len(places(pixels, RED)) == 3 * 45 * 45 + 20 * 39 * 39


def test_long_words_break_into_lines_that_fit():
    style = sheets.Type(13)
    lines = sheets.wrapped("a large purple crescent over a town", style, 90, 3)
    assert len(lines) == 3
    assert " ".join(lines) == "a large purple crescent over a town"
    assert sheets.wrapped("", style, 90, 3) == [""]


def test_strips_need_something_to_show(tmp_path):
    with pytest.raises(ConfigError, match="at least one"):
        request_sheet([], ["one"], tmp_path / "x.png", title="t", subtitle="s")
    with pytest.raises(ConfigError, match="at least one"):
        request_sheet([strip(made=())], [], tmp_path / "x.png", title="t", subtitle="s")


def test_the_first_requests_of_the_first_users_are_shown():
    requests = [Request(f"u{k % 9}", reference=f"i{k}") for k in range(36)]
    shown = shown_requests(requests)
    assert [request.user_id for request in shown] == [f"u{k}" for k in range(6) for _ in range(2)]
    assert [request.reference for request in shown[:2]] == ["i0", "i9"]


# --- the plane of a board --------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(board_runs):
    (only,) = standings(board_runs)
    return only


def test_any_two_metrics_span_a_plane(table, tmp_path):
    plane_plot(table, tmp_path / "plane.svg", "novelty", "true-taste")
    text = (tmp_path / "plane.svg").read_text(encoding="utf-8")
    assert "<!-- novelty -->" in text
    assert "<!-- true-taste -->" in text
    assert "<!-- rebeca[guidance_scale] -->" in text


def test_a_plane_without_its_metric_is_refused(table, tmp_path):
    with pytest.raises(ConfigError, match="no agreement in this table"):
        plane_plot(table, tmp_path / "plane.svg", "agreement", "true-taste")


# --- what runs ask must be the same ----------------------------------------------------------


def test_runs_that_ask_for_other_things_stand_in_other_tables(board_runs):
    first, second = board_runs[0], board_runs[1]
    assert len(standings([asking(first, 2), asking(second, 3)])) == 2
    (only,) = standings([asking(first, 2), asking(second, 2)])
    assert only.protocol["requests"].startswith(f"{2 * only.n_units} (")
    (plain,) = standings([first, second])
    assert plain.protocol["requests"] == "one of each"


def asking(run, n):
    """The run with ``n`` requests of each unit."""
    units = sorted(set(run.scores["unit"].astype(str)))
    requests = [f"{unit} {k}" for unit in units for k in range(n)]
    return replace(run, sample_table=arrow_of(pd.DataFrame({"request_id": requests})))


def test_a_plane_without_a_point_is_refused(table, tmp_path):
    def bare(row):
        return row.model_copy(update={"cells": row.cells | {"novelty": Cell()}})

    rows = {name: tuple(map(bare, getattr(table, name))) for name in ("methods", "anchors")}
    with pytest.raises(ConfigError, match=r"no row of board .* has both novelty and true-taste"):
        plane_plot(table.model_copy(update=rows), tmp_path / "plane.svg", "novelty", "true-taste")
    assert not (tmp_path / "plane.svg").exists()
