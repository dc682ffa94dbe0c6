"""CIS, DIS, CS, CPS, CPIS, Overall and Vendi: by hand, against the papers, and their laws."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from answered import answered
from hypothesis import given, settings
from hypothesis import strategies as st

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import Parametrised
from persongen_bench.core.metric_cards import Forms
from persongen_bench.core.request import Request
from persongen_bench.core.types import Catalog
from persongen_bench.metrics._space import rows_by_request
from persongen_bench.metrics._targets import TARGETS, cosines, targets_of
from persongen_bench.metrics.similarity._captions import item_texts, text_source
from persongen_bench.metrics.similarity.cps import Cps, preference_cosines
from persongen_bench.metrics.similarity.cs import Cs
from persongen_bench.metrics.similarity.history_similarity import HistorySimilarity
from persongen_bench.metrics.similarity.image_cosine import Cis, Cpis, Dis
from persongen_bench.metrics.similarity.lpips import Lpips, LpipsVgg
from persongen_bench.metrics.similarity.overall import Overall, overall
from persongen_bench.metrics.similarity.structural import MsSsim, Ssim
from persongen_bench.metrics.variety.lpips_diversity import LpipsDiversity
from persongen_bench.metrics.variety.vendi import Vendi, vendi_score
from persongen_bench.stacks.sandbox import SandboxStack
from persongen_bench.testing import MetricContract, toy_score_context

OF_TARGETS = (Cis, Dis, Cs, Ssim, MsSsim, Lpips, LpipsVgg)


class TestCisHistory(MetricContract):
    metric = Cis
    argument = "history"


class TestCisReference(MetricContract):
    metric = Cis
    argument = "reference"


class TestDisHeldOut(MetricContract):
    metric = Dis
    argument = "held-out"


class TestCsReference(MetricContract):
    metric = Cs
    argument = "reference"


class TestCsHistory(MetricContract):
    metric = Cs
    argument = "history"


class TestCps(MetricContract):
    metric = Cps


class TestCpis(MetricContract):
    metric = Cpis


class TestOverall(MetricContract):
    metric = Overall


class TestVendi(MetricContract):
    metric = Vendi


# --- a plane: pictures and texts are directions, given by their angle in degrees -----------------

ITEMS = {"a0": 0, "a60": 60, "a90": 90, "b180": 180}
WORDS = {"zero": 0, "sixty": 60, "right": 90, "back": 180}
CAPTIONS = {"a0": "zero", "a60": "sixty", "a90": "right", "b180": "back"}


def vectors(degrees, length=1.0):
    radians = np.deg2rad(np.asarray(degrees, dtype=float))
    return (length * np.stack([np.cos(radians), np.sin(radians)], axis=1)).astype(np.float32)


HISTORIES = {"anna": ("a0", "a60"), "ben": ("b180",), "cleo": ()}


class Plane:
    """anna: history 0 and 60, held out 90; ben: history 180, held out 0. dino is turned by 30."""

    users = units = ("anna", "ben", "cleo")

    def __init__(self, images, references=None, captions=CAPTIONS):
        self.angles = [angle for _, angle in images]
        references = references or {}
        asked = [
            Request(user, HISTORIES[user], reference=references.get(f"s{k}"))
            for k, (user, _) in enumerate(images)
        ]
        self.samples, self.requests = answered(asked)
        items = pd.DataFrame(index=list(ITEMS))
        if captions:
            items["caption"] = pd.Series(captions)
        likes = pd.DataFrame({"user_id": ["anna", "ben"], "item_id": ["a90", "a0"], "liked": True})
        self.train = self.test = View(
            Catalog(items, None), likes.assign(rating=np.nan, timestamp=np.nan)
        )
        self.described, self._memo = [], {}

    def features(self, role, rows=None):
        found = vectors(self.angles, length=3.0)
        return found if rows is None else found[list(rows)]

    def item_features(self, role, item_ids):
        turn = 30 if role == "dino" else 0
        return vectors([ITEMS[i] + turn for i in item_ids], length=0.2)

    def text_features(self, role, texts):
        degrees = np.array([WORDS[text] for text in texts])
        return vectors(degrees) * (2.0 + degrees[:, None] / 20)  # lengths 2, 5, 6.5, 11

    def item_descriptions(self, item_ids, role="captioner"):
        self.described.append(tuple(item_ids))
        return [type("Said", (), {"caption": "back"})() for _ in item_ids]

    def encoder_signature(self, role):
        return f"plane-{role}"

    def memo(self, key, make):
        return self._memo.setdefault(key, make())


def cos(*degrees):
    return np.mean(np.cos(np.deg2rad(degrees)))


def test_cis_by_hand():
    plane = Plane([("anna", 10), ("anna", 20), ("ben", 90)])
    history = Cis("history").per_unit(plane)
    assert history["anna"] == pytest.approx(cos(10, 50, 20, 40), abs=1e-6)
    assert history["ben"] == pytest.approx(0, abs=1e-6)
    held_out = Cis("held-out").per_unit(plane)
    assert held_out["anna"] == pytest.approx(cos(80, 70), abs=1e-6)
    assert held_out["ben"] == pytest.approx(cos(90), abs=1e-6)
    assert np.isnan(history["cleo"])
    assert np.isnan(held_out["cleo"])


def test_dis_looks_through_dino():
    plane = Plane([("anna", 10), ("anna", 20), ("ben", 90)])
    assert Dis("held-out").per_unit(plane)["anna"] == pytest.approx(cos(110, 100), abs=1e-6)
    assert "|dino:plane-dino|" in Dis("history").signature(plane)


def test_reference_is_that_of_the_image():
    # Three requests of one user, two with references, the third without: it has no value.
    references = {"s0": "a0", "s1": "a90"}
    plane = Plane([("anna", 10), ("anna", 50), ("anna", 180), ("ben", 0)], references)
    values = Cis("reference").per_unit(plane)
    assert values["anna"] == pytest.approx(cos(10, 40), abs=1e-6)
    assert np.isnan(values["ben"])
    assert np.isnan(Overall().per_unit(plane)["ben"])


def test_lpips_compares_each_image_with_its_own_reference():
    # |3 u - 0.2 v|^2 of directions 10 and 40 degrees apart: 9 + .04 - 1.2 cos.
    plane = Plane([("anna", 10), ("anna", 50)], {"s0": "a0", "s1": "a90"})
    found = Lpips("reference").per_unit(plane)["anna"]
    assert found == pytest.approx(9.04 - 1.2 * cos(10, 40), abs=1e-5)


def test_no_references_are_no_numbers():
    plane = Plane([("anna", 10), ("ben", 0)])
    for metric in (Cis("reference"), Dis("reference"), Cs("reference"), Overall()):
        assert metric.per_unit(plane).isna().all()


def test_cs_by_hand():
    plane = Plane([("anna", 10), ("ben", 100)])
    values = Cs("history").per_unit(plane)
    assert values["anna"] == pytest.approx(cos(10, 50), abs=1e-6)
    assert values["ben"] == pytest.approx(cos(80), abs=1e-6)


def test_cs_takes_the_captioner_where_the_catalogue_has_no_words():
    # The stand-in captioner says "back", 180 degrees, of everything.
    whole, none = Plane([("anna", 10)]), Plane([("anna", 10)], captions=None)
    partly = Plane([("anna", 10)], captions=CAPTIONS | {"a60": "  "})
    assert Cs("history").per_unit(none)["anna"] == pytest.approx(cos(170), abs=1e-6)
    assert Cs("history").per_unit(partly)["anna"] == pytest.approx(cos(10, 170), abs=1e-6)
    Cs("history").per_unit(whole)
    assert (whole.described, partly.described) == ([], [("a60",)])
    assert text_source(whole) == "text:caption"
    assert text_source(none) == "text:captioner:plane-captioner"
    assert text_source(partly) == "text:caption(3/4)+captioner:plane-captioner"
    for metric in (Cs("history"), Cps(), Overall()):
        signatures = {metric.signature(context) for context in (whole, none, partly)}
        assert len(signatures) == 3


@pytest.mark.parametrize("cls", [*OF_TARGETS, Cps, Cpis, Overall, Vendi, LpipsDiversity])
def test_every_usual_form_has_a_card_without_data(cls):
    for argument in cls.arguments if isinstance(cls, Parametrised) else ("",):
        metric = cls.parse(argument or None)
        signature = metric.signature(Forms())
        assert signature.startswith(f"{metric.info.name}|in:u8|")
        assert all(f"|{role}:<{role}>|" in signature for role in metric.info.roles)


def test_words_of_an_item_asked_for_twice():
    partly = Plane([], captions={"a0": "zero"})
    assert item_texts(partly, ["a60", "a0", "a60"]) == ["back", "zero", "back"]
    assert partly.described == [("a60",)]


def test_cps_by_hand():
    # anna's captions lie at 0 and 60: their mean direction is 30, whatever their lengths.
    plane = Plane([("anna", 10), ("anna", 40), ("ben", 180)])
    values = Cps().per_unit(plane)
    assert values["anna"] == pytest.approx(cos(20, 10), abs=1e-6)
    assert values["ben"] == pytest.approx(1)
    assert np.isnan(values["cleo"])
    # What the docstring says of cs@history: the length of the mean of the unit vectors, cos 30.
    ratio = Cs("history").per_unit(plane)["anna"] / values["anna"]
    assert ratio == pytest.approx(cos(30), abs=1e-6)


def test_cps_of_texts_that_cancel_out_is_undefined():
    texts = np.array([[1.0, 0.0], [-1.0, 0.0]], dtype=np.float32)
    assert np.isnan(preference_cosines(vectors([10, 20]), texts)).all()


def test_cpis_is_cis_to_the_history():
    context = toy_score_context()
    assert Cpis().per_unit(context).equals(Cis("history").per_unit(context))


def test_history_similarity_is_the_same_construction_in_its_own_space():
    context = toy_score_context()
    (role,) = HistorySimilarity.info.roles
    pairs = {user: (context.samples["unit"] == user).to_numpy() for user in context.users}
    expected = [
        cosines(
            context.features(role)[rows],
            context.item_features(role, context.train.liked_items[user]),
        ).mean()
        for user, rows in pairs.items()
    ]
    assert np.allclose(HistorySimilarity().per_unit(context), expected, rtol=0, atol=1e-12)


# --- Pigeon's Table 1 (paper 003): Overall, history CIS, reference CS, x 100 ---------------------

TABLE_1 = [
    (36.91, 40.90, 32.91), (32.83, 47.34, 18.31), (32.40, 47.26, 17.54), (32.23, 37.44, 27.02),
    (34.56, 53.63, 15.49), (33.15, 40.56, 25.74), (33.22, 40.60, 25.84), (36.98, 45.00, 28.95),
    (31.07, 28.29, 33.84), (20.36, 25.11, 15.60), (22.08, 29.60, 14.55), (30.59, 30.64, 30.53),
    (23.81, 28.23, 19.39), (27.82, 30.49, 25.15), (27.81, 30.33, 25.29), (41.58, 51.34, 31.81),
]  # fmt: skip


@pytest.mark.parametrize(("printed", "cis", "cs"), TABLE_1)
def test_overall_is_the_column_of_the_paper(printed, cis, cs):
    assert overall(cis, cs) == pytest.approx(printed, abs=0.005 + 1e-9)


def test_overall_is_no_f1():
    # The harmonic mean, which the paper's text names, fits one row (of nearly equal halves).
    wrong = [abs(2 * a * b / (a + b) - printed) > 0.1 for printed, a, b in TABLE_1]
    assert sum(wrong) == 15


def test_overall_by_hand():
    plane = Plane([("anna", 10), ("anna", 20)], {"s0": "a90", "s1": "a90"})
    expected = (cos(10, 50, 20, 40) + cos(80, 70)) / 2
    assert Overall().per_unit(plane)["anna"] == pytest.approx(expected, abs=1e-6)


# --- targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", OF_TARGETS)
def test_the_target_is_in_name_family_and_card(metric):
    for target in TARGETS:
        info = metric.parse(target).info
        assert info.name.endswith(f"@{target}")
        assert info.family == ("legacy" if target == "history" else "reference")
    assert "returning a history picture" in metric.parse("history").info.shows_not
    assert "copy of the reference" in metric.parse("reference").info.shows_not
    for wrong in (None, "target", "History", "reference,history"):
        with pytest.raises(ConfigError, match="target"):
            metric.parse(wrong)


def test_targets_of_requests():
    plane = Plane([("ben", 0), ("anna", 1), ("anna", 2)], {"s2": "a60", "s1": "a0"})

    def targets(target):
        of = [targets_of(plane, answers, target) for answers in rows_by_request(plane)]
        return {int(row): one.item_ids for one in of for row in one.rows}

    assert targets("reference") == {0: (), 1: ("a0",), 2: ("a60",)}
    assert targets("history") == {0: ("b180",), 1: ("a0", "a60"), 2: ("a0", "a60")}
    assert targets("held-out") == {0: ("a0",), 1: ("a90",), 2: ("a90",)}


@pytest.mark.parametrize("metric", OF_TARGETS)
def test_copies_of_the_target_are_the_best_answer(metric):
    # Legacy columns reward copying, by construction: a copy of the reference beats the generator.
    context = toy_score_context()
    argument = "reference:1" if metric is MsSsim else "reference"
    own = [context.references[str(sample)] for sample in context.samples["sample_id"]]
    copies = replace(context, pictures=tuple(context.item_images(own)), _memo={})
    made, copied = (metric.parse(argument).per_unit(c) for c in (context, copies))
    if metric in (Lpips, LpipsVgg):
        assert (copied == 0).all()
        assert (made > 0).all()
    elif metric is Cs:  # words are not pictures: no copy is perfect
        assert (copied < 1).all()
    else:
        assert np.allclose(copied, 1, rtol=0, atol=1e-12)
        assert (made < 1).all()


# --- rows of the list of metric bugs -------------------------------------------------------------


def sandbox_texts():
    clip = SandboxStack().role("clip")
    text = " ".join(["a small red circle on a green ground"] * 25)
    assert len(text.split()) == 200
    return clip, text


def test_e22_long_captions_keep_their_last_token():
    clip, text = sandbox_texts()
    n = clip._n_tokens
    tokens = clip._tokenizer([text], padding="max_length", truncation=True, max_length=n)
    ids = tokens["input_ids"][0]
    assert len(ids) == n
    assert ids[-1] == clip._tokenizer.eos_token_id
    assert clip._tokenizer.eos_token_id not in ids[1:-1]
    # Words beyond the context do not count; the vector is that of the words that fit.
    kept = clip._tokenizer.decode(ids[1:-1])
    found = clip.encode_texts([text, f"{text} blue star", kept, "a small red circle"])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert not np.allclose(found[0], found[3], rtol=0, atol=1e-3)


def test_e22_a_cut_without_the_last_token_is_another_vector():
    # What slicing the ids does: the pooled place is then no end of text.
    import torch

    clip, text = sandbox_texts()
    ids = clip._tokenizer([text])["input_ids"][0][: clip._n_tokens]
    rows = np.stack([[ids], [[1] * len(ids)]], axis=1)
    right = clip.encode_texts([text])
    with torch.random.fork_rng():
        wrong = clip._texts(rows.astype(np.int64))
    assert cosines(right, wrong)[0, 0] < 0.99


class SandboxScores(type(toy_score_context())):
    """The toy users' pictures, seen by the sandbox."""

    @cached_property
    def _stack(self):
        return SandboxStack()

    def features(self, role, rows=None):
        pictures = self.pictures if rows is None else self.images(rows)
        return self._stack.role(role).encode(pictures)

    def item_features(self, role, item_ids):
        return self._stack.role(role).encode(self.item_images(item_ids))

    def text_features(self, role, texts):
        return self._stack.role(role).encode_texts(list(texts))

    def encoder_signature(self, role):
        return self._stack.role(role).signature


def test_e20_the_raw_cosine_is_stored_and_its_scale_is_signed():
    # Not x 100 (Pigeon, torchmetrics), not 2.5 max(cos, 0) (CLIPScore), no clamp at 0.
    toy = toy_score_context()
    context = SandboxScores(toy.world, toy.samples, toy.pictures)
    clip = SandboxStack().role("clip")
    user = context.users[0]
    own = [toy.pictures[k] for k in np.flatnonzero(toy.samples["user_id"] == user)]
    captions = toy.world.train.catalog.items["caption"]
    texts = clip.encode_texts([captions[i] for i in toy.train.liked_items[user]]).astype(float)
    images = clip.encode(own).astype(float)
    dots = images @ texts.T
    raw = dots / np.linalg.norm(images, axis=1)[:, None] / np.linalg.norm(texts, axis=1)
    assert Cs("history").per_unit(context)[user] == pytest.approx(raw.mean(), abs=1e-9)
    signature = Cs("history").signature(context)
    assert "|scale:raw|prefix:none|" in signature
    assert f"|clip:{clip.signature}|" in signature
    assert Cs("history").per_unit(Plane([("ben", 0)]))["ben"] == pytest.approx(-1)


@pytest.mark.parametrize(
    "metric",
    [*(m(t) for m in (Cis, Dis, Cs, Ssim, Lpips) for t in TARGETS), MsSsim("history", 1),
     Cps(), Cpis(), Overall(), Vendi(), LpipsDiversity()],
    ids=lambda metric: metric.info.name,
)  # fmt: skip
def test_e31_two_halves_merged_equal_one_pass(metric):
    context = toy_score_context()
    owners = context.samples["user_id"].isin(context.users[:3]).to_numpy()
    halves = [context.reordered(np.flatnonzero(part)) for part in (owners, ~owners)]
    whole = metric.per_unit(context)
    first, second = (metric.per_unit(half) for half in halves)
    assert first.isna().tolist() == [False] * 3 + [True] * 3
    assert np.allclose(first.fillna(second), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("metric", [Cis, Dis, Cs, Ssim, Lpips])
def test_e31_halves_of_every_users_images_average_to_one_pass(metric):
    context = toy_score_context()
    early = (context.samples["index"] < 2).to_numpy()
    halves = [context.reordered(np.flatnonzero(part)) for part in (early, ~early)]
    merged = sum(metric("history").per_unit(half) for half in halves) / 2
    assert np.allclose(merged, metric("history").per_unit(context), rtol=0, atol=1e-12)


# --- cosines and the Vendi score -----------------------------------------------------------------


def random_rows(seed, n=7, d=5):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_cosines_laws():
    a, b = random_rows(0), random_rows(1, n=4)
    assert np.array_equal(cosines(a, b), cosines(b, a).T)
    assert np.allclose(np.diag(cosines(a, a)), 1, rtol=0, atol=1e-15)
    assert np.allclose(cosines(a, -a).diagonal(), -1, rtol=0, atol=1e-15)
    assert np.abs(cosines(a * 1e-12, b * 1e12) - cosines(a, b)).max() < 1e-6
    assert np.abs(cosines(a, b)).max() <= 1


def test_vendi_by_hand():
    eye = np.eye(6, dtype=np.float32)
    assert vendi_score(eye) == pytest.approx(6, abs=1e-12)
    assert vendi_score(eye[[0, 0, 0, 0]]) == pytest.approx(1, abs=1e-12)
    assert vendi_score(eye[:1]) == 1
    # Two kinds of picture, equally often: 2, however many there are. Three to one: the entropy
    # of (3/4, 1/4), exp = 1.754765.
    assert vendi_score(eye[[0, 0, 0, 1, 1, 1]]) == pytest.approx(2, abs=1e-12)
    assert vendi_score(eye[[0, 0, 0, 1]]) == pytest.approx(1.7547653506, abs=1e-9)
    # Two at 60 degrees: eigenvalues (1 + cos 60) / 2 = 3/4 and 1/4 again.
    assert vendi_score(vectors([0, 60])) == pytest.approx(1.7547653506, abs=1e-6)


def test_vendi_is_the_entropy_of_the_singular_values():
    # Another way to the eigenvalues of K / n: squared singular values of the rows over n.
    rows = random_rows(3, n=9, d=6).astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    share = np.linalg.svd(rows, compute_uv=False) ** 2 / 9
    assert share.sum() == pytest.approx(1)
    expected = np.exp(-(share * np.log(share)).sum())
    assert vendi_score(rows) == pytest.approx(expected, abs=1e-10)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 8))
def test_vendi_bounds_order_and_repetition(seed, n, d):
    rows = random_rows(seed, n, d)
    value = vendi_score(rows)
    assert 1 <= value <= min(n, d) + 1e-9
    order = np.random.default_rng(seed).permutation(n)
    assert vendi_score(rows[order]) == pytest.approx(value, abs=1e-9)
    assert vendi_score(rows * 5) == pytest.approx(value, abs=1e-5)
    assert vendi_score(np.concatenate([rows, rows])) == pytest.approx(value, abs=1e-9)


def test_vendi_of_rows_without_direction():
    rows = np.array([[0, 0], [1, 0], [1, 0]], dtype=np.float32)
    assert vendi_score(rows) == pytest.approx(np.exp(np.log(3) - 2 / 3 * np.log(2)))


def test_vendi_says_where_its_ceiling_differs():
    context = toy_score_context(3)
    assert Vendi().caveats(context) == []
    fewer = context.reordered([k for k in range(18) if k not in (0, 1)])
    assert Vendi().caveats(fewer) == [
        "requests have 1 to 3 images, so unequal ceilings",
        "requests with one image, which score 1 by definition: 1",
    ]
    single = toy_score_context(1)
    assert Vendi().caveats(single) == ["requests with one image, which score 1 by definition: 6"]
    assert (Vendi().per_unit(single) == 1).all()
