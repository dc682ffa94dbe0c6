"""The share of pictures with which one run wins, with the prompt as the unit."""

import pandas as pd
import pytest

from persongen_bench.leaderboards.wins import wins


def scores(rows):
    index = pd.MultiIndex.from_tuples([(prompt, number) for prompt, number, _ in rows])
    return pd.Series([score for *_, score in rows], index=index)


FIRST = scores([("x", 0, 0.5), ("x", 1, 0.1), ("y", 0, 0.3), ("y", 1, 0.9), ("z", 0, 0.2)])
SECOND = scores([("x", 0, 0.4), ("x", 1, 0.2), ("y", 0, 0.3), ("y", 1, 0.1)])


def test_prompts_weigh_the_same_and_a_tie_is_one_half():
    # x: one of two; y: a tie and a win, .75; z has no opponent. Mean (.5 + .75) / 2.
    share = wins(FIRST, SECOND)
    assert share.mean == pytest.approx(0.625)
    assert share.n == 2


def test_exchanging_the_runs_gives_the_rest_and_a_run_ties_with_itself():
    assert wins(SECOND, FIRST).mean == pytest.approx(1 - 0.625)
    assert wins(FIRST, FIRST).mean == 0.5


def test_what_lies_within_the_margin_is_a_tie():
    # x: +.1 and -.1; y: 0 and +.8. Within .2 all but the last are ties: (.5 + .75) / 2.
    assert wins(FIRST, SECOND, 0.2).mean == pytest.approx(0.625)
    assert wins(FIRST, SECOND, 1.0).mean == 0.5
