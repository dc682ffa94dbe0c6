"""Learning curves: points, areas, table, document and picture."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards import curves
from persongen_bench.leaderboards.column import Column

COLUMN = Column(metric="true-taste")
SUPPORTS = (0, 1, 3, 7)  # log2(k + 1) = 0, 1, 2, 3


def grid(n_units=40, seed=0):
    """A value per user and support that rises by .1 from one to the next."""
    rng = np.random.default_rng(seed)
    return 0.3 + 0.1 * np.arange(4) + 0.05 * rng.standard_normal((n_units, 1))


def printed(renderable):
    console = Console(file=io.StringIO(), width=140, no_color=True)
    console.print(renderable)
    return console.file.getvalue()


def test_area_of_a_straight_line_is_its_middle():
    # The axis is log2(k + 1): .0, .1, .2, .3 at 0, 1, 2, 3 has the mean height .15.
    assert curves.areas(np.array([[0.0, 0.1, 0.2, 0.3]]), SUPPORTS) == pytest.approx([0.15])


def test_area_by_hand():
    # Over k = 0, 1, 7 the steps are 1 and 2 wide: (1 * (0 + 1) / 2 + 2 * (1 + .5) / 2) / 3 = 2 / 3.
    assert curves.areas(np.array([[0.0, 1.0, 0.5]]), (0, 1, 7)) == pytest.approx([2 / 3])


def test_area_of_a_constant_is_the_constant_whatever_the_supports():
    for supports in ((0,), (0, 100), (0, 1, 2, 4, 8, 16, 100)):
        values = np.full((3, len(supports)), 0.4)
        assert curves.areas(values, supports) == pytest.approx([0.4] * 3)


def test_points_are_the_means_over_users():
    values = grid()
    found = curves.curve("m", values, SUPPORTS)
    assert [point.mean for point in found.points] == pytest.approx(values.mean(axis=0))
    assert all(point.low < point.mean < point.high for point in found.points)
    assert found.area.mean == pytest.approx(values.mean())  # a straight line per user
    # The users' own curves are parallel, so that the area is as uncertain as one point.
    assert found.area.high - found.area.low == pytest.approx(
        found.points[0].high - found.points[0].low, rel=0.2
    )


def test_the_same_values_give_the_same_bands():
    assert curves.curve("m", grid(), SUPPORTS) == curves.curve("m", grid(), SUPPORTS)


def test_a_user_without_a_value_is_left_out_there_and_of_the_area():
    values = grid(n_units=5)
    values[2, 1] = np.nan
    found = curves.curve("m", values, SUPPORTS)
    assert [point.n for point in found.points] == [5, 4, 5, 5]
    assert found.area.n == 4
    assert found.points[1].mean == pytest.approx(np.delete(values[:, 1], 2).mean())


def test_fewer_users_than_were_asked_are_printed_with_their_number():
    values = grid(n_units=5)
    values[2, 1] = np.nan
    table = curves.curve_table([curves.curve("m", values, SUPPORTS)], Column(metric="true-taste"))
    (second,) = table.columns[2].cells
    (area,) = table.columns[-1].cells
    (first,) = table.columns[1].cells
    assert second.endswith(" (n=4)")
    assert " (n=4) [" in area
    assert "n=" not in first


def made():
    return [
        curves.curve("low", grid() - 0.2, SUPPORTS),
        curves.curve("oracle", grid() + 0.3, SUPPORTS, anchor=True),
        curves.curve("high", grid(), SUPPORTS),
    ]


def test_best_area_first_and_anchors_last():
    order = [c.label for c in curves.by_area(made(), higher_is_better=True)]
    assert order == ["high", "low", "oracle"]
    order = [c.label for c in curves.by_area(made(), higher_is_better=False)]
    assert order == ["low", "high", "oracle"]


def test_table_shows_every_number():
    text = printed(curves.curve_table(made(), COLUMN))
    for needed in ("true-taste", "k=0", "k=7", "oracle (anchor)", "area [95%]"):
        assert needed in text
    high = next(line for line in text.splitlines() if line.strip().startswith("high"))
    means = grid().mean(axis=0)
    assert [f"{mean:.3f}" for mean in means] == high.split()[1:5]


def test_document_is_plain_json():
    kept = json.loads(json.dumps(curves.document(made(), "true-taste")))
    assert [c["method"] for c in kept["curves"]] == ["low", "oracle", "high"]
    first = kept["curves"][0]
    assert [point["k"] for point in first["points"]] == list(SUPPORTS)
    assert first["points"][0]["mean"] == pytest.approx(float((grid() - 0.2)[:, 0].mean()))
    assert set(first["area"]) == {"mean", "low", "high", "n_units"}


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_same_curves_give_the_same_picture(tmp_path, ending):
    for name in ("a", "b"):
        curves.curve_plot(made(), COLUMN, tmp_path / f"{name}.{ending}")
    one, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("a", "b"))
    assert one == other
    assert len(one) > 5000


def test_the_picture_names_methods_and_supports(tmp_path):
    curves.curve_plot(made(), COLUMN, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    for needed in ("high", "oracle (anchor)", "ratings known of a new user"):
        assert f"<!-- {needed} -->" in text


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot draw"):
        curves.curve_plot(made(), COLUMN, tmp_path / "a.gif")
