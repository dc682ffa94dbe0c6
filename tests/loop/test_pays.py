"""Who refuses pays: failures count, for everybody a metric is defined for, and for nobody else."""

import functools
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from planted_runs import Planted
from run_case import make_config

from persongen_bench.core.errors import DataError, PgbenchError
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.metric_cards import every_metric, parse_metric
from persongen_bench.core.metric_values import MetricRefusedError, checked
from persongen_bench.core.roles import open_role
from persongen_bench.loop import score
from persongen_bench.loop.score import unit_values
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import mean_per_unit, rows_by_unit
from persongen_bench.metrics.taste._pool import Ranked, retrieved
from persongen_bench.metrics.variety.vendi import vendi_score

INFOS = {name: parse_metric(name).info for name in every_metric()}
INFOS = {name: info for name, info in INFOS.items() if info.reads == "image"}
RANKING = [name for name, info in INFOS.items() if info.can_rank]
"""Those that count a failure as the worst there is."""
LEFT_OUT = {
    # a failure counts a poor mark, but no mark is the worst
    "aesthetic", "lpips", "lpips-vgg",
    # places in a catalogue of any size: no worst number
    "rank-change@raw",
    # numbers of all images together: no image has a value of its own
    "cmmd", "coverage", "density", "fd", "fd-infinity", "fid", "kid", "manifold-precision",
    "manifold-recall",
    # of the data or of the verifier, whatever was made
    "base-rate", "taste-auc", "verifier-auc", "verifier-brier", "verifier-ece",
    "verifier-test-auc", "verifier-user-auc",
    # neither end is better
    "aesthetics-correlation", "aesthetics-r2", "verifier-train-auc",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def planted():
    return Planted()


def test_every_metric_that_can_have_a_worst_value_counts_failures_as_it():
    without = {name for name in INFOS if name not in RANKING}
    assert without == {
        name for name in INFOS if name in LEFT_OUT or name.partition("@")[0] in LEFT_OUT
    }
    assert INFOS["taste-gap"].failed_value == -1.0
    assert INFOS["copy-rate"].failed_value == INFOS["reidentification@1"].failed_value == 1.0
    assert INFOS["vendi"].failed_value == 1.0
    assert INFOS["precision.union@1"].failed_value == 0.0


# --- refusing never pays ----------------------------------------------------------------------


def better(name, some, whole):
    """By how much the first is better, in the metric's direction; 0 where both are undefined."""
    gap = (whole - some) if INFOS[name].direction == "lower" else (some - whole)
    return np.nan_to_num(gap, nan=0.0)


@functools.cache
def likest_and_all(seed):
    """Everything one planted generator makes, and the likest alone; all metrics see the same."""
    planted = Planted(seed=seed)
    if seed:
        planted.world = likest_and_all(0)[0].world  # what metrics are defined for is found once
    kept = planted.likest()
    return planted.evaluation(), planted.evaluation(lambda s: s.sample_id in kept)


@pytest.mark.parametrize("name", RANKING)
def test_keeping_the_one_image_that_is_likest_to_the_history_never_pays(name):
    """Three planted generators; of nine images the refuser delivers one of each user."""
    metric = parse_metric(name)
    for seed in range(3):
        whole, some = (unit_values(metric, run) for run in likest_and_all(seed))
        assert list(some.notna()) == list(whole.notna())
        assert better(name, some.mean(), whole.mean()) <= 1e-9


INSIDE = [name for name in RANKING if INFOS[name].failures != "averaged"]
"""No means over images: unions, pairs, sets."""


@functools.cache
def four():
    return Planted(n_images=4)


@functools.cache
def chosen_of_four(kept):
    """A run that delivers these images of everybody; all metrics see the same."""
    return four().evaluation(lambda s: s.index in kept)


@pytest.mark.parametrize("name", [*INSIDE, "precision@1", "copy-rate", "novelty"])
def test_no_choice_of_images_pays_for_any_user(name):
    """Every subset of four images, user by user; a macro mean is held against its own mean."""
    metric = parse_metric(name)
    whole = unit_values(metric, chosen_of_four(range(4)))
    for size in range(1, 4):
        for kept in combinations(range(4), size):
            some = unit_values(metric, chosen_of_four(kept))
            if INFOS[name].level == "set":
                some, whole_ = some.mean(), whole.mean()
            else:
                whole_ = whole
            assert np.all(better(name, some, whole_) <= 1e-9), kept


def test_dropping_all_but_two_hits_of_one_item_does_not_pay():
    """Nine images: two retrieve one like, seven retrieve seven dislikes: 1 of 8 items, .125.

    The two alone retrieve 1 of 1; averaged with seven zeros that is 2/9 = .222. Each of the seven
    counts as a dislike of its own instead: 1 of 8 again.
    """
    order = np.array([[0], [0], *([k] for k in range(1, 8))])
    liked = np.array([True] + [False] * 7)
    assert retrieved(Ranked(order, liked), 1).union == 1 / 8
    assert retrieved(Ranked(order[:2], liked), 1, n_missing=7).union == 1 / 8


def test_what_failures_count_by_hand(planted):
    """One of nine images delivered of everybody; user-0 delivers nothing."""
    some = planted.evaluation(lambda s: s.index == 0 and s.request.user_id != "user-0")
    whole = planted.evaluation()
    taste = unit_values(parse_metric("true-taste"), some)
    first = [
        planted.world.dataset.taste.utility([planted.pictures[s.sample_id]], [u])[0, 0]
        for u in planted.users
        for s in planted.samples
        if s.request.user_id == u and s.index == 0
    ]
    assert taste["user-0"] == 0.0
    assert taste.to_numpy()[1:] == pytest.approx(np.array(first)[1:] / 9)
    assert unit_values(parse_metric("diversity"), some).tolist() == [0.0] * 6  # no pair
    assert unit_values(parse_metric("vendi"), some).tolist() == [1.0] * 6
    assert unit_values(parse_metric("copy-rate"), some)["user-0"] == 1.0
    assert unit_values(parse_metric("reidentification@1"), some).tolist() == [1.0] * 6
    gap = unit_values(parse_metric("taste-gap"), some)
    assert gap["user-0"] == -1.0
    assert unit_values(parse_metric("taste-gap"), whole).mean() > 0 > gap.mean()


def test_half_of_a_set_counts_half_in_a_geometric_mean(planted):
    """Two of four images: their Vendi score to the power 1/2; the one pair of six."""
    four = Planted(n_images=4)
    role = open_role(four.world.stack, "judge_encoder")
    own = [s for s in four.samples if s.request is four.requests[0]][:2]
    alone = vendi_score(role.encode([four.pictures[s.sample_id] for s in own]))
    some = four.evaluation(lambda s: s.index < 2)
    assert unit_values(parse_metric("vendi"), some)["user-0"] == pytest.approx(alone**0.5)
    two = Planted(n_images=4).evaluation(lambda s: s.index < 2)
    whole = unit_values(parse_metric("diversity"), two)["user-0"]
    a, b = role.encode([four.pictures[s.sample_id] for s in own]).astype(float)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert whole == pytest.approx((1 - cosine) / 6)


# --- for whom a metric is defined --------------------------------------------------------------


def test_an_undefined_metric_is_undefined_for_who_delivers_nothing():
    """Precision@10 of four images; user-0 delivers none. It had 0.000 among dashes."""
    four = Planted(n_images=4)
    refused = four.evaluation(lambda s: s.request.user_id != "user-0")
    for name in ("precision@10", "recall@20", "ms-ssim@history", "cis@reference"):
        assert unit_values(parse_metric(name), refused).isna().all(), name
    assert unit_values(parse_metric("precision@1"), refused)["user-0"] == 0.0


@pytest.mark.parametrize("name", ["cis@held-out", "novelty", "recall@1", "precision.union@1",
                                  "f1.macro@1", "rank-change@top", "ssim@held-out"])  # fmt: skip
def test_a_user_without_held_out_likes_has_no_value_whether_served_or_not(name):
    lost = Planted(n_images=2, dropped_likes=["user-2"])
    metric = parse_metric(name)
    served = unit_values(metric, lost.evaluation())
    refused = unit_values(metric, lost.evaluation(lambda s: s.request.user_id != "user-2"))
    nothing = unit_values(metric, lost.evaluation(lambda s: False))
    for values in (served, refused, nothing):
        assert list(values.index[values.isna()]) == ["user-2"]
    pd.testing.assert_series_equal(served, refused, check_exact=False)
    if INFOS[name].level == "user":
        assert set(nothing.dropna()) == {INFOS[name].failed_value}
    assert nothing.mean() == pytest.approx(INFOS[name].failed_value)


def test_content_that_cannot_be_scored_counts_the_failed_value_in_full(planted):
    """SSIM needs sides of 11: 1 x 1 pictures of user-1 make it undefined, which is no way out."""
    dots = {
        s.sample_id: np.zeros((3, 1, 1), dtype=np.uint8)
        for s in planted.samples
        if s.request.user_id == "user-1"
    }
    metric = parse_metric("ssim@history")
    whole, some = (unit_values(metric, planted.evaluation(pictures=p)) for p in (None, dots))
    assert some["user-1"] == -1.0 < whole["user-1"]
    assert some.drop("user-1").tolist() == whole.drop("user-1").tolist()


def test_the_domain_is_the_same_for_every_run_on_a_world(planted):
    """It is found once, whatever was delivered and with whatever seed the samples are named."""
    planted.world.domains.clear()
    metric = parse_metric("precision@1")
    for user in planted.users[:3]:
        unit_values(metric, planted.evaluation(lambda s, u=user: s.request.user_id != u))
    assert len(planted.world.domains) == 1
    assert set(*planted.world.domains.values()) == set(planted.users)


def test_another_number_of_images_is_another_domain():
    """One image has no pair, so no diversity; four have. The world is one, and remembers."""
    one, four = Planted(n_images=1), Planted(n_images=4)
    four.world = one.world
    metric = parse_metric("diversity")
    for planted, expected in ((one, np.nan), (four, 0.0), (one, np.nan)):
        refused = planted.evaluation(lambda s: s.request.user_id != "user-0")
        assert unit_values(metric, refused)["user-0"] == pytest.approx(expected, nan_ok=True)


class Contrast(Plain):
    """Undefined for a unit whose pictures are all the same."""

    info = MetricInfo("contrast", "quality", "higher", (0.0, 1.0), "share", "here",
                      failed_value=0.0)  # fmt: skip

    def per_unit(self, context):
        shown = {
            unit: {image.tobytes() for image in context.images(rows)}
            for unit, rows in rows_by_unit(context)
        }
        return pd.Series({unit: 1.0 if len(own) > 1 else np.nan for unit, own in shown.items()})


def test_the_pictures_of_a_request_that_stand_in_are_different(planted):
    """So a metric of differences is defined for who delivers nothing, and counts its 0."""
    refused = planted.evaluation(lambda s: s.request.user_id != "user-0")
    assert unit_values(Contrast(), refused).tolist() == [0.0, *[1.0] * 5]


def test_complete_runs_pay_nothing_for_it(planted):
    planted.world.domains.clear()
    unit_values(parse_metric("precision@1"), planted.evaluation())
    assert planted.world.domains == {}


def test_samples_that_are_ours_to_answer_for_give_no_value(planted):
    """Nothing was made of user-0 yet, which is no failure of the method."""
    waiting = planted.evaluation(lambda s: s.request.user_id != "user-0", state="pending")
    values = unit_values(parse_metric("precision@1"), waiting)
    assert list(values.index[values.isna()]) == ["user-0"]


# --- what a metric gives is checked ------------------------------------------------------------

ANNA_BEN = ("anna", "ben")


def card(low=0.0, high=1.0, **more):
    return MetricInfo("mine", "taste", "higher", (low, high), "points", "here", **more)


def series(values, index=ANNA_BEN, dtype=float):
    return pd.Series(values, index=list(index), dtype=dtype)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (series([0.5, 1.2]), r"mine is 1.2 for 'ben', outside its declared range \[0, 1\]"),
        (series([-0.1, 0.2]), "mine is -0.1 for 'anna'"),
        (series([0.5, np.inf]), "mine is inf for 1 units, such as 'ben'"),
        (series([0.5], ["anna"]), "gave no value for 1 of 2 units, such as 'ben'"),
        (series([0.5, 0.5, 0.5], ["anna", "ben", "cleo"]), "1 units that nobody asked for.*'cleo'"),
        (series([0.5, 0.5], ["anna", "anna"]), "two values for 'anna'"),
        (series([0.5, 0.5], [0, 1]), "gave no value for 2 of 2 units"),
        (series(["0.5", "0.5"], dtype=object), "gave values of type object, expected floats"),
        (series([True, False], dtype=bool), "gave values of type bool"),
        (series([1j, 0], dtype=complex), "gave values of type complex128"),
        (np.array([0.5, 0.5]), "gave a ndarray, expected a Series"),
        (None, "gave a NoneType"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_by_name(values, reason):
    with pytest.raises(MetricRefusedError, match=f"(?s).*{reason}"):
        checked(card(), values, ANNA_BEN)


def test_good_values_come_in_the_order_of_the_units():
    found = checked(card(), series([0.25, np.nan], ["ben", "anna"]), ANNA_BEN)
    assert found.index.tolist() == ["anna", "ben"]
    assert np.isnan(found["anna"])
    assert found["ben"] == 0.25
    assert checked(card(), series([1, 0], dtype=int), ANNA_BEN).tolist() == [1.0, 0.0]
    nullable = pd.Series([0.5, None], index=ANNA_BEN, dtype="Float64")
    assert np.isnan(checked(card(), nullable, ANNA_BEN)["ben"])
    assert checked(card(), series([1 + 1e-12, 0.0]), ANNA_BEN)["anna"] > 1  # rounding


def test_of_a_number_of_all_images_the_mean_must_lie_in_the_range():
    spread = series([1.4, 0.2])  # mean .8
    assert checked(card(level="set"), spread, ANNA_BEN).tolist() == [1.4, 0.2]
    with pytest.raises(MetricRefusedError, match=r"mine is 1.1 for 'the mean of all units'"):
        checked(card(level="set"), series([1.4, 0.8]), ANNA_BEN)


class Brightness(Plain):
    """Mean brightness in [0, 1]."""

    info = MetricInfo("brightness", "quality", "higher", (0.0, 1.0), "share", "here",
                      failed_value=0.0)  # fmt: skip
    scale = 1.0

    def per_unit(self, context):
        means = [float(image.mean()) / 255 for image in context.images(range(len(context.samples)))]
        return self.scale * mean_per_unit(context, np.array(means))


class Percent(Brightness):
    """In [0, 100], though it says 1; and an instrument, whose tests are not to be had then."""

    info = MetricInfo("percent", "quality", "higher", (0.0, 1.0), "share", "here",
                      failed_value=0.0)  # fmt: skip
    scale = 100.0

    def scores(self, context, users):
        return np.zeros((len(context.samples), len(users)))


class BadUsersLeftOut(Brightness):
    """Undefined where the images are dark: a value that depends on what was delivered."""

    info = MetricInfo("bright-only", "quality", "higher", (0.0, 1.0), "share", "here",
                      failed_value=0.0)  # fmt: skip

    def per_unit(self, context):
        values = super().per_unit(context)
        return values.where(values > 0.1)


OURS = {"brightness": Brightness, "percent": Percent, "bright-only": BadUsersLeftOut}


def test_the_other_metrics_of_a_run_are_scored(planted, monkeypatch):
    monkeypatch.setattr(score, "parse_metric", lambda name: OURS[name]())
    config = make_config(metrics=("percent", "brightness"))
    summary, table = score.score(planted.evaluation(), config)
    bad, good = summary.metrics["percent"], summary.metrics["brightness"]
    assert (bad.mean, bad.low, bad.high, bad.n_units) == (None, None, None, 0)
    (said,) = bad.caveats
    assert said.startswith("no number: percent is ")
    assert "outside its declared range [0, 1]" in said
    assert good.n_units == 6
    assert 0 < good.mean < 1
    assert table.loc[table["metric"] == "percent", "value"].isna().all()
    assert summary.tests == {}


def test_a_metric_that_drops_who_does_badly_counts_them_as_failed(planted):
    """Black pictures of user-3: left out by the metric, but pictures of the catalogue are not."""
    black = {
        s.sample_id: np.zeros((3, 8, 8), dtype=np.uint8)
        for s in planted.samples
        if s.request.user_id == "user-3"
    }
    values = unit_values(BadUsersLeftOut(), planted.evaluation(pictures=black))
    assert values["user-3"] == 0.0
    assert values.notna().all()


@pytest.mark.parametrize("name", ["precision@1", "reidentification@1", "rank-change@top"])
def test_a_judge_that_gives_no_number_for_a_picture_ends_the_scoring(name, tmp_path, monkeypatch):
    """NaN compares false: one such picture of user-2 made `precision@1` 1.0, without a word."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    planted = Planted(n_images=2)
    broken = next(s for s in planted.samples if s.request.user_id == "user-2")
    judge = type(open_role(planted.world.stack, "judge_encoder"))
    sound = judge.encode

    def encode(self, images):
        rows = np.array(sound(self, images))
        lost = [np.array_equal(image, planted.pictures[broken.sample_id]) for image in images]
        rows[lost] = np.nan
        return rows

    config = make_config(metrics=(name,))
    assert score.score(planted.evaluation(), config)[0].metrics[name].mean is not None
    monkeypatch.setattr(judge, "encode", encode)
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "fresh"))
    with pytest.raises(DataError, match=rf"judge_encoder: 1 of .* NaN.*{broken.sample_id}"):
        score.score(Planted(n_images=2).evaluation(), config)


def test_elsewhere_a_refused_metric_is_an_error_that_names_it(planted):
    with pytest.raises(PgbenchError, match="percent is"):
        unit_values(Percent(), planted.evaluation())


def test_units_are_never_lost(planted):
    """`rows_by_unit` and the values of a run that delivers nothing still name every unit."""
    nothing = planted.evaluation(lambda s: False)
    assert [unit for unit, _ in rows_by_unit(nothing)] == list(planted.users)
    values = unit_values(parse_metric("taste-gap"), nothing)
    assert values.tolist() == [-1.0] * 6


def test_a_log_without_dislikes_says_that_its_numbers_say_nothing(planted):
    """Everything held out is liked, as in a log of clicks: precision is 1 for all images.

    Who likes every neighbour there is cannot judge by it: the gap is undefined for everybody.
    """
    context = Planted(n_images=2, clicks=True).evaluation()
    for name in ("taste-gap@neighbour", "precision@1", "precision.hit@1", "precision.union@1"):
        metric = parse_metric(name)
        assert "no dislikes" in metric.caveats(context)[0], name
        assert not any("no dislikes" in said for said in metric.caveats(planted.evaluation()))
        values = unit_values(metric, context)
        assert values.isna().all() if "gap" in name else set(values) == {1.0}
