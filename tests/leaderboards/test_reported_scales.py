"""Papers 002 and 003 beside one board: one prints times 100, one as it is; encoders differ."""

import csv
import io
import shutil
from importlib import resources
from pathlib import Path

import pytest
from plugin_case import fresh_registry

from persongen_bench.core import registry
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.published import reported_tables
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.render import RenderOptions, render

FILES = resources.files("persongen_bench.leaderboards.boards")
BOARD = """
title = "Stickers"
track = "prompt-free"
datasets = ["tasteworld"]
stack = "sandbox"
headline = "true-taste"
n_images = 2
n_history = 5
columns = [
  { metric = "true-taste" },
  { metric = "lpips@history", direction = "lower", range = [0.0, 2.0], decimals = 4 },
  { metric = "lpips-vgg@history", direction = "lower", range = [0.0, 2.0], decimals = 4 },
  { metric = "cis@history", range = [-1.0, 1.0], decimals = 4 },
  { metric = "cpis", range = [-1.0, 1.0], decimals = 4 },
]
baselines = []
anchors = []
reported = ["reported/ragar_table1_stickers.json", "reported/pigeon_table1_stickers.json",
            "reported/ragar_table3.json"]
"""


@pytest.fixture
def table(make_run, monkeypatch, tmp_path):
    fresh_registry(monkeypatch)
    shutil.copytree(Path(str(FILES / "reported")), tmp_path / "reported")
    (tmp_path / "stickers.toml").write_text(BOARD, encoding="utf-8")
    registry.register("boards", "stickers", tmp_path / "stickers.toml")
    values = {
        "true-taste": [0.5, 0.6], "cis@history": [0.4, 0.5], "cpis": [0.4, 0.5],
        "lpips@history": [0.7, 0.6], "lpips-vgg@history": [0.7, 0.6],
    }  # fmt: skip
    (only,) = standings([make_run("rebeca", values, board="local/stickers")])
    return only


def test_both_scales_become_the_metric_s_own(table):
    lines = csv.DictReader(io.StringIO(render([table], "csv")))
    mean = {
        (line["source"].rpartition(", ")[2], line["method"], line["metric"]): float(line["mean"])
        for line in lines
        if line["block"] == "reported" and "@history" in line["metric"]
    }
    sources = {line.source for line in table.reported}
    assert len(sources) == 3
    found = {key[1:]: value for key, value in mean.items()}
    # RAGAR, Table 1, Sticker: GLIDE 59.78; Pigeon, Table 1, sticker: PMG .7383 and 47.34
    assert found["GLIDE", "lpips@history"] == 0.5978
    assert found["LLaVA tuned", "lpips-vgg@history"] == 0.7552
    assert found["LLaVA tuned", "cis@history"] == 0.3744


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_each_paper_has_its_block_its_numbers_and_what_differs(table, form):
    text = " ".join(render([table], form, RenderOptions(width=300)).replace("\\", "").split())
    assert "0.5978" in text
    assert "0.7383" in text
    assert "not comparable in cpis, cs@reference, cis@reference: the paper does not name" in text
    assert "the encoder is CLIP ViT-H/14" in text
    assert "Pigeon's own two rows are missing in the text" in text
    # of Table 3, ranks by people, no column is there: neither rows nor a note
    assert "RAGAR, Table 3" not in text


def test_the_csv_says_of_every_number_whether_it_can_be_compared(table):
    lines = [
        line
        for line in csv.DictReader(io.StringIO(render([table], "csv")))
        if line["block"] == "reported" and line["method"] == "LaVIT tuned"
    ]
    differs = {line["metric"]: "; not comparable: " in line["caveat"] for line in lines}
    assert differs["cis@history"]
    assert differs["lpips-vgg@history"]


def test_the_board_of_flickr_aes_shows_three_tables_where_it_is_asked_for_them():
    titles = [table.title for table in reported_tables(get_board("flickr-aes"))]
    assert titles == [
        "REBECA (extended abstract), Table 1", "REBECA (extended abstract), Table 2",
        "REBECA, Table 2",
    ]  # fmt: skip


def test_the_stickers_stand_beside_both_tables_of_pigeon():
    titles = [table.title for table in reported_tables(get_board("stickers"))]
    assert titles == ["Pigeon, Table 1, sticker", "Pigeon, Table 3", "RAGAR, Table 1, Sticker"]
    ablation = reported_tables(get_board("stickers"))[1]
    assert ablation.row("w/o encoding").metrics == {  # 55.35, 0.6976 and 24.72 as printed
        "cis@history": 0.5535, "lpips-vgg@history": 0.6976, "cs@reference": 0.2472,
    }  # fmt: skip


@pytest.fixture
def printed(make_run):
    values = {
        "verifier": [0.5, 0.6], "fid@clean-catalogue": [110.0, 110.0], "f1.user@1": [0.6, 0.5],
        "cmmd@v-catalogue": [0.9, 0.9], "aesthetics-r2": [0.2, 0.2],
    }  # fmt: skip
    (only,) = standings([make_run("rebeca", values, board="flickr-aes-paper")])
    return only


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_the_tables_of_000_and_001_stand_beside_ours(printed, form):
    text = " ".join(render([printed], form, RenderOptions(width=300)).replace("\\", "").split())
    # 000, Tables 1 and 2; 001, Table 2 and section 4
    for number in ("117.77", "145.45", "172.29", "0.605", "0.32"):
        assert number in text
    assert "not comparable in fid@clean, fid@clean-catalogue: the paper does not name" in text
    assert "which real pictures the sets are compared with is not printed" in text


def test_a_number_that_may_be_of_two_metrics_says_of_both_that_it_differs(printed):
    lines = [
        line
        for line in csv.DictReader(io.StringIO(render([printed], "csv")))
        if line["block"] == "reported" and line["metric"] == "fid@clean-catalogue"
    ]
    assert [float(line["mean"]) for line in lines[:2]] == [117.77, 121.5]  # 000, Table 1
    assert all("; not comparable: " in line["caveat"] for line in lines)
