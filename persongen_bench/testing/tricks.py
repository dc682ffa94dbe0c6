"""What a metric could do that no number shows: drop whom it likes, look at the command line.

The checks here run on two more worlds, of other sizes and under other names.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from persongen_bench.core.metric import Metric, caveats_of
from persongen_bench.testing.base import Contract
from persongen_bench.testing.disguise import disguised_world
from persongen_bench.testing.leaks import opened_files
from persongen_bench.testing.require import ContractError, require
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context
from persongen_bench.util.patches import code_of, patched_from

SEED = 20
"""Of the worlds, where no other is set."""
_TOLD = ("cmdline", "environ")
"""Files of a process that say how it was called."""


class Arguments(list[str]):
    """A command line that notes whether somebody looked at it."""

    looked = False

    def __iter__(self) -> Iterator[str]:
        """Noted."""
        self.looked = True
        return super().__iter__()

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401  # as of a list
        """Noted."""
        self.looked = True
        return super().__getitem__(key)

    def __len__(self) -> int:
        """Noted."""
        self.looked = True
        return super().__len__()


@contextmanager
def plain_arguments() -> Iterator[Arguments]:
    """The command line of a method's own process, whatever this one was called with."""
    before, sys.argv = sys.argv, Arguments(["pgbench"])
    try:
        yield sys.argv
    finally:
        sys.argv = before


class TrickContract(Contract):
    """Checks that a `MetricContract` has besides."""

    seed: int | None = None
    """Of the worlds of these checks; None: always the same."""

    def make(self) -> Metric:
        """The metric."""
        raise NotImplementedError

    def test_looks_at_the_answers(self) -> None:
        """Not one value for all answers: good, random and grey ones, and copies of the history.

        What can rank nobody, such as a number about an instrument, is not asked, nor what says
        itself that it hardly tells answers apart here (`caveats`).
        """
        context = self._context(accuracy=1.0)
        if not self.make().info.can_rank or caveats_of(self.make(), context):
            return
        good = self._good()
        for other in (self._bad, lambda: self._of(_grey(context)), lambda: self._of(_old(context))):
            if not np.array_equal(good.to_numpy(), other().to_numpy(), equal_nan=True):
                return
        raise ContractError(f"every answer has the same value, such as {good.iloc[0]:g}")

    def test_who_counts_does_not_hang_on_the_answers(self) -> None:
        """A user with answers has a value for bad ones where there is one for good ones."""
        gone = self._good().notna() != self._bad().notna()
        require(not gone.any(), f"user {gone.idxmax()} counts for some answers and not for others")

    def test_worlds_of_other_sizes(self) -> None:
        """One finite number in the range for each user, of more people than six too."""
        info = self.make().info
        for values in (self._good(), self._bad()):
            require(isinstance(values, pd.Series), "expected a Series")
            numbers = values.dropna()
            require(bool(np.isfinite(numbers).all()), "a value is infinite")
            if info.level == "set":
                numbers = pd.Series({"the mean": numbers.mean()})
            low, high = info.range
            slack = 1e-9 if math.isfinite(high - low) else 0.0
            outside = numbers[(numbers < low - slack) | (numbers > high + slack)]
            require(outside.empty, f"{outside.head(1).to_dict()} lies outside [{low}, {high}]")

    def test_looks_at_nothing_else(self) -> None:
        """Neither at the command line nor at how the process was called."""
        metric, context = self.make(), self._context(accuracy=1.0)
        with opened_files() as opened, plain_arguments() as arguments:
            arguments.looked = False
            metric.per_unit(context)
            looked = arguments.looked
        told = {place.name for place in opened() if place.parts[:2] == ("/", "proc")}
        require(not looked, "it looks at the command line (sys.argv)")
        require(not told & set(_TOLD), f"it reads /proc/.../{min(told & set(_TOLD), default='')}")

    def test_changes_no_code_but_its_own(self) -> None:
        """Nothing of this package, numpy, pandas or torch is its code after it measured."""
        self._good()
        changed = patched_from([code_of(type(self.make()))])
        require(not changed, f"it changes {', '.join(changed[:3])}")

    def _good(self) -> pd.Series:
        return self.once("good", lambda: self.make().per_unit(self._context(accuracy=1.0)))

    def _bad(self) -> pd.Series:
        return self.once("bad", lambda: self.make().per_unit(self._context(accuracy=0.0)))

    def _of(self, context: ToyScores) -> pd.Series:
        return self.make().per_unit(context)

    def _context(self, accuracy: float) -> ToyScores:
        world = disguised_world(SEED if self.seed is None else self.seed)
        reads = self.make().info.reads
        return toy_score_context(accuracy=accuracy, seed=1, reads=reads, world=world)


def _grey(context: ToyScores) -> ToyScores:
    """The same answer for everybody, with a picture without colour."""
    grey = tuple(np.full_like(picture, 128) for picture in context.pictures)
    return replace(
        context, pictures=grey, answers=context.answers[:1] * len(context.answers), _memo={}
    )


def _old(context: ToyScores) -> ToyScores:
    """Everybody's own history as pictures."""
    own = [context.histories[str(sample)][0] for sample in context.samples["sample_id"]]
    return replace(context, pictures=tuple(context.item_images(own)), _memo={})
