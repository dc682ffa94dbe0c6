"""What a metric gave, checked against its card and against what was asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo

SLACK = 1e-9
"""By so much a value may leave the range: sums in another order differ in the last digits."""


class MetricRefusedError(PgbenchError):
    """A metric gave something that is no number per unit; its name is in the message."""


def checked(info: MetricInfo, values: Any, units: Sequence[str]) -> pd.Series:  # noqa: ANN401  # whatever a metric gave
    """The values as float64 in the order of ``units``; NaN where undefined.

    Raises:
        MetricRefusedError: for anything but one finite number in the card's range (or NaN) for each
            of the units and nobody else; of a metric of all images together the mean is held
            against the range.
    """
    problem = _shape_problem(values, units)
    if problem is None:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        series = pd.Series(numbers, index=values.index).reindex(list(units))
        problem = _value_problem(info, series.dropna())
    if problem is not None:
        raise MetricRefusedError(
            f"{info.name} {problem}", fix="Correct the metric, or leave it out."
        )
    return series


def _shape_problem(values: Any, units: Sequence[str]) -> str | None:  # noqa: ANN401  # as above
    if not isinstance(values, pd.Series):
        return f"gave a {type(values).__name__}, expected a Series with one float per unit"
    kinds = pd.api.types
    if not (kinds.is_float_dtype(values) or kinds.is_integer_dtype(values)):
        return f"gave values of type {values.dtype}, expected floats"
    if values.index.has_duplicates:
        return f"gave two values for {values.index[values.index.duplicated()][0]!r}"
    missing, extra = set(units) - set(values.index), set(values.index) - set(units)
    if missing:
        return f"gave no value for {len(missing)} of {len(units)} units, such as {_one(missing)}"
    if extra:
        return f"gave values for {len(extra)} units that nobody asked for, such as {_one(extra)}"
    return None


def _value_problem(info: MetricInfo, values: pd.Series) -> str | None:
    infinite = values[~np.isfinite(values)]
    if len(infinite):
        return f"is {infinite.iloc[0]} for {len(infinite)} units, such as {infinite.index[0]!r}"
    if info.level == "set" and len(values):
        values = pd.Series({"the mean of all units": values.mean()})
    low, high = info.range
    outside = values[(values < low - SLACK) | (values > high + SLACK)]
    if outside.empty:
        return None
    return (
        f"is {outside.iloc[0]:g} for {outside.index[0]!r}, outside its declared range "
        f"[{low:g}, {high:g}] ({len(outside)} such values)"
    )


def _one(units: set[Any]) -> str:
    return repr(min(units, key=str))
