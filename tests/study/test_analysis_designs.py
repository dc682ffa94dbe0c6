"""Studies as `study.design` makes them, answered by simulated people, are analysed whole."""

from itertools import count

import numpy as np
import pytest
from analysis_case import analysed
from study_case import material

from persongen_bench.study import sealing
from persongen_bench.study.design import design
from persongen_bench.study.looking import answered
from persongen_bench.study.plan import Plan
from persongen_bench.study.sealing import seal
from persongen_bench.study.simulated import Simulated

WORTH = {"m0": 0.8, "m1": 0.0, "m2": -0.8, "copy": 0.5}


@pytest.fixture(autouse=True)
def codes(monkeypatch):
    """The same codes, and so the same order of sessions, every time."""
    numbers = count()
    monkeypatch.setattr(sealing, "new_code", lambda: f"code-{next(numbers)}")


def found(seed=0, references=False, **settings):
    shown = material(n_users=12, n_cases=20, references=references)
    plan = Plan(seed=seed, **settings)
    sealed = seal(shown, plan, design(shown, plan), {})
    made = Simulated(sealed.study, sealed.key, tuple(sealed.codes), {}, ())
    answers = answered(
        made, lambda truth, k: WORTH.get(truth.methods[k], 0.0), np.random.default_rng(seed)
    )
    return analysed(made, answers), sealed


@pytest.mark.parametrize(
    "settings",
    [{}, {"preset": "ragar-rank", "pairs_per_person": 12}, {"person": "third", "participants": 9},
     {"preset": "pigeon-binary", "pairs_per_person": 20}],
)  # fmt: skip
def test_the_better_method_wins_and_everything_that_is_asked_counts(settings):
    analysis, sealed = found(**settings)
    (question,) = analysis.questions
    main = [truth for truth in sealed.key.truths if truth.role == "main"]
    repeats = [truth for truth in sealed.key.truths if truth.role == "repeat"]
    kept = sum(not one.excluded for one in analysis.participants)
    share = kept / len(analysis.participants)
    assert share > 0.9
    assert analysis.dropped.total == 0
    assert question.n_answers == round(share * len(main))
    assert question.n_repeats == round(share * len(repeats))
    assert [method.method for method in question.methods] == ["m0", "m1", "m2"]
    if settings.get("preset") == "pigeon-binary":  # only the first meets all others
        assert "m1 and m2 were compared 0 times" in question.unranked
    else:
        assert (question.unranked, question.methods[0].rank_high) == ("", 1)
    assert 0.5 < question.retest.mean < 1
    assert question.first_side.low < 0.5 < question.first_side.high
    assert (question.alpha is None) == (analysis.person == "first")
    if question.alpha is not None:
        assert question.alpha.alpha.low > 0.05


def test_meaning_is_a_question_of_its_own():
    analysis, _ = found(references=True)
    assert [one.question for one in analysis.questions] == ["taste", "alignment"]
    assert len({one.text for one in analysis.questions}) == 2
    assert all(one.n_people == 12 for one in analysis.everybody)


def test_samples_of_two_methods_that_are_called_alike_are_two_pictures():
    analysis, sealed = found()
    assert all(len(set(t.samples)) == 1 for t in sealed.key.truths if t.role == "main")
    assert analysis.questions[0].retest.mean < 0.95
