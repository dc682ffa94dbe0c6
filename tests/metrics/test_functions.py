"""Metrics as functions on arrays: the numbers of the metric classes, and one-line errors."""

import subprocess
import sys

import numpy as np
import prdc
import pytest
from refusals import refused

from persongen_bench import metrics
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.roles import open_role
from persongen_bench.metrics import functions
from persongen_bench.metrics._compared import compared
from persongen_bench.metrics._space import ROLE, unit_rows
from persongen_bench.metrics.risk.copy_rate import EXACT, THRESHOLD, copy_threshold
from persongen_bench.testing import toy_score_context

CONTEXT = toy_score_context()
USER = CONTEXT.users[0]
OWN = np.flatnonzero((CONTEXT.samples["user_id"] == USER).to_numpy())


def sets(role):
    """All generated and all reference rows, as metrics of all images compare them."""
    found = compared(CONTEXT, role)
    return found.generated, found.reference


def number(name):
    return float(parse_metric(name).per_unit(CONTEXT).mean())


def of_user(name):
    return float(parse_metric(name).per_unit(CONTEXT)[USER])


def rows(role=ROLE):
    return CONTEXT.features(role)[OWN]


def items(which, role=ROLE):
    return CONTEXT.item_features(role, which)


def test_distances_of_sets_are_those_of_the_metrics():
    inception, wide = sets("inception/clean"), sets("clip/336")
    expected = {
        "fid@clean": metrics.fid(*inception),
        "fd@inception/clean": metrics.fd(*inception),
        "fd-infinity@inception/clean": metrics.fd_infinity(*inception),
        "kid@clean": metrics.kid(*inception),
        "cmmd@u": metrics.cmmd(*wide),
        "cmmd@v": metrics.cmmd(*wide, "v"),
    }
    for name, value in expected.items():
        assert number(name) == pytest.approx(value, rel=1e-9), name


def test_manifolds_are_those_of_the_metrics_and_of_prdc():
    unit = [unit_rows(part) for part in sets(ROLE)]
    found = metrics.precision_recall(*unit, k=3)
    for name in ("precision", "recall"):
        assert number(f"manifold-{name}@3") == pytest.approx(getattr(found, name), rel=1e-9)
    for name in ("density", "coverage"):
        assert number(f"{name}@3") == pytest.approx(getattr(found, name), rel=1e-9)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)), rng.normal(size=(30, 5))
    theirs = prdc.compute_prdc(real_features=y, fake_features=x, nearest_k=4)
    assert metrics.precision_recall(x, y, k=4)._asdict() == pytest.approx(theirs)


def test_numbers_of_one_users_images_are_those_of_the_metrics():
    history = CONTEXT.train.liked_items[USER]
    likes = CONTEXT.test.liked_items[USER]
    n = min(len(history), len(likes))
    assert metrics.vendi(rows()) == of_user("vendi")
    assert metrics.diversity(rows()) == of_user("diversity")
    assert metrics.mean_cosine(rows("clip"), items(history, "clip")) == of_user("cis@history")
    threshold = copy_threshold(CONTEXT)
    assert metrics.copy_rate(rows(), items(history), threshold) == of_user("copy-rate")
    assert THRESHOLD < threshold < EXACT  # in the toy world pictures of one hue are alike
    assert len(history) != n == len(likes)  # so that sets of unlike sizes are compared
    assert metrics.novelty(rows(), items(likes), items(history)) == of_user("novelty")


def test_numbers_of_pictures_are_those_of_the_metrics():
    history = CONTEXT.train.liked_items[USER]
    pictures, targets = CONTEXT.images(OWN), CONTEXT.item_images(history)
    pairs = [(a, b) for a in pictures for b in targets]
    first, second = (np.stack(part) for part in zip(*pairs, strict=True))
    assert metrics.ssim(first, second).mean() == pytest.approx(of_user("ssim@history"))
    found = metrics.ms_ssim(first, second, n_scales=1)
    assert found.mean() == pytest.approx(of_user("ms-ssim@history:1"))
    model = open_role(CONTEXT.world.stack, "lpips/alex")
    far = metrics.lpips(list(first), list(second), model)
    assert far.mean() == pytest.approx(of_user("lpips@history"))
    assert metrics.lpips_diversity(pictures, model) == of_user("lpips-diversity")


def test_one_picture_or_many():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 3, 3, 24, 20), dtype=np.uint8)
    for compare in (metrics.ssim, metrics.psnr, lambda a, b: metrics.ms_ssim(a, b, 1)):
        many, one = compare(first, second), compare(first[1], second[1])
        assert many.shape == (3,)
        assert float(one) == many[1]
    assert metrics.ssim(first, first).tolist() == [1.0] * 3


ROWS = np.arange(12.0).reshape(4, 3)
GREY = np.zeros((3, 24, 24), dtype=np.uint8)
MODEL = open_role(CONTEXT.world.stack, "lpips/alex")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metrics.fid(ROWS[0], ROWS), r"generated: expected rows of numbers .* \(3,\)"),
        (lambda: metrics.fid(ROWS, ROWS[:, :2]), "generated has 3 dimensions, reference 2"),
        (lambda: metrics.fd(ROWS[:1], ROWS), "generated: 1 rows, at least 2"),
        (lambda: metrics.fd(ROWS, np.full((4, 3), np.nan)), "reference: a value is not finite"),
        (lambda: metrics.fd_infinity(ROWS, ROWS), "generated: 4 rows, at least 8"),
        (lambda: metrics.kid(ROWS, ROWS[:1]), "reference: 1 rows, at least 2"),
        (lambda: metrics.cmmd(ROWS, ROWS[:1]), "reference: 1 rows, at least 2"),
        (lambda: metrics.precision_recall(ROWS, ROWS, k=4), "generated: 4 rows, at least 5"),
        (lambda: metrics.vendi(ROWS[:0]), "features: 0 rows, at least 1"),
        (lambda: metrics.diversity(ROWS[:1]), "features: 1 rows, at least 2"),
        (lambda: metrics.diversity(np.array([["a"]])), "expected rows of numbers"),
        (lambda: metrics.mean_cosine(ROWS, ROWS[:0]), "targets: 0 rows, at least 1"),
        (lambda: metrics.copy_rate(ROWS, ROWS[:, :1]), "images has 3 dimensions, seen 1"),
        (lambda: metrics.novelty(ROWS, ROWS, ROWS[:0]), "seen: 0 rows, at least 1"),
        (lambda: metrics.ssim(GREY, GREY[:, 1:]), r"expected two \(3, h, w\)"),
        (lambda: metrics.ssim(GREY / 1.0, GREY / 1.0), "expected uint8"),
        (lambda: metrics.ms_ssim(GREY, GREY), "5 scales need sides of at least 161"),
        (lambda: metrics.lpips([GREY], [], MODEL), "1 and 0 pictures, expected pairs"),
        (lambda: metrics.lpips([GREY[0]], [GREY], MODEL), "expected"),
        (lambda: metrics.lpips_diversity([GREY], MODEL), "1 pictures, at least 2"),
    ],
)
def test_wrong_arrays_are_one_line(call, said):
    with refused(said):
        call()


def test_wrong_settings_are_named():
    with pytest.raises(ConfigError, match="unknown estimator 'x'"):
        metrics.cmmd(ROWS, ROWS, "x")
    with pytest.raises(ConfigError, match="k=0"):
        metrics.precision_recall(ROWS, ROWS, k=0)


def test_every_public_function_is_offered():
    public = {name for name, value in vars(functions).items()
              if callable(value) and getattr(value, "__module__", "") == functions.__name__
              and not name.startswith("_")}  # fmt: skip
    assert set(metrics.__all__) == public
    with pytest.raises(AttributeError, match="no attribute 'fidd'"):
        metrics.fidd  # noqa: B018  # the access is the test


def test_the_package_and_its_functions_load_no_torch():
    code = (
        "import sys; from persongen_bench import metrics; assert 'numpy' not in sys.modules\n"
        "assert callable(metrics.fid); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
