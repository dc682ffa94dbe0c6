"""Figures that open pictures: maps, ROC curves, and one metric against another by picture."""

import re

import pytest
from planted_runs import Planted

from persongen_bench.api.figures import figure
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.drawn import maps, opened, pairs, rocs, tables


@pytest.fixture(scope="module")
def planted():
    return Planted(n_images=4)


@pytest.fixture
def drawing(planted, run_builder, monkeypatch, tmp_path):
    """Draws of two runs whose pictures are those of the planted generator."""
    users = list(planted.users)
    level = [0.5] * len(users)
    runs = [run_builder(name, {"true-taste": level}, users=users) for name in ("rebeca", "other")]
    monkeypatch.setattr(tables, "gather", lambda folder: (runs, []))
    for module in (maps, opened, rocs):
        monkeypatch.setattr(module, "evaluation_of", lambda run, world: planted.evaluation())
    for module in (maps, pairs, rocs):
        monkeypatch.setattr(module, "world_of", lambda drawn, asked: planted.world)

    def draw(kind, name="figure.svg", **asked):
        return figure(kind, "runs", tmp_path / name, **asked)

    return draw


def words(path):
    return " ".join(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"), re.S))


def test_the_values_of_pictures_average_to_those_of_users(planted, drawing):
    values = opened.picture_values(None, planted.world, "verifier")
    seen = planted.evaluation()
    assert list(values.index) == list(seen.samples["sample_id"])
    by_user = values.groupby("user")["value"].mean()
    expected = parse_metric("verifier").per_unit(seen)
    assert by_user.to_dict() == pytest.approx(expected.to_dict())
    assert values["value"].nunique() > len(planted.users)  # not a user's mean again


def test_a_scatter_of_pictures_has_a_point_for_each_whether_scored_or_not(planted, drawing):
    asked = {"metrics": ("true-taste", "verifier"), "each": "picture"}
    path = drawing("scatter", methods=("rebeca",), **asked)
    assert "verifier against true-taste by picture" in words(path)
    assert "a point is a picture" in words(path)


def test_a_map_of_what_was_made_is_coloured_by_method_or_user(planted, drawing):
    n = len(planted.samples)
    first, second = (drawing("map", f"{name}.svg") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert {f"rebeca ({n})", f"other ({n})"} <= set(re.findall(r"\w+ \(\d+\)", words(first)))
    assert f"{2 * n} pictures made" in words(first)
    by_user = words(drawing("map", colour="user"))
    assert f"{planted.users[0]} (8)" in by_user  # four images in each of two runs


def test_a_map_of_what_was_liked_takes_attributes_of_the_data(planted, drawing):
    rows = planted.world.train.interactions
    n = rows[rows["liked"]]["item_id"].nunique()
    assert f"{n} pictures liked" in words(drawing("map", of="liked"))
    with pytest.raises(ConfigError, match="these pictures have no mood"):
        drawing("map", of="liked", colour="mood")
    with pytest.raises(ConfigError, match="Write --of made or liked"):
        drawing("map", of="dreamt")


def test_a_roc_has_the_area_of_the_verifier_on_both_sides(planted, drawing):
    text = words(drawing("roc"))
    seen = planted.evaluation()
    for side in ("train", "held-out"):
        curve = rocs.verifier_roc(seen, "mf", side)
        assert f"AUC {curve.auc:.3f}" in text
    assert "95% intervals over resampled users" in text
