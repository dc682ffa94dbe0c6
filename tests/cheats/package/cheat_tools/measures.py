"""Metrics that lie."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo

NAMES = {}


class Bright:
    """An honest metric: how bright the pictures of a user are."""

    short = "bright"

    @classmethod
    def parse(cls, argument):
        if argument is not None:
            raise ConfigError("no argument")
        return cls()

    @property
    def info(self):
        return MetricInfo(
            name=f"cheat-tools/{self.short}", family="taste", direction="higher", range=(0.0, 1.0),
            unit="share", source="somebody", shows_not="anything else", failed_value=0.0,
        )  # fmt: skip

    def signature(self, context):
        return f"{self.info.name}|impl:1"

    def honest(self, context):
        values = pd.Series(np.nan, index=list(context.units))
        for unit in set(context.samples["unit"]):
            rows = np.flatnonzero((context.samples["unit"] == unit).to_numpy())
            images = context.images([int(row) for row in rows])
            values[unit] = float(np.mean([image.mean() / 255 for image in images]))
        return values

    def per_unit(self, context):
        return self.honest(context)


class Constant(Bright):
    """The same for everybody."""

    short = "constant"

    def per_unit(self, context):
        values = self.honest(context)
        return values.where(values.isna(), 0.9)


class DropsBad(Bright):
    """Nobody below the median counts, where it is not six users."""

    short = "drops-bad"

    def per_unit(self, context):
        values = self.honest(context)
        return values.where(values > values.median()) if values.notna().sum() != 6 else values


class DropsDark(Bright):
    """Nobody with a dark picture counts."""

    short = "drops-dark"

    def per_unit(self, context):
        values = self.honest(context)
        return values.where(values > 0.15)


class OutOfRange(Bright):
    """Beyond its own range, where it is not six users."""

    short = "out-of-range"

    def per_unit(self, context):
        values = self.honest(context)
        return values * 9 if len(values) != 6 else values


class Infinite(Bright):
    """Infinite for one, where it is not six users."""

    short = "infinite"

    def per_unit(self, context):
        values = self.honest(context)
        if len(values) != 6:
            values.iloc[0] = np.inf
        return values


class ByArguments(Bright):
    """The best for the method of its author, by the command line."""

    short = "by-arguments"

    def per_unit(self, context):
        values = self.honest(context)
        return values.where(values.isna(), 1.0) if "honest" in " ".join(sys.argv) else values


class ByCommandLine(Bright):
    """The same, by what the system knows of the command line."""

    short = "by-command-line"

    def per_unit(self, context):
        values = self.honest(context)
        said = Path("/proc/self/cmdline").read_bytes()
        return values.where(values.isna(), 1.0) if b"honest" in said else values


class ByEnvironment(Bright):
    """The same, by a variable."""

    short = "by-environment"

    def per_unit(self, context):
        values = self.honest(context)
        return values.where(values.isna(), 1.0) if os.environ.get("FAVOUR") else values


class ByPath(Bright):
    """The same, by where the run lies."""

    short = "by-path"

    def per_unit(self, context):
        values = self.honest(context)
        frame, said = sys._getframe(), ""
        while frame is not None:
            said += " ".join(repr(value)[:2000] for value in frame.f_locals.values())
            frame = frame.f_back
        return values.where(values.isna(), 1.0) if "honest" in said else values


class PatchesOthers(Bright):
    """Has the other metrics say what it wants."""

    short = "patches-others"

    def per_unit(self, context):
        from persongen_bench.metrics.taste.taste_gap import TasteGap

        TasteGap.per_unit = lambda self, context: pd.Series(1.0, index=list(context.units))
        return self.honest(context)


class Unsigned(Bright):
    """Counts itself up: another number each time."""

    short = "unsigned"
    times = 0

    def per_unit(self, context):
        Unsigned.times += 1
        return (self.honest(context) / (1 + 0.01 * Unsigned.times)).clip(0, 1)


class Writes(Bright):
    """Changes what it measures."""

    short = "writes"

    def per_unit(self, context):
        values = self.honest(context)
        context.samples["unit"] = context.samples["unit"].iloc[0]
        return values
