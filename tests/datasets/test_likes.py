"""Which ratings are likes: scales that leave no doubt, and those that do."""

import numpy as np
import pytest
from refusals import refused

from persongen_bench.core.errors import ConfigError, DataError, PgbenchError
from persongen_bench.datasets.likes import likes, suggestions

SURE = {
    "stars": ([1, 2, 3, 4, 5], [0, 0, 0, 1, 1]),
    "half stars": ([0.5, 3.5, 4, 4.5, 5], [0, 0, 1, 1, 1]),
    "stars without some": ([2, 5], [0, 1]),
    "0 and 1": ([0, 1, 0], [0, 1, 0]),
    "thumbs": ([-1, 1, 1], [0, 1, 1]),
    "thumbs and none": ([-1, 0, 1], [0, 0, 1]),
}
DOUBTFUL = {
    "1 to 10": ([1, 4, 7, 10], "run from 1 to 10"),
    "0 to 100": ([0, 40, 100], "run from 0 to 100"),
    "0 to 5": ([0, 3, 5], "run from 0 to 5"),
    "tenths of stars": ([1.2, 4.7, 5], "run from 1.2 to 5"),
    "1 to 4": ([1, 2, 4], "run from 1 to 4"),
    "shares": ([0.1, 0.37, 1.0], "run from 0.1 to 1"),
    "-5 to 5": ([-5, 5], "run from -5 to 5"),
    "-1 and 0": ([-1, 0], "run from -1 to 0"),
    "large": ([1_234_567, 1_234_568], "run from 1234567.0 to 1234568.0"),
}


@pytest.mark.parametrize("scale", SURE)
def test_plain_scales_need_no_option(scale):
    ratings, expected = SURE[scale]
    assert likes(np.array(ratings, float), None, "log").tolist() == [bool(e) for e in expected]


@pytest.mark.parametrize("scale", DOUBTFUL)
def test_other_scales_are_asked_for_with_their_range(scale):
    ratings, said = DOUBTFUL[scale]
    with refused(said, "--data-option like_threshold="):
        likes(np.array(ratings, float), None, "log")


@pytest.mark.parametrize("scale", [*SURE, *DOUBTFUL])
def test_every_suggestion_works_and_likes_what_it_says(scale):
    """Advice is carried out: the share is counted again from the mask that it gives."""
    ratings = np.array({**SURE, **DOUBTFUL}[scale][0], float)
    choices = suggestions(ratings).removeprefix("--data-option like_threshold=").split("; ")
    for choice in choices:
        threshold, _, share = choice.split()
        liked = likes(ratings, float(threshold), "log")
        assert f"{liked.mean():.0%}" == share


def test_suggestions_are_near_usual_shares():
    """100 ratings 1..100: 60 of them are at least 41, 40 at least 61, 20 at least 81."""
    said = suggestions(np.arange(1.0, 101.0))
    assert said == "--data-option like_threshold=41 likes 60%; 61 likes 40%; 81 likes 20%"


@pytest.mark.parametrize("threshold", [None, 1.0, 4.0])
@pytest.mark.parametrize("value", [1.0, 5.0, 0.0, -1.0])
def test_one_value_is_no_taste(value, threshold):
    with pytest.raises(DataError, match=r"every rating is .*feedback=implicit"):
        likes(np.full(9, value), threshold, "log")


@pytest.mark.parametrize(
    ("ratings", "threshold", "error", "message"),
    [
        ([1, 2, 3], 4, ConfigError, "none of 3 ratings are likes.* from 1 to 3 .* is 4"),
        ([4, 5], 4, ConfigError, "all 2 ratings are likes.*like_threshold=5 likes 50%.*implicit"),
        ([4, 5], None, DataError, "all 2 ratings are likes.*like_threshold=5 likes 50%.*implicit"),
        ([0, 100], -1, ConfigError, "all 2 ratings are likes"),
    ],
)
def test_a_threshold_that_says_nothing_is_refused(ratings, threshold, error, message):
    with pytest.raises(error, match=message):
        likes(np.array(ratings, float), threshold, "log")


def test_the_way_out_is_not_named_where_there_is_none():
    with pytest.raises(PgbenchError) as caught:
        likes(np.ones(3), None, "log", clicks=False)
    assert "feedback" not in str(caught.value)
