"""Boards are consistent, found by name and by data set, and their reported rows are the paper's."""

import pytest
from pydantic import ValidationError

from persongen_bench.core.errors import ConfigError, DataError, UnknownNameError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.boards import (
    BOARDS,
    CONTROLLED,
    Board,
    Column,
    board_for,
    get_board,
)
from persongen_bench.leaderboards.published import load_reported


@pytest.mark.parametrize(
    ("dataset", "board"),
    [
        ("dsprites", "controlled"),
        ("folder", "catalogue"),
        ("flickr-aes", "flickr-aes"),
        ("some-dist/shop", "catalogue"),
    ],
)
def test_every_dataset_has_its_board(dataset, board):
    assert board_for(dataset).name == board


def test_a_dataset_without_a_board_is_an_error_that_lists_them():
    with pytest.raises(ConfigError, match=r"'pog'.*controlled \(dsprites\)"):
        board_for("pog")


def test_a_near_miss_is_suggested():
    with pytest.raises(UnknownNameError, match="Did you mean controlled"):
        get_board("controled")
    with pytest.raises(
        UnknownNameError, match="Boards are: tasteworld, controlled, catalogue, flickr-aes"
    ):
        get_board("zzzz")
    assert get_board("catalogue") is BOARDS["catalogue"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda b: b.name)
def test_metric_names_are_unique_and_the_headline_is_one(board):
    assert len(set(board.metrics)) == len(board.metrics)
    assert board.headline in board.metrics
    assert len(set(board.anchors)) == len(board.anchors)


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda b: b.name)
def test_columns_agree_with_the_cards_of_the_metrics(board):
    for column in board.columns:
        info = parse_metric(column.metric).info
        assert column.range == info.range, column.metric
        # a board may say that a column has no better end; it may not turn one around
        assert column.direction in (info.direction, "none"), column.metric


def test_the_controlled_board_is_the_papers_experiment():
    assert CONTROLLED.n_images == 25  # REBECA sec. 3.3: k in {1, 5, 10, 20, 25}
    for k in (1, 5, 10, 20):  # Table 1
        assert {f"precision@{k}", f"recall@{k}"} <= set(CONTROLLED.metrics)
    assert "mean-embedding" in CONTROLLED.baselines


def test_a_board_cannot_rank_by_what_it_does_not_show():
    values = CONTROLLED.model_dump() | {"headline": "hpsv2"}
    with pytest.raises(ValidationError, match="among the columns"):
        Board.model_validate(values)
    values = CONTROLLED.model_dump() | {"headline": "history-similarity"}
    with pytest.raises(ValidationError, match="needs a direction"):
        Board.model_validate(values)


@pytest.mark.parametrize(
    ("exponent", "value", "text"),
    [
        (0, 0.78249, "0.782"),
        (-3, 0.0034094, "3.409"),  # Table 1 prints recall@20 = 3.409 in units of 1e-3
        (0, -0.00004, "0.000"),  # no "-0.000"
        (0, -0.5, "-0.500"),
        (0, None, "\N{EN DASH}"),
    ],
)
def test_numbers_have_one_printed_form(exponent, value, text):
    assert Column(metric="m", exponent=exponent).format(value) == text


K = (1, 5, 10, 20)


def _printed(row, metric):
    return [CONTROLLED.column(f"{metric}@{k}").format(row[f"{metric}@{k}"]) for k in K]


def test_reported_rows_are_those_of_rebeca_table_1():
    table = load_reported(CONTROLLED.reported)
    rows = {row.method: row.metrics for row in table.rows}
    # REBECA (full paper), Table 1; recall is printed there in units of 1e-3
    assert _printed(rows["REBECA"], "precision") == ["0.782", "0.782", "0.789", "0.799"]
    assert _printed(rows["REBECA"], "recall") == ["0.167", "0.835", "1.685", "3.409"]
    assert _printed(rows["Random"], "precision") == ["0.290", "0.282", "0.287", "0.291"]
    assert _printed(rows["Random"], "recall") == ["0.062", "0.301", "0.613", "1.244"]
    assert rows["Mean (deterministic)"] == {"precision@1": 1.0, "recall@1": 0.000214}
    assert set().union(*rows.values()) <= set(CONTROLLED.metrics)


def test_an_unknown_reported_table_is_a_clear_error():
    with pytest.raises(DataError, match=r"reported/none\.json: no such table"):
        load_reported("none.json")
