"""`aesthetic`, `hpsv2` and `pickscore`: contracts, values by hand, versions, texts, scales."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.metrics.pictures import _preference
from persongen_bench.metrics.pictures._preference import (
    EMPTY,
    GENERIC,
    mean_where_scored,
    paired_cosines,
    text_scores,
)
from persongen_bench.metrics.pictures.aesthetic import Aesthetic
from persongen_bench.metrics.pictures.hpsv2 import Hpsv2
from persongen_bench.metrics.pictures.pickscore import Pickscore
from persongen_bench.testing.metrics import MetricContract
from persongen_bench.testing.toy_scores import toy_score_context


class TestAestheticV1(MetricContract):
    metric = Aesthetic
    argument = "v1"


class TestAestheticV2(MetricContract):
    metric = Aesthetic
    argument = "v2"


class TestHpsv2Generic(MetricContract):
    metric = Hpsv2
    argument = "2.1-generic"


class TestHpsv2Prompt(MetricContract):
    metric = Hpsv2
    argument = "2.0-prompt"


class TestHpsv2Empty(MetricContract):
    metric = Hpsv2
    argument = "2.0-empty"


class TestPickscorePrompt(MetricContract):
    metric = Pickscore
    argument = "prompt"


class TestPickscoreGeneric(MetricContract):
    metric = Pickscore
    argument = "generic"


@dataclass(frozen=True)
class Planted:
    """Three users of 2, 2 and 0 images with rows that are planted; the texts are written down."""

    rows: dict[str, np.ndarray]
    texts: dict[str, list[float]]
    instructions: dict[str, str]
    asked: list[Any]

    users = units = ("u", "v", "w")
    samples = pd.DataFrame(
        {"sample_id": list("abcd"), "request_id": list("qrst"), "unit": list("uuvv"),
         "user_id": list("uuvv"), "index": [0, 1, 0, 1]}
    )  # fmt: skip

    def features(self, role):
        self.asked.append(role)
        return self.rows[role]

    def text_features(self, role, texts):
        self.asked.append((role, *texts))
        return np.array([self.texts[text] for text in texts])

    def encoder_signature(self, role):
        return f"planted-{role}"


ROWS = np.array([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0], [1.0, 1.0]])
TEXTS = {EMPTY: [1.0, 0.0], GENERIC: [0.0, 5.0], "a cat": [2.0, 0.0], "a dog": [0.0, -1.0]}


def planted(role, **changes):
    context = Planted({role: ROWS}, TEXTS, {"a": "a cat", "b": "a dog", "c": "a cat"}, [])
    return replace(context, **changes)


# --- values ----------------------------------------------------------------------------------


def test_the_aesthetic_score_is_the_mean_of_its_role():
    scores = np.array([[4.0], [6.0], [5.5], [2.5]])
    for version in ("v1", "v2"):
        context = planted(f"aesthetic/{version}", rows={f"aesthetic/{version}": scores})
        found = Aesthetic.parse(version).per_unit(context)
        assert found["u"] == 5.0
        assert found["v"] == 4.0
        assert np.isnan(found["w"])
        assert context.asked == [f"aesthetic/{version}"]


@pytest.mark.parametrize(
    ("metric", "role"),
    [(Hpsv2.parse("2.1-generic"), "hps/2.1"), (Pickscore.parse("generic"), "pickscore")],
)
def test_e20_a_score_is_the_raw_cosine_with_the_generic_text(metric, role):
    # Cosines with (0, 5): 4/5, 1, 0, 1/sqrt(2). Not clamped, not times 100 or the logit scale.
    context = planted(role)
    found = metric.per_unit(context)
    assert found["u"] == pytest.approx((0.8 + 1.0) / 2, abs=1e-12)
    assert found["v"] == pytest.approx((0.0 + 0.5**0.5) / 2, abs=1e-12)
    assert np.isnan(found["w"])
    assert (role, GENERIC) in context.asked


def test_the_empty_text_is_rebecas_dot():
    context = planted("hps/2.0")
    found = Hpsv2.parse("2.0-empty").per_unit(context)
    # Cosines with (1, 0): 3/5, 0, -1, 1/sqrt(2).
    assert found["u"] == pytest.approx(0.3, abs=1e-12)
    assert found["v"] == pytest.approx((0.5**0.5 - 1) / 2, abs=1e-12)
    assert ("hps/2.0", ".") in context.asked


def test_the_prompt_is_the_samples_own_instruction():
    # a: (3, 4) with (2, 0) = 0.6; b: (0, 2) with (0, -1) = -1; c: (-1, 0) with (2, 0) = -1;
    # d has no instruction and does not count.
    found = Pickscore.parse("prompt").per_unit(planted("pickscore"))
    assert found["u"] == pytest.approx((0.6 - 1.0) / 2, abs=1e-12)
    assert found["v"] == pytest.approx(-1.0, abs=1e-12)
    assert np.isnan(found["w"])


def test_without_instructions_the_prompt_score_is_undefined_for_everybody():
    context = planted("pickscore", instructions={})
    found = Pickscore.parse("prompt").per_unit(context)
    assert found.isna().all()
    assert list(found.index) == ["u", "v", "w"]
    assert all(not isinstance(asked, tuple) for asked in context.asked)


def test_the_generic_sentence_is_that_of_the_paper():
    from pathlib import Path

    paper = Path(__file__).parents[2] / "../shared/papers/001_24ebf48da1458c42.txt"
    if not paper.exists():
        pytest.skip("the papers are not here")
    line = next(x for x in paper.read_text("utf-8").splitlines() if "prompt-dependent" in x)
    assert f"“{GENERIC}”" in line


# --- laws ------------------------------------------------------------------------------------


def test_paired_cosines_are_cosines():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50, 7))
    found = paired_cosines(a, b)
    np.testing.assert_allclose(found, paired_cosines(b, a), atol=1e-15)
    np.testing.assert_allclose(found, paired_cosines(3 * a, 0.1 * b), atol=1e-12)
    np.testing.assert_array_equal(paired_cosines(a, a) <= 1, np.ones(50, dtype=bool))
    np.testing.assert_allclose(paired_cosines(a, a), 1, atol=1e-12)
    np.testing.assert_allclose(paired_cosines(a, -a), -1, atol=1e-12)
    expected = [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    one = paired_cosines(a, b[:1])
    np.testing.assert_allclose(one, paired_cosines(a, np.repeat(b[:1], 50, axis=0)), atol=1e-15)


def test_a_mean_leaves_out_what_has_no_score_and_does_not_count_it_as_zero():
    context = planted("pickscore")
    found = mean_where_scored(context, np.array([np.nan, 0.5, np.nan, np.nan]))
    assert found["u"] == 0.5
    assert found[["v", "w"]].isna().all()


def test_the_prompt_of_a_sample_stays_with_it_in_any_order():
    context = toy_score_context()
    order = np.random.default_rng(3).permutation(len(context.samples))
    shuffled = context.reordered([int(k) for k in order])
    a, b = (text_scores(c, "pickscore", "prompt") for c in (context, shuffled))
    np.testing.assert_array_equal(a[order], b)
    assert len(np.unique(a)) > 10


# --- names and signatures --------------------------------------------------------------------


@pytest.mark.parametrize("argument", [None, "", "2.1", "generic", "2.2-generic", "2.1-words",
                                      "2.1-generic-", "2.1_generic"])  # fmt: skip
def test_e27_hpsv2_needs_a_version_and_a_text(argument):
    with pytest.raises(ConfigError, match="hpsv2 needs a version and a text"):
        Hpsv2.parse(argument)


def test_e27_the_version_is_in_the_printed_name_and_in_the_signature():
    context = toy_score_context()
    signatures = set()
    for version in ("2.0", "2.1"):
        for words in ("empty", "generic", "prompt"):
            metric = Hpsv2.parse(f"{version}-{words}")
            assert metric.info.name == f"hpsv2@{version}-{words}"
            assert metric.info.roles == (f"hps/{version}",)
            signatures.add(metric.signature(context))
    assert len(signatures) == 6
    assert GENERIC in Hpsv2.parse("2.1-generic").signature(context)


@pytest.mark.parametrize("argument", [None, "", "2", "words"])
def test_pickscore_needs_a_text(argument):
    with pytest.raises(ConfigError, match=r"pickscore needs a text.*pickscore@empty or"):
        Pickscore.parse(argument)


def test_aesthetic_says_which_version_it_is():
    assert Aesthetic.parse(None).info.name == "aesthetic@v2"
    for version in ("v1", "v2"):
        assert Aesthetic.parse(version).info.roles == (f"aesthetic/{version}",)
    for wrong in ("v3", "2", "V2"):
        with pytest.raises(ConfigError, match="no version"):
            Aesthetic.parse(wrong)
    context = toy_score_context()
    a, b = (Aesthetic.parse(v).signature(context) for v in ("v1", "v2"))
    assert a != b


def test_usual_arguments_parse_and_the_card_says_what_it_does_not_show():
    for cls in (Aesthetic, Hpsv2, Pickscore):
        for argument in cls.arguments:
            metric = cls.parse(argument)
            assert metric.info.name.endswith(f"@{argument}")
            assert "Taste" in metric.info.shows_not
    assert "tie" in _preference.SHOWS_NOT


# --- on the sandbox's models -----------------------------------------------------------------


@pytest.mark.slow
def test_on_the_sandbox_the_right_text_beats_a_wrong_one():
    from persongen_bench.datasets.tasteworld import Tasteworld
    from persongen_bench.stacks.sandbox import SandboxStack

    stack, catalog = SandboxStack(), Tasteworld.load(Tasteworld.Config(), None).catalog
    ids = catalog.ids[:40]
    images, captions = catalog.images(ids), [str(c) for c in catalog.items["caption"].loc[ids]]
    for role in ("hps", "pickscore"):
        model = stack.role(role)
        rows, words = model.encode(images), model.encode_texts(captions)
        right, wrong = paired_cosines(rows, words), paired_cosines(rows, np.roll(words, 7, axis=0))
        assert (right > wrong).mean() > 0.8
