"""Every misspelt name gets the one that was meant; a preset applies where a method has it."""

import pytest
from shop_case import write_shop
from typer.testing import CliRunner

from persongen_bench.api import presets
from persongen_bench.api.campaign import Campaign, choices
from persongen_bench.api.notices import notices_of
from persongen_bench.cli.app import app
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.loop.choice import MethodChoice

RUN = ("run", "--no-beside", "-m", "random-item")
CASES = {
    "method": (("run", "-m", "rebecca"), "rebeca"),
    "data set": ((*RUN, "-d", "tastworld"), "tasteworld"),
    "data set of curves": (("cold-start", "-m", "random-item", "-d", "tastworld"), "tasteworld"),
    "data set of requests": (("list", "requests", "-d", "tastworld"), "tasteworld"),
    "metric": ((*RUN, "-d", "folder", "--data", "shop", "--metric", "taste-gp"), "taste-gap"),
    "argument": ((*RUN, "-d", "folder", "--data", "shop", "--metric", "taste-gap@neighbor"),
                 "neighbour"),
    "board": ((*RUN, "--board", "catalog"), "catalogue"),
    "stack": ((*RUN, "--stack", "sanbox"), "sandbox"),
    "track": ((*RUN, "--track", "promt_free"), "prompt-free"),
    "split": ((*RUN, "-d", "folder", "--data", "shop", "--split", "itm"), "item"),
    "preset": ((*RUN[:2], "-m", "rebeca", "--preset", "papr"), "paper"),
    "option": ((*RUN[:2], "-m", "population-best", "-d", "folder", "--data", "shop", "-o",
                "n_bets=3"), "n_best"),
    "option of data": ((*RUN, "-d", "folder", "--data", "shop", "--data-option",
                        "like_treshold=4"), "like_threshold"),
    "instrument": ((*RUN, "-d", "folder", "--data", "shop", "--permute", "verifer"), "verifier"),
    "kind": (("list", "metricz"), "metrics"),
    "kind of card": (("show", "methd", "rebeca"), "method"),
    "card": (("show", "metric", "tast-gap"), "taste-gap"),
    "checked": (("check", "tastworld"), "tasteworld"),
    "format": (("leaderboard", "--runs", "shop", "-f", "markdwn"), "markdown"),
    "figure": (("figure", "curv", "shop", "--output", "a.png"), "curve"),
    "models": (("models", "build", "sandbx"), "sandbox"),
    "stack of files": (("models", "where", "sdlx"), "sdxl"),
    "names of a LoRA": (("convert", "lora", "a", "b", "--to", "kohia"), "kohya"),
    "command": (("rnu",), "run"),
    "new kind": (("new", "metod", "x"), "method"),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def here(tmp_path_factory):
    base = tmp_path_factory.mktemp("misspelt")
    write_shop(base / "shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        yield


@pytest.mark.parametrize("case", CASES)
def test_a_near_miss(case):
    words, meant = CASES[case]
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    after = done.stderr.partition("Did you mean ")[2]
    assert meant in after.partition("?")[0], done.stderr


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("Prompt_Free", ("prompt-free", "reference"), "Did you mean prompt-free?"),
        ("xyz", ("prompt-free",), "Use one."),
        ("a", (), "Use one."),
        (3, ("rebeca",), "Use one."),
    ],
)
def test_what_is_near(name, known, text):
    assert near_miss(name, known, "Use one.").startswith(text)


def campaign(*methods, preset, beside=True):
    return Campaign(methods=methods, dataset="tasteworld", runs=None, preset=preset, beside=beside)


def test_a_preset_applies_where_a_method_has_it():
    """Presets of the registry: rebeca has ``paper``; random-item has none."""
    asked = campaign("rebeca", preset="paper")
    made = {choice.name: choice for choice, _ in choices(asked)}
    assert made["rebeca"].preset == "paper"
    assert made["random-item"].preset is None
    for name, choice in made.items():
        has = "paper" in registry.get("methods", name).presets
        if name != "wrong-user":  # it wraps the method as that is configured
            assert (choice.preset == "paper") is has, name
    (line,) = [one for one in notices_of(asked) if "preset" in one]
    assert line.startswith("without preset paper, which they do not have: ")
    assert "random-item" in line
    assert "rebeca," not in line


def test_a_preset_that_nobody_has_is_refused():
    with pytest.raises(ConfigError, match="method random-item has no preset 'paper'"):
        choices(campaign("random-item", preset="paper"))
    with pytest.raises(ConfigError, match=r"none of the methods .* 'papr'. Did you mean paper"):
        choices(campaign("random-item", "rebeca", preset="papr"))


def test_no_preset_no_line():
    assert presets.without_preset(["rebeca"], None) is None
    assert presets.without_preset(["rebeca"], "paper") is None
    chosen = MethodChoice("rebeca", options={"cfg": 2})
    assert presets.check_preset([chosen], "nothing-so") == (chosen,)
