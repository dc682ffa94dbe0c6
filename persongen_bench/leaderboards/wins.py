"""How often a picture of one run scores higher than the other's of the same prompt and seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from persongen_bench import stats
from persongen_bench.core.later import pd
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import reopen
from persongen_bench.metrics.pictures._preference import text_scores

POPULATION = "population"
"""In place of a role: the true taste of the people who are tested."""
SAME_SCENE = 0.005
"""Two pictures that are read as one scene differ in true taste by how legible they are, and by no
more than this; that is a tie."""


def win_share(first: Path, second: Path, judge: str = "pickscore") -> stats.Interval:
    """Share of pictures with which the first run wins, and its 95% interval over prompts.

    Args:
        first: directory of a run on the track ``alignment``.
        second: of the run it is compared with, such as one of `sd-prompt`; samples of one prompt
            and number have one seed in both.
        judge: a role that scores a picture with its words, or `POPULATION`.

    A tie counts one half; where one of the two was not delivered, the pair is left out.
    """
    margin = SAME_SCENE if judge == POPULATION else 0.0
    return wins(picture_scores(first, judge), picture_scores(second, judge), margin)


def picture_scores(run: Path, judge: str) -> pd.Series:
    """Score of every delivered picture by prompt and number."""
    directory, world = reopen(run, None, Execution())
    seen = Evaluation.of_run(directory, world)
    if judge == POPULATION:
        values = np.asarray(seen.taste(seen.test.users).mean(axis=1))
    else:
        values = text_scores(seen, judge, "prompt")
    places = [seen.samples["unit"], seen.samples["index"]]
    return pd.Series(values, index=pd.MultiIndex.from_arrays(places))


def wins(first: pd.Series, second: pd.Series, margin: float = 0.0) -> stats.Interval:
    """`win_share` of two tables of scores, by prompt and number; within ``margin`` they tie."""
    both = pd.concat([first, second], axis=1, keys=["a", "b"]).dropna()
    gap = both["a"] - both["b"]
    won = (gap > margin) + 0.5 * (gap.abs() <= margin)
    by_prompt = won.groupby(level=0).mean().to_numpy(dtype=np.float64)
    return stats.interval(by_prompt, np.random.default_rng(0), bounds=(0.0, 1.0))
