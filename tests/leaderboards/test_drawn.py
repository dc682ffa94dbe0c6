"""`pgbench figure`: what is drawn are the numbers of the runs, in the same bytes every time."""

import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from persongen_bench.api.figures import KINDS, figure
from persongen_bench.cli.app import app
from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.leaderboards.drawn import tables
from persongen_bench.leaderboards.drawn.maps import laid_out
from persongen_bench.leaderboards.drawn.pairs import Points, explained
from persongen_bench.leaderboards.drawn.rocs import draw_rocs
from persongen_bench.leaderboards.drawn.settings import without
from persongen_bench.leaderboards.drawn.users import ranks_of
from persongen_bench.leaderboards.figures import figure_at
from persongen_bench.loop.schema import Null, TestSummary
from persongen_bench.stats import roc

N = 12
NULL = Null(
    mean=0.4, sd=0.01, quantiles={"0.025": 0.38, "0.5": 0.4, "0.975": 0.42},
    edges=(0.37, 0.39, 0.41, 0.43), counts=(150, 700, 150),
)  # fmt: skip
PROMPTS = ("", "high quality photo", "Realistic image, finely detailed, with balance")


def values(level, order):
    spread = np.random.default_rng(order).normal(0, 0.03, N)
    taste = np.clip(level + spread, 0, 1)
    return {"true-taste": taste, "verifier": taste / 2, "aesthetic@v2": 5 + taste,
            "recall@20": taste / 1000, "cmmd@v": np.full(N, 0.5)}  # fmt: skip


def with_tests(run):
    test = TestSummary(
        statistic=0.46, p_value=1 / 1001, n_permutations=1000, instrument="verifier",
        reading="median of users' means", n_images=300, null=NULL,
    )  # fmt: skip
    tests = {"permutation.block": test.model_copy(update={"null": None})}
    tests |= {f"permutation.{name}@verifier": test for name in ("block", "image")}
    return replace(run, summary=run.summary.model_copy(update={"tests": tests}))


@pytest.fixture(scope="module")
def made(run_builder):
    build_run = run_builder
    runs = [
        with_tests(build_run("vlm-persona", values(0.6, 0))),
        build_run("lora-user", values(0.5, 1)),
    ]
    runs += [build_run("rebeca", values(0.7, seed), seed=seed, config={"scale": 7.0})
             for seed in (0, 1)]  # fmt: skip
    runs.append(build_run("copy-history", values(0.65, 3), anchor=True))
    for k, (a, b) in enumerate((a, b) for a in (1, 3) for b in (2, 5, 8)):
        runs.append(build_run(f"in-context[scale={a},steps={b}]", values(0.3 + 0.02 * k, 10 + k)))
    for k, prompt in enumerate(PROMPTS):
        for a in (1, 3):
            config = {"scale": a, "prompt": prompt}
            label = f"rebeca-v1[prompt={prompt},scale={a}]"
            runs.append(build_run(label, values(0.4 + 0.05 * a, 30 + k), name="rebeca-v1",
                                  config=config))  # fmt: skip
    return runs


@pytest.fixture
def drawing(made, monkeypatch, tmp_path):
    """Draws one kind of the synthetic runs."""
    monkeypatch.setattr(tables, "gather", lambda folder: (made, []))

    def draw(kind, name="figure.svg", **asked):
        return figure(kind, "runs", tmp_path / name, **asked)

    return draw


FEW = {"methods": ("vlm-persona", "lora-user", "copy-history")}
ASKED = {
    "null": {"methods": ("vlm-persona",)},
    "box": {**FEW, "metrics": ("verifier", "recall@20")},
    "ranks": {"methods": FEW["methods"][:2]},
    "heat": {"metrics": ("verifier", "aesthetic@v2"), "over": ("scale", "steps")},
    "curve": {"metrics": ("verifier", "cmmd@v"), "over": ("scale",)},
    "prompts": {"methods": ("rebeca-v1",), "over": ("scale",)},
    "scatter": {**FEW, "metrics": ("aesthetic@v2", "verifier")},
}
OPENS = {"map", "roc"}
"""Kinds that open pictures: tested in `test_drawn_pictures.py`."""


def words(path):
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"), re.S)


def test_every_kind_is_tested():
    assert set(KINDS) == set(ASKED) | OPENS


@pytest.mark.parametrize("kind", ASKED)
def test_every_figure_says_what_it_is_of_and_is_the_same_every_time(drawing, kind):
    first, second = (drawing(kind, f"{name}.svg", **ASKED[kind]) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    text = " ".join(words(first))
    assert "Controlled world with known taste (dSprites)" in text  # the board
    assert "dsprites, split default (seed 0), stack sprites; 12 users, 25 images a request" in text
    assert re.search("95% (of the null|interval)", text)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_other_files_are_reproducible_too(drawing, suffix):
    paths = [drawing("box", f"{name}{suffix}", **ASKED["box"]) for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


# --- what the figures show --------------------------------------------------------------------


def test_the_null_shows_the_observed_value_its_z_and_what_was_tested(drawing):
    text = " ".join(words(drawing("null", methods=("vlm-persona",), test="*image*")))
    # z by hand: (0.46 - 0.40) / 0.01
    assert "observed 0.46, z = 6.00" in text
    assert "p = 0.0010" in text
    assert "image@verifier: median of users' means" in text
    assert "B = 1000, 300 images" in text
    assert "block@verifier" not in text


def test_tests_without_a_null_are_not_drawn(drawing):
    text = " ".join(words(drawing("null")))
    assert text.count("observed 0.46") == 2  # of three tests of one run, two keep it


def calls_of(monkeypatch, name, draw_it):
    from matplotlib.axes import Axes

    seen, real = [], getattr(Axes, name)

    def noted(self, *given, **options):
        seen.append((given, options))
        return real(self, *given, **options)

    monkeypatch.setattr(Axes, name, noted)
    draw_it()
    return seen


def test_boxes_are_quartiles_in_the_unit_of_the_board(drawing, made, monkeypatch):
    asked = {"methods": ("lora-user",), "metrics": ("recall@20",)}
    bars = calls_of(monkeypatch, "barh", lambda: drawing("box", **asked))
    own = values(0.5, 1)["recall@20"] * 1000  # the board prints recall in units of 1e-3
    q1, q3 = np.quantile(own, [0.25, 0.75])
    (_, width), options = bars[0]
    assert (options["left"], width) == pytest.approx((q1, q3 - q1))


def test_the_diamond_is_the_mean_with_the_interval_of_the_run(drawing, made, monkeypatch):
    asked = {"methods": ("lora-user",), "metrics": ("verifier",)}
    drawn = calls_of(monkeypatch, "errorbar", lambda: drawing("box", **asked))
    number = next(r for r in made if r.config.method.label == "lora-user").summary.metrics[
        "verifier"
    ]
    ((mean,), _), options = drawn[0]
    (below,), (above,) = options["xerr"]
    assert (mean, mean - below, mean + above) == pytest.approx(
        (number.mean, number.low, number.high)
    )


def test_equal_values_share_the_better_rank():
    given = np.array([[0.9, 0.2, 0.5], [0.1, 0.2, 0.7], [0.5, 0.1, 0.6]])
    best = [[1, 1, 3], [3, 1, 1], [2, 3, 2]]  # by hand, columns are users
    assert ranks_of(given, higher=True).tolist() == best
    assert ranks_of(given, higher=False).tolist() == [[3, 2, 1], [1, 2, 3], [2, 1, 2]]


def test_ranks_are_of_methods_by_user(drawing):
    text = " ".join(words(drawing("ranks", **ASKED["ranks"])))
    first = np.mean(values(0.6, 0)["true-taste"] > values(0.5, 1)["true-taste"])
    assert f"{1 + (1 - first):.2f} [" in text  # mean rank of two methods without ties


def test_the_heat_map_holds_every_mean_and_says_what_was_not_run(drawing, made, monkeypatch):
    text = words(drawing("heat", metrics=("verifier",), over=("scale", "steps")))
    for k in range(6):
        mean = values(0.3 + 0.02 * k, 10 + k)["verifier"].mean()
        assert f"{mean:.3f}" in text
    assert "not run" not in text
    some = [r for r in made if r.config.method.label != "in-context[scale=3,steps=8]"]
    monkeypatch.setattr(tables, "gather", lambda folder: (some, []))
    assert "not run" in words(drawing("heat", metrics=("verifier",), over=("scale", "steps")))


def test_options_are_found_where_none_are_named(drawing):
    assert "in-context: true-taste" in words(drawing("heat"))  # scale and steps vary
    assert "steps" in words(drawing("curve"))  # three values, more than scale has


def test_a_curve_has_the_means_in_order_and_a_band(drawing, monkeypatch):
    asked = {"methods": ("in-context*",), "over": ("steps",)}
    bands = calls_of(monkeypatch, "fill_between", lambda: drawing("curve", **asked))
    assert len(bands) == 2  # one for each value of scale
    for (x, low, high), _ in bands:
        assert list(x) == [2, 5, 8]
        assert (np.asarray(low) < np.asarray(high)).all()


def test_a_row_that_has_the_value_by_default_joins_the_curve(drawing, made, monkeypatch, make_run):
    more = [*made, make_run("rebeca[scale=9]", values(0.75, 50), config={"scale": 9.0})]
    monkeypatch.setattr(tables, "gather", lambda folder: (more, []))
    asked = {"methods": ("rebeca", "rebeca[*"), "over": ("scale",)}
    (band,) = calls_of(monkeypatch, "fill_between", lambda: drawing("curve", **asked))
    assert list(band[0][0]) == [7, 9]  # `rebeca` itself has 7 in its configuration


def test_prompts_make_a_curve_each(drawing):
    text = words(drawing("prompts", **ASKED["prompts"]))
    assert "prompt: none" in text
    assert "prompt: high quality photo" in text
    assert any(t.startswith("prompt: Realistic image, finely detailed, with") for t in text)


@pytest.mark.parametrize(
    ("label", "rest"),
    [
        ("m[a=1,b=x]", "m[b=x]"), ("m[b=x,a=1e-3]", "m[b=x]"), ("m[a=-2.5]", "m"),
        ("m[aa=1]", "m[aa=1]"), ("m[p=one, two,a=3,q=z]", "m[p=one, two,q=z]"),
        ("m[a=x]", "m[a=x]"),
    ],
)  # fmt: skip
def test_a_label_without_an_option(label, rest):
    assert without(label, "a") == rest


def test_r_squared_is_that_of_a_straight_line_and_its_interval_resamples_users():
    rng = np.random.default_rng(5)
    owner = np.repeat(np.arange(40), 5)
    x = rng.normal(size=200)
    y = 0.7 * x + rng.normal(size=200)
    found = explained(Points(x, y, owner))
    assert found.value == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert found.low < found.value < found.high
    # users that say the same five times are one observation each: as wide as without the copies
    once = explained(Points(x[::5], y[::5], np.arange(40)))
    copied = explained(Points(np.repeat(x[::5], 5), np.repeat(y[::5], 5), owner))
    assert copied.value == pytest.approx(once.value)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.15)


def test_a_flat_metric_explains_nothing_that_can_be_said():
    found = explained(Points(np.ones(9), np.arange(9.0), np.arange(9)))
    assert np.isnan(found.value)


def test_a_map_keeps_groups_apart_and_is_the_same_every_time():
    rng = np.random.default_rng(0)
    centres = np.eye(8)[[0, 3, 6]]
    vectors = np.repeat(centres, 20, axis=0) + 0.05 * rng.normal(size=(60, 8))
    first, second = laid_out(vectors), laid_out(vectors)
    assert (first == second).all()
    group = np.repeat(np.arange(3), 20)
    gaps = np.linalg.norm(first[:, None] - first[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (group[gaps.argmin(axis=1)] == group).all()  # everybody's nearest is of the own group


def test_a_roc_is_drawn_with_its_band_and_area(tmp_path):
    rng = np.random.default_rng(1)
    labels = rng.random(300) < 0.4
    curve = roc(labels + rng.normal(size=300), labels, np.repeat(np.arange(30), 10), rng)
    with figure_at(tmp_path / "roc.svg", (4, 4)) as drawn:
        draw_rocs(drawn.add_subplot(), "verifier", {"train": curve})
    text = " ".join(words(tmp_path / "roc.svg"))
    assert f"AUC {curve.auc:.3f} [{curve.auc_low:.3f}, {curve.auc_high:.3f}]" in text


# --- what cannot be drawn ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        ("pie", {}, "there is no figure 'pie'. Figures are: null, box"),
        ("box", {"over": ("scale",)}, "figure box does not read over"),
        ("box", {"metrics": ("cmmd@v",)}, "cmmd@v is a number of all pictures together"),
        ("box", {"metrics": ("novelty",)}, "no table has novelty. .*pgbench score RUN --metric n"),
        ("box", {"methods": ("nobody",)}, "no row fits nobody"),
        ("null", {"methods": ("lora-user",)}, "keeps the null .*pgbench score RUN --permute v"),
        ("ranks", {"methods": ("lora-user",)}, "ranks need two methods"),
        ("ranks", {}, "too many for one figure, at most 8"),
        ("heat", {"over": ("scale", "level")}, "values of both .*--sweep scale=1,3 --sweep l"),
        ("heat", {"methods": ("lora-user",)}, "needs 2 numeric options .*there are none"),
        ("curve", {"over": ("level",)}, "no two rows differ in level alone"),
        ("prompts", {"over": ("scale",), "by": "steps", "methods": ("lora-user",)}, "no two rows"),
        ("scatter", {}, "a scatter is of two metrics, not 0"),
        ("scatter", {"metrics": ("verifier", "true-taste"), "each": "dog"}, "a point is no 'dog'"),
        ("roc", {"metrics": ("novelty",)}, "novelty is no verifier"),
    ],
)  # fmt: skip
def test_what_is_lacking_is_one_line(drawing, tmp_path, kind, asked, message):
    with pytest.raises(ConfigError, match=message):
        drawing(kind, **asked)
    assert not list(tmp_path.iterdir())


def test_no_runs_and_other_endings(drawing, monkeypatch):
    with pytest.raises(ConfigError, match=r"Endings are: \.png, \.pdf, \.svg"):
        drawing("box", "figure.gif")
    monkeypatch.setattr(tables, "gather", lambda folder: ([], []))
    with pytest.raises(RunError, match="no complete run of board controlled"):
        drawing("box", board="controlled")


def test_the_command_draws_and_refuses_in_one_line(made, monkeypatch, tmp_path):
    monkeypatch.setattr(tables, "gather", lambda folder: (made, []))
    file = tmp_path / "box.png"
    words = ["figure", "box", "runs", "--output", str(file), "--metric", "verifier"]
    done = CliRunner().invoke(app, [*words, "-m", "lora-user"])
    assert done.exit_code == 0, done.output
    assert file.stat().st_size > 3000
    done = CliRunner().invoke(app, [*words, "--by", "prompt"])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: figure box does not read by.")
    assert done.stderr.count("\n") == 1
