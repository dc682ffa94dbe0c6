"""The analyses of RAGAR's figure 2 and table 4 where it is known what they must find."""

from dataclasses import replace

import numpy as np
import pytest

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.instruments.analyses import histories as figure
from persongen_bench.instruments.analyses.auxiliary import (
    AuxiliaryPlan,
    auxiliary,
    generated_features,
    labelled,
    shuffled,
)
from persongen_bench.instruments.analyses.histories import HistoryPlan, cut, histories
from persongen_bench.instruments.analyses.outcome import outcome, text_of
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context

# --- histories -----------------------------------------------------------------------------


def test_histories_by_hand():
    # The likest are items 3, 0, 5, 1; the others are the rest.
    likeness = np.array([0.8, 0.5, 0.1, 0.9, 0.2, 0.7, 0.3])
    chosen = cut(likeness, 2, np.random.default_rng(0))
    assert chosen["Ret"].tolist() == [3, 0]
    assert chosen["Exp-Ret"].tolist() == [5, 1]
    assert len(set(chosen["Random"])) == 2
    assert set(chosen["Random"]) <= {2, 4, 6}


def test_people_of_histories_stand_beside_those_who_are_not_asked():
    context = toy_score_context()
    data = figure._data(context)
    chosen = {"Ret": np.array([0, 1]), "Random": np.array([4])}
    asked = [figure._Asked(user, 0, chosen) for user in (0, 2, 2)]
    made = figure._with_people(data, asked, "Ret")
    assert made.users == (*data.users, *(f"{data.users[u]}, history {n}" for n, u in
                                         enumerate((0, 2, 2))))  # fmt: skip
    assert not made.rated[[0, 2]].any()
    np.testing.assert_array_equal(made.rated[[1, 3, 4, 5]], data.rated[[1, 3, 4, 5]])
    assert [np.flatnonzero(row).tolist() for row in made.rated[6:]] == [[0, 1]] * 3
    assert made.liked[np.isin(made.user, [6, 7, 8])].all()


def test_the_toy_histories_are_measured():
    # Everybody likes one hue, five pictures of it in training: all histories of one item are
    # alike, and a ranker on them must do far better than the chance of 3 in 43.
    found = histories(toy_score_context(), HistoryPlan(k=1, n_references=2, top=5, n_seeds=2))
    assert found.arms == ("Ret", "Exp-Ret", "Random")
    assert "recall@5 of reference" in found.measures
    for arm in found.arms:
        assert found.means["order of held-out ratings", arm].n == 6
        assert found.means["order of held-out ratings", arm].mean > 0.6
    text = text_of(found)
    assert "6 users, 12 references" in text
    assert "| Ret - Random |" in text


def test_random_histories_that_say_nothing_are_seen(monkeypatch):
    # The same analysis with a like of somebody else for Random: Ret is then above it.
    context = toy_score_context()
    items = figure._data(context).item_row
    likes, users, plain = context.train.liked_items, context.train.users, figure._asked

    def asked(*given):
        for one in plain(*given):
            stranger = items[likes[users[(one.user + 3) % 6]][0]]
            yield one._replace(histories={**one.histories, "Random": np.array([stranger])})

    monkeypatch.setattr(figure, "_asked", lambda *given: list(asked(*given)))
    found = histories(context, HistoryPlan(k=1, n_references=2, top=5, n_seeds=2))
    gap = next(g for g in found.gaps if g.measure.startswith("order") and g.b == "Random")
    assert gap.difference.mean > 0.2


def test_short_histories_are_said():
    with pytest.raises(DataError, match="nobody has a held-out like and 6 training likes"):
        histories(toy_score_context(), HistoryPlan(k=2))


# --- pictures ------------------------------------------------------------------------------


def test_several_pictures_of_a_reference_are_averaged():
    context = toy_score_context(n_images=3)
    made = generated_features(context)
    features = context.features("judge_encoder")
    for user in context.users:
        own = np.flatnonzero(context.samples["user_id"] == user)
        reference = context.test.liked_items[user][0]
        np.testing.assert_allclose(made[reference], features[own].mean(axis=0))


def test_shuffled_pictures_are_all_others():
    rows = np.arange(7.0)[:, None]
    moved = shuffled(rows)
    assert sorted(moved.ravel()) == sorted(rows.ravel())
    assert (moved != rows).all()


class Originals(ToyScores):
    """A run that gives every reference back as it is."""

    def features(self, role, rows=None):
        assert rows is None
        return self.item_features(role, [self.references[s] for s in self.samples["sample_id"]])


@pytest.mark.parametrize("ranker", ["vbpr", "micro"])
def test_the_originals_change_nothing(ranker):
    base = toy_score_context()
    same = Originals(base.world, base.samples, base.pictures)
    # An anti-taste run: every user is shown another hue.
    other = toy_score_context(accuracy=1.0)
    turned = ToyScores(other.world, other.samples, other.pictures[4:] + other.pictures[:4])
    plan = AuxiliaryPlan(top=5, ranker=ranker, n_seeds=2)
    found = auxiliary({"same": same, "turned": turned}, plan)
    assert found.arms == ("ORI", "shuffled", "same", "turned")
    for name in found.measures:
        assert found.means[name, "same"] == found.means[name, "ORI"]
        assert found.means[name, "turned"].mean < found.means[name, "ORI"].mean
        assert found.means[name, "shuffled"].mean < found.means[name, "ORI"].mean
    assert "6 of 48 items have another picture" in text_of(found)


def test_runs_of_one_label_are_told_apart():
    context = toy_score_context()
    named = labelled([("a", 0, context), ("a", 1, context), ("b", 0, context)])
    assert list(named) == ["a, seed 0", "a, seed 1", "b"]


class NoReferences(ToyScores):
    @property
    def requests(self):
        return {s: replace(r, reference=None) for s, r in super().requests.items()}


def test_runs_without_references_are_refused():
    base = toy_score_context()
    with pytest.raises(DataError, match="follows no references"):
        auxiliary({"a": NoReferences(base.world, base.samples, base.pictures)}, AuxiliaryPlan())


def test_runs_of_other_data_are_refused():
    base = toy_score_context()
    log = base.train.interactions
    other = replace(base.world, train=View(base.train.catalog, log.iloc[1:].reset_index(drop=True)))
    runs = {"a": base, "b": ToyScores(other, base.samples, base.pictures)}
    with pytest.raises(ConfigError, match="different data"):
        auxiliary(runs, AuxiliaryPlan())


# --- outcome -------------------------------------------------------------------------------


def test_gaps_are_paired_and_adjusted():
    rng = np.random.default_rng(0)
    a = rng.random((12, 1)) * 0.5
    arms = {"a": {"m": a + 0.2}, "b": {"m": a}}
    found = outcome("t", (), arms, (("a", "b"), ("b", "a")))
    first, second = found.gaps
    assert first.difference.mean == pytest.approx(0.2)
    assert second.difference.mean == pytest.approx(-0.2)
    assert first.adjusted == pytest.approx(2 * first.difference.p_value)
