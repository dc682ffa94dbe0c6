"""Known metric bugs of the field that concern every metric: each has a test of its name.

Rows of the list that concern one metric have their tests beside that metric's.
"""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_pools import example, of_pictures, values_as_text

from persongen_bench import stats
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.roles import open_role
from persongen_bench.loop.score import penalised
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import mean_per_unit
from persongen_bench.stacks.sandbox import SandboxStack
from persongen_bench.testing.toy_scores import toy_score_context

HERE = Path(__file__).parents[1] / "cases"
METRICS = sorted(of_pictures())
every_metric = pytest.mark.parametrize("name", METRICS)

# --- E29: a bootstrap error that shrinks with the number of resamples ------------------------
# lighteval divides the spread of the resampled means by sqrt(B): 32 times too small for B = 1000.


@pytest.mark.parametrize("n_resamples", [2000, 8000])
def test_e29_bootstrap_standard_error_of_the_mean(n_resamples):
    values = np.random.default_rng(0).gamma(2.0, size=400)
    found = stats.interval(values, np.random.default_rng(1), n_resamples)
    error = (found.high - found.low) / (2 * 1.96)
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(400), rel=0.05)


def test_e29_intervals_cover():
    # 95% nominal; 1000 worlds of 50 users: the binomial error of the coverage is 0.7 points.
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(1000):
        found = stats.interval(rng.normal(3.0, 2.0, size=50), rng, n_resamples=1000)
        hits += found.low <= 3.0 <= found.high
    assert 0.93 <= hits / 1000 <= 0.97


# --- E30: metrics that give another number each time -----------------------------------------


@pytest.fixture(scope="module")
def elsewhere():
    """Every metric's values as another process computes them, with another hash seed."""
    folders = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONHASHSEED": "123", "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [sys.executable, str(HERE / "toy_pools.py")],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@every_metric
def test_e30_same_number_twice_and_in_another_process(name, elsewhere):
    here, again = (values_as_text([name])[name] for _ in range(2))
    assert here == again == elsewhere[name]
    assert set(here.values()) != {"nan"}, "nothing was compared"


# --- E33: missing images that count as zero, or as nothing -----------------------------------


class Brightness(Plain):
    """Mean brightness, with 0.25 for an image that was not delivered."""

    info = MetricInfo(
        "brightness", "quality", "higher", (0.0, 1.0), "share", "this test", failed_value=0.25
    )

    def per_unit(self, context):
        means = np.array([float(p.mean()) / 255 for p in context.pictures])
        return mean_per_unit(context, means)


def states(**of_user):
    return pd.DataFrame(
        [(user, state) for user, found in of_user.items() for state in found],
        columns=["unit", "state"],
    )


def test_e33_undelivered_images_count_their_failed_value():
    samples = states(
        some=["ok", "ok", "missing", "filtered"],
        none=["method_error"] * 3,
        ours=["ok", "unscored"],
        waiting=["ok", "pending"],
        undefined=["ok", "missing"],
    )
    values = pd.Series({"some": 0.75, "none": np.nan, "ours": 0.5, "waiting": 0.5,
                        "undefined": np.nan})  # fmt: skip
    found = penalised(Brightness(), values, samples)
    assert found["some"] == (2 * 0.75 + 2 * 0.25) / 4
    assert found["none"] == 0.25  # neither dropped nor zero
    assert found["ours"] == found["waiting"] == 0.5  # no fault of the method
    assert math.isnan(found["undefined"])


def test_e33_a_metric_without_a_failed_value_keeps_users_undefined():
    class NoValue(Brightness):
        info = MetricInfo("n", "quality", "higher", (0.0, 1.0), "share", "this test")

    values = pd.Series({"anna": 0.5, "ben": np.nan})
    samples = states(anna=["ok", "missing"], ben=["missing"])
    found = penalised(NoValue(), values, samples)
    assert found["anna"] == 0.5
    assert math.isnan(found["ben"])


def test_e33_black_images_are_images():
    context = toy_score_context(n_images=2)
    black = tuple(np.zeros_like(picture) for picture in context.pictures[:2])
    darker = type(context)(context.world, context.samples, black + context.pictures[2:])
    values = Brightness().per_unit(darker)
    assert values[context.users[0]] == 0.0
    assert Brightness().per_unit(context)[context.users[0]] > 0.1


NOMINAL_WORST = {"aesthetic", "lpips", "lpips-vgg"}
"""Scores without a worst value: a failure counts 1, the lowest mark of ten and a large distance,
which an even worse image could undercut."""


def test_e33_failing_never_pays():
    """What a failure counts is the worst end of the range, so that declining cannot help."""
    cards = [example(name).info for name in METRICS]
    valued = [card for card in cards if card.failed_value is not None]
    assert valued
    unbounded = set()
    for card in valued:
        worst = {"higher": card.range[0], "lower": card.range[1]}[card.direction]
        if math.isinf(worst):
            unbounded.add(card.name.partition("@")[0])
        else:
            assert card.failed_value == worst, card.name
    assert unbounded == NOMINAL_WORST


# --- E34: judges that change or disappear ----------------------------------------------------


@every_metric
def test_e34_the_signature_names_every_model(name):
    metric, context = example(name), toy_score_context()
    signature = metric.signature(context)
    for role in metric.info.roles:
        assert context.encoder_signature(role) in signature


def test_e34_models_are_pinned_by_their_weights():
    stack = SandboxStack()
    roles = {role for name in METRICS for role in example(name).info.roles}
    assert roles
    for role in sorted(roles):
        signature = open_role(stack, role).signature
        assert re.search(r"sha256:[0-9a-f]{16}", signature), f"{role}: {signature}"
