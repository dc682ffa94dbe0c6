"""Distribution metrics as metrics: contracts, refusals, caveats, and the spread over users."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import Forms, parse_metric
from persongen_bench.metrics._compared import Compared, compared
from persongen_bench.metrics._sets import (
    infinitesimal_influence,
    jackknife_influence,
    spread_over_units,
)
from persongen_bench.metrics.pictures._frechet import frechet_distance, sampling_floor
from persongen_bench.metrics.pictures.cmmd import Cmmd, cmmd
from persongen_bench.metrics.pictures.fd_infinity import FdInfinity, fd_infinity
from persongen_bench.metrics.pictures.frechet import Fd, Fid
from persongen_bench.metrics.pictures.kid import Kid, kid
from persongen_bench.metrics.pictures.manifold import (
    Coverage,
    Density,
    ManifoldPrecision,
    ManifoldRecall,
)
from persongen_bench.testing.metrics import MetricContract
from persongen_bench.testing.toy_scores import toy_score_context

MODES = ("clean", "tf-legacy", "pytorch")


class TestFidContract(MetricContract):
    metric = Fid


class TestFidLegacyContract(MetricContract):
    metric = Fid
    argument = "tf-legacy"


class TestFdContract(MetricContract):
    metric = Fd


class TestFdInfinityContract(MetricContract):
    metric = FdInfinity


class TestKidContract(MetricContract):
    metric = Kid


class TestCmmdContract(MetricContract):
    metric = Cmmd


class TestCmmdPublishedContract(MetricContract):
    metric = Cmmd
    argument = "v"


class TestManifoldPrecisionContract(MetricContract):
    metric = ManifoldPrecision


class TestManifoldRecallContract(MetricContract):
    metric = ManifoldRecall


class TestDensityContract(MetricContract):
    metric = Density


class TestCoverageContract(MetricContract):
    metric = Coverage


EVERY = [
    Fid.parse("clean"), Fd.parse("inception/pytorch"), FdInfinity.parse("inception/clean"),
    Kid.parse("clean"), Cmmd.parse(None), Cmmd.parse("v"), ManifoldPrecision.parse("3"),
    ManifoldRecall.parse("3"), Density.parse("3"), Coverage.parse("3"),
]  # fmt: skip
every_metric = pytest.mark.parametrize("metric", EVERY, ids=[m.info.name for m in EVERY])


class Few:
    """A context over a toy context of which a method left out images or users."""

    def __init__(self, context, kept):
        self._context = context.reordered(kept)
        self.n_asked = context.n_asked

    def __getattr__(self, name):
        return getattr(self._context, name)


@pytest.fixture
def toy():
    return toy_score_context()


def sets_of(x, y, owners):
    users = tuple(f"u{k}" for k in range(int(max(owners)) + 1))
    return Compared(users, np.asarray(owners), x, y)


@every_metric
def test_the_mean_over_users_is_the_number(metric, toy):
    values = metric.per_unit(toy)
    number, influence = metric.measure(compared(toy, metric.info.roles[0]))
    assert values.mean() == pytest.approx(number, rel=1e-12)
    np.testing.assert_allclose(values - number, influence - influence.mean(), atol=1e-12)
    # Every toy image lies among the eighteen reference images.
    saturated = metric.info.name == "manifold-precision@3"
    assert (values.std() == 0) == saturated
    assert metric.info.level == "set"


@every_metric
def test_the_direction_is_towards_the_reference(metric):
    """Draws from the reference's own distribution are better than those around another axis."""
    rng, owners = np.random.default_rng(0), np.arange(120) % 6
    reference, same, away = (5 * np.eye(4)[axis] + rng.normal(size=(120, 4)) for axis in (0, 0, 1))
    good, bad = (metric.measure(sets_of(x, reference, owners))[0] for x in (same, away))
    assert good != bad
    assert (good > bad) == (metric.info.direction == "higher")


def test_the_numbers_are_those_of_the_pure_functions(toy):
    """Of all toy images and the union of the held-out likes, both from the context."""
    items = sorted({i for liked in toy.test.liked_items.values() for i in liked})
    by_role = {
        role: (toy.features(role), toy.item_features(role, items))
        for role in ("inception/clean", "clip/336")
    }
    expected = {
        "fid@clean": frechet_distance(*by_role["inception/clean"]),
        "kid@clean": kid(*by_role["inception/clean"]),
        "cmmd@u": cmmd(*by_role["clip/336"]),
        "cmmd@v": cmmd(*by_role["clip/336"], "v"),
    }
    found = {m.info.name: m.per_unit(toy).mean() for m in EVERY if m.info.name in expected}
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_reference_set_is_that_of_users_with_samples(toy):
    absent = toy.users[0]
    sets = compared(toy.without(absent), "dino")
    assert absent not in sets.units
    items = sorted({i for u in toy.users[1:] for i in toy.test.liked_items[u]})
    np.testing.assert_array_equal(sets.reference, toy.item_features("dino", items))
    assert sets.sizes == (20, len(items), 32)


def test_an_item_liked_by_several_stands_once_in_the_reference(toy):
    likes = toy.test.interactions
    twin = likes[likes["liked"]].iloc[[0]].assign(user_id=toy.users[-1])
    both = pd.concat([likes, twin], ignore_index=True)
    shared = Shared(toy, View(toy.test.catalog, both))
    item = str(twin["item_id"].iloc[0])
    assert sum(item in liked for liked in shared.test.liked_items.values()) == 2
    assert len(compared(shared, "dino").reference) == len(compared(toy, "dino").reference)


class Shared:
    """The same context with other views."""

    def __init__(self, context, test, train=None):
        self._context, self.test, self.train = context, test, train or context.train

    def __getattr__(self, name):
        return getattr(self._context, name)

    def memo(self, key, make):
        return make()


def ten_plus_ten(context):
    """The context with three held-out likes: as FLICKR-AES's 10+10 split, fewer than dimensions."""
    likes = context.test.interactions
    few = likes[likes["liked"]].iloc[[0, 5, 10]]
    assert few["item_id"].nunique() == 3
    return Shared(context, View(context.test.catalog, few))


def test_fid_prints_against_the_catalogue_where_the_held_out_likes_are_too_few(toy):
    """3 held-out likes in 3 dimensions are refused; of the whole catalogue there is a number."""
    few = ten_plus_ten(toy)
    for name in ("clean", "clean-held-out"):
        assert Fid.parse(name).per_unit(few).isna().all()
        assert "24 generated and 3 reference images" in Fid.parse(name).caveats(few)[0]
    role, items = "inception/clean", sorted(toy.world.dataset.catalog.ids)
    expected = frechet_distance(toy.features(role), toy.item_features(role, items))
    found = Fid.parse("clean-catalogue").per_unit(few)
    assert found.mean() == pytest.approx(expected, rel=1e-9)


def test_all_likes_are_those_of_everybody_in_training_and_held_out(toy):
    """Also of users without samples; an item liked by two stands once; the catalogue has more."""
    rows = toy.train.interactions
    train = View(toy.train.catalog, rows[rows["user_id"] == toy.users[1]])
    liked = {i for view in (train, toy.test) for own in view.liked_items.values() for i in own}
    assert {i for own in toy.test.liked_items.values() for i in own} < liked
    assert liked < set(toy.catalogue_ids)
    for delivered in (toy, toy.without(toy.users[1])):
        context = Shared(delivered, toy.test, train)
        sets = compared(context, "dino", "likes")
        np.testing.assert_array_equal(sets.reference, toy.item_features("dino", sorted(liked)))
        assert len(compared(context, "dino", "catalogue").reference) == 48


@every_metric
@pytest.mark.parametrize(("name", "signed"), [("likes", "all-likes"), ("catalogue", "catalogue")])
def test_a_reference_set_is_named_wherever_the_number_is(metric, name, signed, toy):
    own = metric.info.name.partition("@")[2]
    other = type(metric).parse(f"{own}-{name}")
    assert other.info.name == f"{metric.info.name}-{name}"
    plain, text = metric.signature(toy), other.signature(toy)
    assert "|sets:pooled-samples,held-out-likes|" in plain
    assert text == plain.replace("held-out-likes", signed).replace(
        metric.info.name, f"{metric.info.name}-{name}"
    )
    sets = compared(toy, metric.info.roles[0], name)
    assert other.per_unit(toy).mean() == pytest.approx(metric.measure(sets).number, rel=1e-12)
    (said,) = (s for s in other.caveats(toy) if "the reference is" in s)
    assert f", {len(sets.reference)} images, with the training items among them: copies" in said
    assert not any("the reference is" in said for said in metric.caveats(toy))


@every_metric
def test_the_held_out_likes_are_the_default_under_its_old_name(metric, toy):
    own = metric.info.name.partition("@")[2]
    named = type(metric).parse(f"{own}-held-out")
    assert (named.info, named.signature(toy)) == (metric.info, metric.signature(toy))
    pd.testing.assert_series_equal(named.per_unit(toy), metric.per_unit(toy))


def test_signatures_of_held_out_likes_are_those_of_runs_before(toy):
    """As docs/metrics.md had them before there were other reference sets."""
    fid, precision = Fid.parse("clean"), ManifoldPrecision.parse("3")
    assert fid.signature(Forms()) == (
        "fid@clean|in:u8|inception/clean:<inception/clean>|sets:pooled-samples,held-out-likes"
        "|estimator:plug-in|cov:n-1|float64|spread:infinitesimal-jackknife|impl:1"
    )
    assert precision.signature(Forms()) == (
        "manifold-precision@3|in:u8|judge_encoder:<judge_encoder>"
        "|sets:pooled-samples,held-out-likes|unit-rows|euclidean|closed-balls|float64"
        "|spread:leave-one-out|impl:1"
    )


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("fid@clean-catalogue", "fid@clean-catalogue"),
        ("fd@inception/tf-legacy-likes", "fd@inception/tf-legacy-likes"),
        ("cmmd@catalogue", "cmmd@u-catalogue"),
        ("cmmd@v-likes", "cmmd@v-likes"),
        ("cmmd@held-out", "cmmd@u"),
        ("density@5-catalogue", "density@5-catalogue"),
    ],
)
def test_the_reference_set_stands_last(given, name):
    assert parse_metric(given).info.name == name


@pytest.mark.parametrize(
    "wrong", ["fid@clean-everything", "fid@likes", "kid@clean-", "fd@dino-catalog", "cmmd@likes-v",
              "density@catalogue", "coverage@5-likes-likes", "fd-infinity@-likes"],
)  # fmt: skip
def test_a_wrong_reference_set_is_told_which_there_are(wrong):
    with pytest.raises(ConfigError, match="-held-out, -likes, -catalogue"):
        parse_metric(wrong)


def test_a_copier_does_well_against_the_catalogue_alone(toy):
    """Copies of training likes: nearer to the catalogue than to what is held out."""
    likes = [item for own in toy.train.liked_items.values() for item in own]
    pictures = tuple(toy.item_images((likes * 9)[: len(toy.samples)]))
    copier = replace(toy, pictures=pictures, _memo={})
    numbers = {s: Fid.parse(f"clean-{s}").per_unit(copier).mean() for s in ("held-out", "likes")}
    assert numbers["likes"] < numbers["held-out"]


@every_metric
def test_users_without_samples_are_nan_and_the_others_are_scored(metric):
    toy = toy_score_context(n_images=8)
    absent = toy.users[2]
    values = metric.per_unit(Few(toy, np.flatnonzero(toy.samples["user_id"] != absent)))
    if metric.info.name.startswith("fd-infinity"):
        assert values.notna().sum() in (0, 5)
    else:
        assert values.notna().sum() == 5
    assert np.isnan(values[absent])


@every_metric
def test_too_few_images_are_refused_with_a_reason(metric, toy):
    """One image each of two users: no number, and the caveat says why."""
    few = Few(toy, [0, 5])
    assert metric.per_unit(few).isna().all()
    (said,) = metric.caveats(few)
    assert said.startswith("no number: 2 generated")


@every_metric
def test_no_images_at_all_are_refused(metric, toy):
    none = Few(toy, [])
    assert metric.per_unit(none).isna().all()
    assert metric.caveats(none)[0].startswith("no number: 0 generated")


@every_metric
def test_one_user_alone_has_a_number(metric):
    """Leaving out the only user leaves nothing; the number stands without a spread."""
    toy = toy_score_context(n_images=12)
    own = np.flatnonzero(toy.samples["user_id"] == toy.users[0])
    few = Few(toy, own)
    sets = compared(few, metric.info.roles[0])
    many = Compared(
        sets.units, sets.owners, sets.generated, compared(toy, metric.info.roles[0]).reference
    )
    number, influence = metric.measure(many)
    assert np.isfinite(number)
    assert influence == pytest.approx([0.0], abs=1e-9 * max(1, abs(number)))


@every_metric
def test_undelivered_images_are_pointed_out(metric):
    toy = toy_score_context(n_images=5)
    few = Few(toy, range(29))
    assert any("n=29 of 30 images asked for" in said for said in metric.caveats(few))
    assert not any("asked for" in said for said in metric.caveats(toy))


@every_metric
def test_images_are_pooled_over_users(metric, toy):
    """Handing all images to other users leaves the number: these metrics are blind to taste."""
    sets = compared(toy, metric.info.roles[0])
    shuffled = Compared(sets.units, sets.owners, np.roll(sets.generated, 4, axis=0), sets.reference)
    expected = metric.measure(sets).number
    assert metric.measure(shuffled).number == pytest.approx(expected, rel=1e-9)


def test_e10_a_frechet_distance_of_few_images_is_refused():
    """32 dimensions and 24 images: 290 instead of 0 is what libraries print at such sizes."""
    toy = toy_score_context()
    for metric in (Fd.parse("judge_encoder"), FdInfinity.parse("judge_encoder")):
        assert metric.per_unit(toy).isna().all()
        (said,) = metric.caveats(toy)
        assert "24 generated and 18 reference images of 32 dimensions" in said
        assert "use cmmd or kid" in said


def test_e10_the_bias_stands_beside_a_frechet_distance(toy):
    (said,) = Fid.parse("clean").caveats(toy)
    assert "n=24 generated and m=18 reference images of 3 dimensions" in said
    reference = compared(toy, "inception/clean").reference
    floor = sampling_floor(np.cov(reference, rowvar=False), 24, 18)
    assert f"would score about {floor:.3g};" in said
    rng = np.random.default_rng(0)
    many = sets_of(rng.standard_normal((60, 3)), rng.standard_normal((60, 3)), [0] * 60)
    assert Fid.parse("clean").cautions(many, 1.0) == []


def test_the_bias_stands_beside_the_published_cmmd(toy):
    (said,) = Cmmd.parse("v").caveats(toy)
    v, u = (Cmmd.parse(e).per_unit(toy).mean() for e in ("v", "u"))
    assert f"{v - u:.3g} of the number is bias" in said
    assert Cmmd.parse("u").caveats(toy) == []


def test_e16_every_number_is_the_same_twice():
    for metric in EVERY:
        first = metric.per_unit(toy_score_context())
        np.random.seed(5)  # noqa: NPY002
        pd.testing.assert_series_equal(metric.per_unit(toy_score_context()), first)


@pytest.mark.parametrize(("cls", "name"), [(Fid, "fid"), (Kid, "kid")])
def test_e08_there_is_no_default_mode(cls, name):
    """A default changed silently in a library; the mode is part of the name and the signature."""
    with pytest.raises(ConfigError, match=f"{name} names no input mode.*clean, tf-legacy, pytorch"):
        cls.parse(None)
    for wrong in ("legacy_pytorch", "Clean", "64"):
        with pytest.raises(ConfigError, match="no input mode"):
            cls.parse(wrong)
    context = toy_score_context()
    signatures = [cls.parse(mode).signature(context) for mode in MODES]
    assert len(set(signatures)) == 3
    for mode, signature in zip(MODES, signatures, strict=True):
        assert signature.startswith(f"{name}@{mode}|")
        assert context.encoder_signature(f"inception/{mode}") in signature


@pytest.mark.parametrize("cls", [Fd, FdInfinity])
@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        (None, "needs an image space"),
        ("captioner", "needs an image space"),
        ("dino/", "needs an image space"),
        ("image_encoder", "space methods draw in"),
        ("inception", "names no input mode"),
        ("inception/antialias", "no input mode 'antialias'"),
    ],
)
def test_e18_spaces_that_are_none_are_refused(cls, argument, reason):
    with pytest.raises(ConfigError, match=reason):
        cls.parse(argument)


@pytest.mark.parametrize("cls", [ManifoldPrecision, ManifoldRecall, Density, Coverage])
@pytest.mark.parametrize("argument", [None, "0", "-1", "2.5", "k"])
def test_e18_neighbours_are_a_whole_number(cls, argument):
    with pytest.raises(ConfigError, match="count"):
        cls.parse(argument)


def clustered(n_users, seed, d=4):
    """Users with tastes of their own and unequal numbers of images; a reference for all."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(n_users), rng.integers(3, 9, n_users))
    x = rng.standard_normal((len(owners), d)) + 0.7 * rng.standard_normal((n_users, d))[owners]
    return x, rng.standard_normal((150, d)) + 0.2, owners


@pytest.mark.parametrize("n_users", [30, 120, 480])
def test_the_influence_of_users_is_that_of_leaving_them_out(n_users):
    """Infinitesimal against exact jackknife: they approach each other as 1 / users."""
    x, y, owners = clustered(n_users, seed=0)
    number, influence = Fid.parse("clean").measure(sets_of(x, y, owners))
    without = np.array([frechet_distance(x[owners != u], y) for u in range(n_users)])
    exact = jackknife_influence(number, without)
    exact -= exact.mean()
    error = np.std(influence - exact) / exact.std()
    assert error < 8 / n_users
    assert influence.std() == pytest.approx(exact.std(), rel=5 / n_users)
    assert influence.mean() == pytest.approx(0, abs=1e-9)


def test_the_standard_error_is_that_of_new_users():
    """Sampling users anew: the spread of the number is what the spread over users says."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((200, 3))
    numbers, errors = [], []
    for _ in range(150):
        means = 0.6 * rng.standard_normal((40, 3)) + 0.3
        x = np.repeat(means, 4, axis=0) + rng.standard_normal((160, 3))
        owners = np.repeat(np.arange(40), 4)
        number, influence = Fid.parse("clean").measure(sets_of(x, y, owners))
        numbers.append(number)
        errors.append(influence.std(ddof=1) / np.sqrt(40))
    # The sampling error of a standard deviation of 150 draws is 6 percent.
    assert np.mean(errors) == pytest.approx(np.std(numbers), rel=0.2)


def test_the_influence_on_fd_infinity_follows_the_plain_one():
    x, y, owners = clustered(60, seed=0)
    plain = Fid.parse("clean").measure(sets_of(x, y, owners))
    infinite = FdInfinity.parse("dino").measure(sets_of(x, y, owners))
    assert np.corrcoef(plain.influence, infinite.influence)[0, 1] > 0.5
    assert infinite.number == fd_infinity(x, y).distance


def test_influences_of_a_mean_by_hand():
    """Values 1, 3 of user 0 and 8 of user 1: mean 4, n = 3."""
    found = infinitesimal_influence(np.array([1.0, 3.0, 8.0]) - 4, np.array([0, 0, 1]))
    np.testing.assert_allclose(found, [2 * (-3 - 1) / 3, 2 * 4 / 3])
    assert jackknife_influence(4.0, np.array([8.0, 2.0])).tolist() == [-4.0, 2.0]
    assert jackknife_influence(4.0, np.array([np.nan])).tolist() == [0.0]


def test_a_spread_keeps_absent_users_undefined(toy):
    influence = {toy.users[0]: 3.0, toy.users[1]: 1.0}
    values = spread_over_units(toy, 10.0, influence)
    assert values[list(toy.users[:2])].tolist() == [11.0, 9.0]
    assert values[list(toy.users[2:])].isna().all()


@pytest.mark.parametrize("n_generated", [40, 80, 320])
def test_unbiased_numbers_do_not_move_with_n_and_frechet_does(n_generated):
    """One distribution, reference of 80: KID, CMMD and FD-infinity are 0 at every n."""
    found = {name: [] for name in ("kid", "cmmd", "fd-infinity", "fid")}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((n_generated, 8)), rng.standard_normal((80, 8))
        found["kid"].append(kid(x, y))
        found["cmmd"].append(cmmd(x, y))
        found["fd-infinity"].append(fd_infinity(x, y).distance)
        found["fid"].append(frechet_distance(x, y))
    for name in ("kid", "cmmd", "fd-infinity"):
        error = np.std(found[name]) / np.sqrt(40)
        # What FD-infinity's line leaves of order 1/n^2: -.053 (.013) over 120 seeds of n = 320.
        slack = 0.053 if name == "fd-infinity" else 0
        assert abs(np.mean(found[name])) < slack + 3.5 * error, name
    assert np.mean(found["fid"]) > 0.2
