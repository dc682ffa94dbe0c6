"""A summary follows from its scores, and a permutation test from its null, or it is told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arrow_case import arrow_of
from run_case import make_config

from persongen_bench import stats
from persongen_bench.loop.following import trouble
from persongen_bench.loop.numbers import generator, mean_and_bounds
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import MetricSummary, Null, Summary, TestSummary
from persongen_bench.loop.seal import SEAL, digest_of, sealed
from persongen_bench.loop.store import RunDirectory

UNITS = [f"u{k}" for k in range(40)]  # from 30 on the interval is a bootstrap's
VALUES = np.random.default_rng(3).uniform(0.2, 0.9, 40)
SIGNATURE = "true-taste|x"


def permuted(seed=0, shift=0.6, n=999):
    """A test of 20 users, of whom each likes its own images better by ``shift``."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(20, 20)) + shift * np.eye(20)
    made = stats.user_permutation_test(table, rng, n)
    null = Null.model_validate(vars(made.null))
    return TestSummary(
        statistic=made.statistic, p_value=made.p_value, n_permutations=n, null=null
    )  # fmt: skip


def results(**changes) -> RunResults:
    config = make_config()
    mean, low, high, n = mean_and_bounds(VALUES, generator(config, "true-taste"), (0.0, 1.0))
    number = MetricSummary(mean=mean, low=low, high=high, n_units=n, signature=SIGNATURE)
    summary = Summary(
        run_id=config.run_id, n_expected=80, n_ok=79, states={"method_error": 1, "ok": 79},
        metrics={"true-taste": number}, tests={"permutation.block": permuted()},
    )  # fmt: skip
    scores = pd.DataFrame(
        {"unit": UNITS, "metric": "true-taste", "value": VALUES, "signature": SIGNATURE}
    )
    states = ["method_error"] + ["ok"] * 79
    samples = pd.DataFrame({"sample_id": [str(k) for k in range(80)], "state": states})
    made = RunResults(
        Path("run"), config, summary, arrow_of(sealed(scores, summary)), arrow_of(samples), {}
    )
    return replace(made, **changes)


def unsealed(made: RunResults, **fields) -> RunResults:
    """With another summary, and scores of before the seal."""
    scores = made.scores.copy()
    scores.attrs = {}
    return replace(
        made, summary=made.summary.model_copy(update=fields), score_table=arrow_of(scores)
    )


def with_test(test: TestSummary) -> RunResults:
    return unsealed(results(), tests={"permutation.block": test})


def test_what_was_scored_follows():
    assert trouble(results()) is None
    assert trouble(unsealed(results())) is None


@pytest.mark.parametrize("part", ["mean", "low", "high"])
@pytest.mark.parametrize("by", [1e-6, -0.01])
def test_a_number_that_was_moved_is_told(part, by):
    made = results()
    number = made.summary.metrics["true-taste"]
    moved = number.model_copy(update={part: getattr(number, part) + by})
    said = str(trouble(unsealed(made, metrics={"true-taste": moved})))
    assert f"{part} of true-taste is" in said
    assert "`pgbench score` makes it again" in said


def test_rounding_of_the_last_bits_is_nothing():
    made = results()
    number = made.summary.metrics["true-taste"]
    moved = number.model_copy(update={"low": number.low * (1 + 1e-14)})
    assert trouble(unsealed(made, metrics={"true-taste": moved})) is None


def test_an_unscored_sample_is_the_methods_error_in_the_summary():
    made = results()
    samples = made.samples.assign(state=["unscored"] + ["ok"] * 79)
    assert (
        trouble(replace(made, sample_table=arrow_of(samples))) is None
    )  # as `Evaluation.of_run` counts it


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.5, 5.0])
def test_an_honest_test_is_never_told(seed, shift):
    assert trouble(with_test(permuted(seed, shift))) is None


def test_a_test_whose_permutations_all_tie_is_honest():
    made = stats.user_permutation_test(np.ones((5, 5)), np.random.default_rng(0), 99)
    null = Null.model_validate(vars(made.null))
    test = TestSummary(statistic=1.0, p_value=made.p_value, n_permutations=99, null=null)
    assert trouble(with_test(test)) is None


LIES = {
    "a smaller p": ({"p_value": 1 / 1000}, "reach the statistic"),
    "a p of no permutations": ({"p_value": 0.01234}, "is none of 999 permutations"),
    "p 0": ({"p_value": 0.0}, "is none of"),
    "p above 1": ({"p_value": 1.5}, "is none of"),
    "a larger statistic": ({"statistic": 9.0}, "reach the statistic"),
    "a statistic that is none": ({"statistic": float("inf")}, "p = "),
    "more permutations": ({"n_permutations": 9999}, "none of 9999|not one of 9999"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_test_that_cannot_be_is_told(lie):
    fields, words = LIES[lie]
    test = permuted(shift=0.0)
    assert 0.05 < test.p_value < 0.95  # so that a smaller one is another bin's
    said = str(trouble(with_test(test.model_copy(update=fields))))
    assert any(word in said for word in words.split("|")), said


@pytest.mark.parametrize(
    "fields", [{"mean": 5.0}, {"counts": (1,)}, {"counts": (-1,) * 40}, {"edges": (0.0, 1.0)}]
)
def test_a_null_that_cannot_be_is_told(fields):
    test = permuted(shift=0.0)
    odd = test.model_copy(update={"null": test.null.model_copy(update=fields)})
    assert "its null" in str(trouble(with_test(odd)))


def test_the_seal_holds_what_no_score_tells():
    made = results()
    for fields in ({"notes": ("fine",)}, {"tests": {}}):
        said = str(trouble(replace(made, summary=made.summary.model_copy(update=fields))))
        assert "changed after it was written" in said


def test_a_run_directory_is_sealed(tmp_path):
    made = results()
    directory = RunDirectory.create(tmp_path / "run", made.config, [])
    directory.export(made.summary, made.scores, {})
    scores = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert scores.attrs[SEAL] == digest_of(made.summary)
    said = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert Summary.model_validate(said) == made.summary


def test_a_run_of_the_first_schema_is_read_and_counted(tmp_path):
    golden = Path(__file__).parent / "golden" / "schema-1"
    made = RunDirectory.open(shutil.copytree(golden, tmp_path / "run")).results()
    said = str(trouble(made))
    assert said == "None" or "of " in said  # its intervals are of older rules
