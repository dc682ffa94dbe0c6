"""The names that `--permute` takes, and what stands behind them."""

import numpy as np
import pytest
from plugin_case import fresh_registry

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.loop import taste_instruments as names
from persongen_bench.metrics._verifier.instrument import unseen_probabilities, verifier_matrix
from persongen_bench.testing.toy_scores import toy_score_context


@pytest.fixture(scope="module")
def context():
    return toy_score_context(n_images=3, accuracy=1.0)


@pytest.mark.parametrize("model", ["mf", "neumf"])
def test_the_published_verifier_is_trained_on_all_and_the_unseen_one_is_not(context, model):
    users = context.users[1:4]
    published = names.open_instrument(f"verifier@{model}").scorer
    unseen = names.open_instrument(f"verifier-unseen@{model}").scorer
    by_all = verifier_matrix(context, model)[:, 1:4]
    np.testing.assert_array_equal(published.scores(context, users), by_all)
    by_folds = unseen_probabilities(context, model, users)
    np.testing.assert_array_equal(unseen.scores(context, users), by_folds)
    assert not np.allclose(by_all, by_folds, atol=1e-3)
    assert "fit:train-likes" in published.signature(context)
    assert "judge:unseen-of-5-folds" in unseen.signature(context)


def test_the_published_scores_of_the_own_images_are_the_metric(context):
    """Mean over a user's images of the verifier's score is the metric `verifier` (eq. 5)."""
    metric = parse_metric("verifier")
    scores = names.open_instrument("verifier").scorer.scores(context, context.users)
    own = [context.users.index(user) for user in context.samples["user_id"]]
    means = context.samples.assign(score=scores[np.arange(len(own)), own]).groupby("unit")["score"]
    expected = metric.per_unit(context)
    np.testing.assert_allclose(means.mean().reindex(expected.index), expected, atol=1e-12)


def test_who_is_not_in_the_training_ratings_cannot_be_scored(context):
    scores = names.open_instrument("verifier").scorer.scores(context, (context.users[0], "nobody"))
    assert np.isfinite(scores[:, 0]).all()
    assert np.isnan(scores[:, 1]).all()


@pytest.mark.parametrize(
    ("short", "printed"),
    [("neighbour", "taste-gap@neighbour"), ("true-taste", "taste-gap@true")],
)
def test_short_names_are_those_of_metrics(context, short, printed):
    one, other = names.open_instrument(short), names.open_instrument(printed)
    users = context.users[:2]
    np.testing.assert_array_equal(
        one.scorer.scores(context, users), other.scorer.scores(context, users)
    )
    assert (one.name, other.name) == (short, printed)
    assert one.metric.info == other.metric.info


@pytest.mark.parametrize(
    "said", ["nonsense", "nonsense@a", "diversity", "taste-gap-unseen", "", "-unseen", "true"]
)
def test_an_unknown_instrument_is_refused_in_one_line_that_lists_them(said):
    with pytest.raises(ConfigError) as caught:
        names.open_instrument(said)
    text = str(caught.value)
    assert "\n" not in text
    for name in ("neighbour", "true-taste", "verifier", "verifier-unseen", "verifier-unseen@neumf"):
        assert name in text


def test_the_argument_of_an_instrument_is_the_metrics_own():
    with pytest.raises(ConfigError, match="unknown verifier 'gpt'"):
        names.open_instrument("verifier-unseen@gpt")
    assert names.open_instrument("verifier@neumf-paper").metric.model == "neumf-paper"


def test_every_usual_name_opens():
    for name in names.usual_names():
        assert names.open_instrument(name).name == name


def test_a_broken_plugin_is_not_among_the_usual_names(monkeypatch):
    fresh_registry(monkeypatch)

    class Broken:
        @classmethod
        def parse(cls, argument):
            raise PgbenchError("broken")

    registry.register("metrics", "broken", Broken)
    assert "local/broken" not in names.usual_names()


@pytest.mark.parametrize(
    ("permute", "n_images", "message"),
    [(("nonsense",), None, "no instrument"), ((), 30, "names no instrument"),
     (("verifier",), 0, "permute_images"), (("verifier",), 1.5, "permute_images")],
)  # fmt: skip
def test_what_is_permuted_is_checked(permute, n_images, message):
    with pytest.raises(PgbenchError, match=message):
        names.check_permuted(permute, n_images)
    names.check_permuted(("verifier",), 30)
    names.check_permuted((), None)


def test_unasked_the_boards_metric_is_tested_where_it_was_measured():
    metrics = [parse_metric(name) for name in ("diversity", "verifier", "taste-gap")]
    assert names.board_metric(metrics, "taste-gap").info.name == "taste-gap"
    assert names.board_metric(metrics, None).info.name == "verifier"
    assert names.board_metric(metrics[:2], "taste-gap").info.name == "verifier"
    assert names.board_metric(metrics, "diversity").info.name == "verifier"  # has no scores
    assert names.board_metric(metrics[:1], "taste-gap") is None
    assert names.default_name("verifier@neumf") == "verifier-unseen@neumf"
    assert names.default_name("taste-gap") == "taste-gap"
    assert names.default_name("gone") == "gone"
