"""`pgbench list boards` and `pgbench show board`: the built-in ones and anybody else's."""

import re
from importlib import resources

import pytest
from plugin_case import install

from persongen_bench.cli.listing import list_, show
from persongen_bench.core.errors import ConfigError

FILES = resources.files("persongen_bench.leaderboards.boards")


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A package with a good board, which is a copy of a built-in one, and a broken one."""
    text = (FILES / "catalogue.toml").read_text(encoding="utf-8")
    text = text.replace('datasets = ["folder", "*/*"]', 'datasets = ["shop-tools/shoes"]')
    points = {"shop": "shop_tools:shop", "bad": "shop_tools:bad"}
    files = {
        "shop_tools/__init__.py": "",
        "shop_tools/shop.toml": text,
        "shop_tools/bad.toml": text.replace("headline", "heading"),
    }
    install(tmp_path, monkeypatch, {"boards": points}, files)


def lines(capsys):
    return {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}


def test_every_board_has_a_line_even_a_broken_one(shop, capsys, tmp_path):
    list_("boards")
    printed = lines(capsys)
    own = {
        "tasteworld", "controlled", "cold-start", "catalogue", "flickr-aes",
        "stickers", "posters", "fashion", "catalogue-reference",
    }  # fmt: skip
    assert own | {"shop-tools/shop", "shop-tools/bad"} < set(printed)
    assert re.search("persongen-bench +cold-start +tasteworld +New people", printed["cold-start"])
    assert re.search("shop-tools +prompt-free +shop-tools/shoes", printed["shop-tools/shop"])
    assert "field 'heading': there is no such field" in printed["shop-tools/bad"]


def test_a_board_is_shown_as_its_file_says(shop, capsys):
    show("board", "shop-tools/shop")
    printed = lines(capsys)
    assert printed["datasets"].split(maxsplit=1)[1].strip() == "shop-tools/shoes"
    assert printed["from"].split()[1] == "shop-tools"
    assert "fallback_stack" not in printed  # the file does not say it
    show("board", "flickr-aes")
    assert lines(capsys)["fallback_stack"].split()[1] == "sandbox"


def test_a_broken_board_is_one_line(shop):
    with pytest.raises(ConfigError, match=r"bad\.toml: field 'heading'"):
        show("board", "shop-tools/bad")
