"""The contract of a metric: a signed, pure, bounded function with one value per unit."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any, ClassVar, get_args

import numpy as np
import pandas as pd

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import Metric, MetricInfo, Parametrised
from persongen_bench.core.output import KINDS
from persongen_bench.core.types import Direction, content_hash, frame_hash
from persongen_bench.testing.require import ContractError, require
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context
from persongen_bench.testing.tricks import TrickContract

ARGUMENTS = (None, "2")
"""What `MetricContract` tries behind ``@`` where no argument is set."""
TOLERANCE = 1e-9
"""Sums in another order may differ in the last digits of a float64 in [-1e3, 1e3]."""


N_DELIVERED = 4
"""Images that the toy context has of each user."""


class MetricContract(TrickContract):
    """Subclass it and set ``metric`` (and ``argument``), or override `make` and `context`."""

    subject: ClassVar[str] = "metric"

    metric: str | type[Metric] = ""
    """Registered name, ``distribution/name`` for a plugin, or the class itself."""
    argument: str | None = None
    """The part behind ``@`` of the printed form, such as ``20``."""

    def make(self) -> Metric:
        """The parsed metric; without ``argument`` a small one is tried where one is needed."""
        named = isinstance(self.metric, str)
        cls: Any = registry.get("metrics", str(self.metric)) if named else self.metric
        example = cls.example if isinstance(cls, Parametrised) else None
        given = self.argument if self.argument is not None else example
        for argument in ARGUMENTS if given is None else (given,):
            try:
                parsed: Metric = cls.parse(argument or None)
            except ConfigError as error:
                refused = error
            else:
                return parsed
        raise ContractError(f"set an argument: {refused}")

    def context(self) -> ToyScores:
        """What the metric is evaluated on: answers of the kind that it reads."""
        return toy_score_context(reads=self.make().info.reads)

    def test_card_is_complete(self) -> None:
        """Name, family, direction, range, unit, source, what it reads and what it hides."""
        info = self.make().info
        for name in ("name", "family", "unit", "source", "shows_not"):
            require(str(getattr(info, name)).strip(), f"info.{name} is empty")
        require(info.direction in get_args(Direction), f"unknown direction {info.direction!r}")
        require(info.range[0] < info.range[1], f"range {info.range} is empty")
        require(info.reads in KINDS, f"reads {info.reads!r}, not one of {', '.join(KINDS)}")

    def test_a_failure_counts_the_worst_there_is(self) -> None:
        """``failed_value`` is the worst end of the range, any number where that is infinite.

        It is not needed; without one, or without a worst end, the metric can rank nobody.
        """
        info = self.make().info
        failed, worst = info.failed_value, info.worst
        if failed is None:
            return
        require(worst is not None, f"failed_value {failed}, though neither end is better")
        spread = info.level == "set" and info.failures == "averaged"
        require(not spread, "a number of all images together lets failures count inside")
        if worst is not None and math.isfinite(worst):
            require(failed == worst, f"failed_value is {failed}, the worst of {info.range} {worst}")

    def test_not_delivering_does_not_pay(self) -> None:
        """With one or two of everybody's images the mean is not better, failures counted.

        A number that is no mean over samples, such as a union, has to count them itself
        (``failures="inside"``).
        """
        info, context = self.make().info, self.context()
        if not info.can_rank:
            return
        index = context.samples["index"].to_numpy()
        sign = -1 if info.direction == "lower" else 1
        whole = sign * float(self._values().mean())
        for chosen in [*combinations(range(N_DELIVERED), 1), *combinations(range(N_DELIVERED), 2)]:
            some = context.delivered([int(row) for row in np.flatnonzero(np.isin(index, chosen))])
            value = sign * float(_failures_counted(info, self.make().per_unit(some), some).mean())
            paid = f"{len(chosen)} of {N_DELIVERED} images score {sign * value}, all {sign * whole}"
            require(value <= whole + TOLERANCE, f"not delivering pays: {paid}")

    def test_printed_form_parses_to_itself(self) -> None:
        """It is the registered name, then ``@`` and an argument; `parse` of that gives it again."""
        metric = self.make()
        name, _, argument = metric.info.name.partition("@")
        named = not isinstance(self.metric, str) or name == self.metric
        require(named, f"info.name is {metric.info.name!r}, registered is {self.metric!r}")
        again = type(metric).parse(argument or None)
        require(again.info == metric.info, f"{metric.info.name} parses to {again.info.name}")

    def test_signature_names_what_fixes_the_number(self) -> None:
        """It starts with the printed form, holds ``impl:`` and every role's model."""
        metric, context = self.make(), self.context()
        signature = metric.signature(context)
        require(signature.startswith(metric.info.name), f"{signature!r} hides the printed form")
        require("impl:" in signature, f"{signature!r} has no implementation number (impl:1)")
        for role in metric.info.roles:
            named = context.encoder_signature(role) in signature
            require(named, f"{signature!r} does not name the model of role {role}")

    def test_one_value_per_unit(self) -> None:
        """A float Series indexed by exactly the units of the protocol."""
        values = self._values()
        require(isinstance(values, pd.Series), f"expected a Series, found {type(values).__name__}")
        require(pd.api.types.is_float_dtype(values), f"expected floats, found {values.dtype}")
        require(values.index.is_unique, "a unit stands twice")
        given, units = set(values.index), set(self.context().units)
        require(given == units, f"values for {sorted(given)}, expected {sorted(units)}")
        require(values.notna().any(), "no unit has a value, though each has images")

    def test_values_lie_in_the_range(self) -> None:
        """No value outside ``info.range``, and none that is infinite."""
        values, (low, high) = self._values().dropna(), self.make().info.range
        require(bool(np.isfinite(values).all()), "a value is infinite")
        slack = TOLERANCE if math.isfinite(high - low) else 0.0
        if self.make().info.level == "set":
            values = pd.Series({"the mean": values.mean()})
        outside = values[(values < low - slack) | (values > high + slack)]
        require(outside.empty, f"{outside.head(1).to_dict()} lies outside [{low}, {high}]")

    def test_order_of_samples_does_not_matter(self) -> None:
        """Shuffled samples give the same values; what has an order has a column ``index``."""
        context = self.context()
        order = np.random.default_rng(0).permutation(len(context.samples))
        shuffled = self.make().per_unit(context.reordered([int(k) for k in order]))
        _require_close(self._values(), shuffled, "canonical against shuffled samples")

    def test_same_images_same_values(self) -> None:
        """Evaluating twice, and with a metric parsed anew, gives the same numbers."""
        again = self.make().per_unit(self.context())
        _require_close(self._values(), again, "two evaluations")

    def test_unit_without_samples_is_undefined(self) -> None:
        """NaN, never 0, for a unit of which nothing was delivered; it stays in the table."""
        context = self.context()
        absent = context.units[0]
        values = self.make().per_unit(context.without(absent))
        require(absent in values.index, f"unit {absent} without samples was dropped")
        require(math.isnan(values[absent]), f"unit {absent} without samples got {values[absent]}")

    def test_inputs_stay_as_they_were(self) -> None:
        """Neither the samples nor the answers nor the views are changed."""
        context = self.context()
        metric = self.make()
        before = _fingerprint(context, metric.info.reads)
        metric.per_unit(context)
        require(
            _fingerprint(context, metric.info.reads) == before,
            "evaluating the metric changed its context",
        )

    def _values(self) -> pd.Series:
        return self.once("values", lambda: self.make().per_unit(self.context()))


def _failures_counted(info: MetricInfo, values: pd.Series, context: ToyScores) -> pd.Series:
    """What the loop makes of a unit's number when part of its images was not delivered."""
    failed = float("nan") if info.failed_value is None else info.failed_value
    if info.failures == "inside":
        return values.fillna(failed)
    asked = pd.Series(context.n_asked).reindex(values.index)
    share = context.samples["unit"].value_counts().reindex(values.index, fill_value=0) / asked
    if info.failures == "whole":
        return values.where(share == 1, failed)
    return (values * share + failed * (1 - share)).fillna(failed)


def _require_close(one: pd.Series, other: pd.Series, promise: str) -> None:
    gap = (one - other.reindex(one.index)).abs()
    same = (gap <= TOLERANCE) | (one.isna() & other.reindex(one.index).isna())
    worst = gap[~same].head(1).to_dict()
    require(same.all(), f"{promise}: values differ, by {worst}")


def _fingerprint(context: ToyScores, reads: str) -> str:
    frames = [context.samples, context.train.interactions, context.test.interactions]
    pixels = [image.tobytes().hex() for image in context.pictures]
    kind = KINDS[reads]
    given = [kind.digest(answer) for answer in context.outputs(range(len(context.samples)))]
    return content_hash([frame_hash(frame) for frame in frames], pixels, given)
