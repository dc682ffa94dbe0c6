"""A user with two requests: each is compared with its own history and reference, then averaged.

The expected numbers are worked out by hand from angles on a plane.
"""

import numpy as np
import pandas as pd
import pytest
from answered import answered

from persongen_bench.core.dataset import View
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.request import Request
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.loop.score import penalised
from persongen_bench.metrics._space import mean_over_requests, rows_by_request

ANGLES = {"i0": 0, "i30": 30, "i60": 60, "i90": 90, "i180": 180}


def vectors(degrees):
    radians = np.deg2rad(np.asarray(degrees, dtype=float))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


class Plane:
    """Pictures, items and words are directions in every space; their grey level is the angle."""

    users = ("anna", "ben")

    def __init__(self, answers, unit="user"):
        self.angles = [angle for _, angle in answers]
        self.samples, self.requests = answered([request for request, _ in answers], unit)
        self.units = tuple(sorted(set(self.samples["unit"])))
        items = pd.DataFrame({"caption": list(ANGLES)}, index=list(ANGLES))
        self.train = self.test = View(Catalog(items, None), log(anna=["i30"], ben=["i90"]))

    def images(self, rows):
        return [np.full((3, 11, 11), self.angles[k], dtype=np.uint8) for k in rows]

    def item_images(self, item_ids):
        return [np.full((3, 11, 11), ANGLES[item], dtype=np.uint8) for item in item_ids]

    def features(self, role, rows=None):
        return vectors(self.angles)[slice(None) if rows is None else list(rows)]

    def item_features(self, role, item_ids):
        return vectors([ANGLES[item] for item in item_ids])

    def text_features(self, role, texts):
        return vectors([ANGLES[text] for text in texts])

    def memo(self, key, make):
        return make()


def log(**likes):
    rows = [(user, item, np.nan, True, np.nan) for user, items in likes.items() for item in items]
    return pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS))


FIRST = Request("anna", ("i0",), reference="i90")
SECOND = Request("anna", ("i60",), reference="i0")
OTHER = Request("ben", ("i180",), reference="i180")
ANSWERS = [(SECOND, 90), (FIRST, 0), (OTHER, 180), (FIRST, 60)]
"""Two images for anna's first request, one for her second, one for ben's."""


def cos(degrees):
    return float(np.cos(np.deg2rad(degrees)))


def far(degrees):
    """Squared distance of two directions."""
    return 2 - 2 * cos(degrees)


def alike(a, b):
    """SSIM of two even pictures: without variance only the light term is left (k1 .01)."""
    c = (0.01 * 255) ** 2
    return (2 * a * b + c) / (a * a + b * b + c)


def weighed(first, second):
    """Two images of the first request, one of the second."""
    return (2 * first + second) / 3


# Of images 0 and 60 with the first history 0; of image 90 with the second history 60.
HISTORY = weighed((cos(0) + cos(60)) / 2, cos(30))
# Of images 0 and 60 with the reference 90; of image 90 with the reference 0.
REFERENCE = weighed((cos(90) + cos(30)) / 2, cos(90))
# Of all with the held-out like 30.
HELD_OUT = weighed((cos(30) + cos(30)) / 2, cos(60))
FAR = {
    "history": weighed((far(0) + far(60)) / 2, far(30)),
    "reference": weighed((far(90) + far(30)) / 2, far(90)),
    "held-out": weighed((far(30) + far(30)) / 2, far(60)),
}
ALIKE = {
    "history": weighed((alike(0, 0) + alike(60, 0)) / 2, alike(90, 60)),
    "reference": weighed((alike(0, 90) + alike(60, 90)) / 2, alike(90, 0)),
    "held-out": weighed((alike(0, 30) + alike(60, 30)) / 2, alike(90, 30)),
}
EXPECTED = {
    **{f"{name}@history": HISTORY for name in ("cis", "dis", "cs")},
    **{f"{name}@reference": REFERENCE for name in ("cis", "dis", "cs")},
    **{f"{name}@held-out": HELD_OUT for name in ("cis", "dis", "cs")},
    **{f"{name}@{of}": FAR[of] for name in ("lpips", "lpips-vgg") for of in FAR},
    **{f"ssim@{of}": ALIKE[of] for of in ALIKE},
    **{f"ms-ssim@{of}:1": ALIKE[of] for of in ALIKE},
    "cps": HISTORY,
    "cpis": HISTORY,
    "history-similarity": HISTORY,
    # Each request's own half of each.
    "overall": weighed((0.75 + cos(30) / 2) / 2, (cos(30) + cos(90)) / 2),
    # Nearness to the held-out 30 less nearness to the own history, 0 and 60.
    "novelty": weighed((cos(30) - cos(0) + cos(30) - cos(60)) / 2, cos(60) - cos(30)),
    "copy-rate": 0.0,
    # Of the first request alone: one image has no pair.
    "diversity": 1 - cos(60),
    "lpips-diversity": far(60),
    # Two at 60 degrees: eigenvalues 3/4 and 1/4, the exponential of their entropy; one is 1.
    "vendi": weighed(1.7547653506, 1.0),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_request_is_compared_with_its_own(name):
    values = parse_metric(name).per_unit(Plane(ANSWERS))
    assert values["anna"] == pytest.approx(EXPECTED[name], abs=1e-9)
    assert list(values.index) == ["anna", "ben"]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_single_request_is_the_unit_bit_for_bit(name):
    metric = parse_metric(name)
    alone = metric.per_unit(Plane([(FIRST, 0), (FIRST, 60)]))["anna"]
    values = mean_over_requests(Plane([(FIRST, 0), (FIRST, 60), (OTHER, 0)]), lambda _: alone)
    assert values["anna"] == alone


def test_a_request_without_a_target_is_left_out():
    bare = Request("anna", ("i0",))
    values = parse_metric("cis@reference").per_unit(Plane([(FIRST, 60), (bare, 0)]))
    assert values["anna"] == pytest.approx(cos(30))


def test_undelivered_samples_count_in_their_own_request():
    # Both requests asked for two images; one of the second's did not come, which counts -1:
    # per request .75 and (cos 30 - 1) / 2, then their mean.
    states = pd.DataFrame({"unit": ["anna"] * 4 + ["ben"], "state": ["ok"] * 3 + ["missing", "ok"]})
    metric = parse_metric("cis@history")
    found = penalised(metric, metric.per_unit(Plane(ANSWERS)), states)
    assert found["anna"] == pytest.approx((0.75 + (cos(30) - 1) / 2) / 2)


# --- the unit is the prompt: requests of several users in one unit --------------------------------

ANNAS = Request("anna", ("i0",), reference="i90", instruction="a cat")
BENS = Request("ben", ("i60",), reference="i0", instruction="a cat")
BARE = Request("ben", ("i180",))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cis@history", weighed((1 + cos(60)) / 2, cos(30))),
        # anna likes 30, ben likes 90.
        ("cis@held-out", weighed((cos(30) + cos(30)) / 2, cos(0))),
        ("novelty", weighed((cos(30) - cos(0) + cos(30) - cos(60)) / 2, cos(0) - cos(30))),
        ("diversity", 1 - cos(60)),
    ],
)
def test_a_prompt_is_the_mean_over_its_requests(name, expected):
    context = Plane([(ANNAS, 0), (ANNAS, 60), (BENS, 90), (BARE, 7)], "prompt")
    assert context.units == tuple(sorted(["a cat", BARE.request_id]))
    assert parse_metric(name).per_unit(context)["a cat"] == pytest.approx(expected, abs=1e-9)


def test_copies_are_told_by_the_likes_of_the_request_s_user():
    # anna likes 30, ben likes 90: each gets the own like back, and the other's is no copy.
    own, swapped = [(ANNAS, 30), (BENS, 90)], [(ANNAS, 90), (BENS, 30)]
    found = [parse_metric("copy-rate").per_unit(Plane(of, "prompt")) for of in (own, swapped)]
    assert [values["a cat"] for values in found] == [1.0, 0.0]


def test_requests_come_by_unit_with_their_rows():
    found = [(a.unit, a.request, a.rows.tolist()) for a in rows_by_request(Plane(ANSWERS))]
    assert sorted(found[:2], key=lambda one: one[2]) == [
        ("anna", SECOND, [0]), ("anna", FIRST, [1, 3]),
    ]  # fmt: skip
    assert found[2:] == [("ben", OTHER, [2])]
