"""`pgbench list` and `pgbench show`, as tables and as JSON."""

import json
import subprocess
import sys

import pytest

from persongen_bench.api import cards
from persongen_bench.core import registry


def pgbench(*arguments, status=0):
    command = [sys.executable, "-m", "persongen_bench", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.parametrize("kind", ["methods", "datasets", "stacks", "tracks", "boards"])
def test_every_registered_name_is_listed_as_json(kind):
    lines = json.loads(pgbench("list", kind, "--format", "json").stdout)
    elsewhere = [name for name in registry.entries(kind) if not name.startswith("local/")]
    assert [line["name"] for line in lines] == elsewhere
    assert all(line["from"] and set(line) == set(lines[0]) for line in lines)


def test_metrics_are_listed_with_their_cards():
    lines = {line["metric"]: line for line in cards.rows("metrics")}
    assert lines["fid@clean"]["better"] == "lower"
    assert lines["fid@clean"]["role"] == "inception/clean"
    assert lines["precision@5"]["signature"].startswith("precision@5|")


def test_a_card_as_json_has_what_the_table_has():
    card = json.loads(pgbench("show", "method", "rebeca", "-f", "json").stdout)
    assert card["makes"] == "image"
    assert card["what it is"].startswith("REBECA")
    assert any(key.startswith("preset paper") for key in card)
    printed = pgbench("show", "method", "rebeca").stdout
    assert "preset paper" in printed


def test_a_track_says_what_it_asks_for():
    card = cards.card("track", "prompt-free")
    assert (card["asks for"], card["unit"]) == ("images", "user")
    assert cards.card("dataset", "tasteworld")["tracks"] == [
        "prompt-free",
        "cold-start",
        "reference",
        "recommendation",
        "alignment",
    ]


def test_a_published_stack_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("PGBENCH_MODELS", raising=False)
    card = cards.card("stack", "sd15")
    assert "pgbench models pull sd15" in card["files"]
    assert "decoder" in card["roles"]
    assert cards.card("stack", "pixels")["image_encoder"].startswith("pixels")


def test_requests_are_listed_with_their_ids(tmp_path):
    lines = json.loads(
        pgbench("list", "requests", "-d", "dsprites", "--data-option", "n_images=40",
                "--format", "json").stdout
    )  # fmt: skip
    assert len(lines) == 4  # REBECA's controlled world has four users
    assert {"request_id", "user_id", "reference", "instruction", "history"} <= set(lines[0])


def test_another_format_or_kind_is_one_line():
    assert "Use table or json" in pgbench("list", "methods", "-f", "yaml", status=2).stderr
    assert "cannot list 'wishes'" in pgbench("list", "wishes", status=2).stderr
    assert "cannot show 'wish'" in pgbench("show", "wish", "x", status=2).stderr
