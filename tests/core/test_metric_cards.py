"""Metrics by name: listed, shown, scored and ranked as a user asks for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from persongen_bench.api.campaign import Campaign
from persongen_bench.cli.app import app
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, MissingRoleError, UnknownNameError
from persongen_bench.core.metric_cards import card_of, cards, every_metric, expand, parse_metric
from persongen_bench.core.metric_cards import possible as can_have
from persongen_bench.leaderboards.ranking import collect
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.stacks.pixels import PixelsStack
from persongen_bench.testing.toy_stack import ToyStack

FORMS = every_metric()


def pgbench(*arguments, status=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == status, done.output
    return done


@pytest.mark.parametrize("printed", FORMS)
def test_every_form_has_a_full_card(printed):
    found = card_of(printed)
    assert found.info.name == printed
    assert found.signature.startswith(printed)
    assert "impl:" in found.signature
    assert found.summary.endswith((".", "?"))
    assert found.info.shows_not
    assert found.info.source


def test_every_registered_metric_has_a_form():
    assert {name.partition("@")[0] for name in FORMS} == set(registry.entries("metrics"))


def test_forms_are_told_apart_by_their_signatures():
    signatures = [card.signature for card in cards()]
    assert len(set(signatures)) == len(signatures)


def test_all_means_what_the_stack_and_the_world_can_have():
    everything = expand(["all"], ToyStack(), known_taste=True)
    of_images = {name for name in FORMS if parse_metric(name).info.reads == "image"}
    assert set(everything) == of_images - {"taste-gap@true"}
    of_lists = expand(["all"], ToyStack(), known_taste=True, output="ranking")
    assert set(of_lists) == {n for n in FORMS if parse_metric(n).info.reads == "ranking"}
    assert "list-recall@10" in of_lists
    without_truth = expand(["all"], ToyStack(), known_taste=False)
    assert set(everything) - set(without_truth) == {"true-taste", "population-taste"}
    seen = expand(["all"], PixelsStack(), known_taste=False)
    assert "novelty" in seen  # judged in the only space there is
    assert not {"fid@clean", "aesthetic@v2", "cs@history"} & set(seen)
    assert not can_have("lpips@history", PixelsStack(), known_taste=True)


def test_names_are_kept_in_order_once():
    names = ["novelty", "precision@3", "novelty"]
    assert expand(names, ToyStack(), known_taste=False) == ("novelty", "precision@3")


def test_a_metric_without_its_argument_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r"fid.*mode"):
        parse_metric("fid")
    with pytest.raises(UnknownNameError, match="novelty"):
        parse_metric("noveltyy")


def test_list_prints_what_a_reader_needs():
    printed = pgbench("list", "metrics").stdout
    assert "metric" in printed.splitlines()[0]
    for name in ("aesthetic@v2", "cmmd@u", "ssim@history"):
        (line,) = [row for row in printed.splitlines() if row.startswith(f"{name} ")]
        info = card_of(name).info
        assert info.family in line
        assert info.direction in line


def test_show_prints_the_card():
    printed = pgbench("show", "metric", "fid").stdout
    for said in ("shows_not", "source", "fid@clean, fid@tf-legacy, fid@pytorch", "inception/clean"):
        assert said in printed
    assert "fid@pytorch" in pgbench("show", "metric", "fid@pytorch").stdout


def test_a_plan_takes_metrics_besides_the_boards(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    campaign = Campaign(
        ("random-item",), "dsprites", tmp_path, {"n_images": 400}, metrics=("vendi",)
    )
    world = load_world(campaign.world_ref())
    metrics = campaign.terms(world).metrics
    assert metrics == (*campaign.board.metrics, "vendi")
    with pytest.raises(MissingRoleError, match="inception"):
        replace(campaign, metrics=("kid@clean",)).terms(world)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(folder / "cache"))
        world = load_world(WorldRef("dsprites", "sprites", {"n_images": 400}))
        protocol = Terms("controlled", "controlled", ("true-taste", "taste-gap"), 3, 5)
        result = run(Job(world, protocol, MethodChoice("random-item")), folder / "runs")
        yield result.path


@pytest.mark.slow
def test_a_run_is_scored_by_any_metric_and_ranked_with_it(made, monkeypatch):
    pgbench("score", made, "--metric", "vendi", "--metric", "kid@clean", status=2)  # no inception
    printed = pgbench("score", made, "--metric", "vendi").stdout
    assert "vendi" in printed
    kept = RunDirectory.open(made).results()
    assert {"true-taste", "vendi"} <= set(kept.summary.metrics)
    (plain,) = collect(made.parent)
    assert "vendi" not in plain.metrics
    (wide,) = collect(made.parent, metrics=("all",))
    assert "vendi" in wide.metrics
    assert "vendi" in pgbench(
        "leaderboard", "--runs", made.parent, "--metric", "vendi", "--format", "markdown"
    ).stdout  # fmt: skip


def test_a_metric_does_not_move_the_interval_of_another(made):
    before = RunDirectory.open(made).results().summary.metrics["taste-gap"]
    pgbench("score", made, "--metric", "diversity")
    after = RunDirectory.open(made).results().summary.metrics["taste-gap"]
    assert after == before
