"""Metrics of all images together: one number, spread over the units that it owes to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, Self, get_args

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._compared import Compared, ReferenceSet, compared

NOT_TASTE = (
    "Whether anybody gets the images they like: shuffling images among users does not change it."
)
"""What no metric of all images together shows."""
InceptionMode = Literal["clean", "tf-legacy", "pytorch"]
"""How pictures enter Inception (`persongen_bench.stacks.inception_input`)."""
_SIGNED = {"held-out": "held-out-likes", "likes": "all-likes", "catalogue": "catalogue"}
_WHOLE = {"likes": "all likes of all users", "catalogue": "the whole catalogue"}


def jackknife_influence(
    number: float, without: Float[np.ndarray, " units"]
) -> Float[np.ndarray, " units"]:
    """Influence of every unit: ``(n - 1) (number - number without the unit)``.

    Number plus influence are Tukey's jackknife pseudo-values, whose standard error over units is
    that of the jackknife. A single unit has no influence to speak of: 0.
    """
    if len(without) == 1:
        return np.zeros(1)
    return (len(without) - 1) * (number - without)


def infinitesimal_influence(
    rows: Float[np.ndarray, " n"], owners: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " units"]:
    """Influence of every unit from the influence function at every image.

    ``owners``: 0 .. units - 1, each at least once. The derivative of the number by the weight of a
    unit's images, times the number of units: the infinitesimal jackknife (Jaeckel 1972), the limit
    of `jackknife_influence` for many units.
    """
    n_units = int(owners.max()) + 1
    return np.asarray(n_units * np.bincount(owners, weights=rows) / len(rows))


def spread_over_units(
    context: ScoreContext, number: float, influence: Mapping[str, float]
) -> pd.Series:
    """The number plus each unit's influence, centred so that the mean over units is the number.

    Units not in ``influence`` took no part in it and are NaN.
    """
    values = pd.Series(influence, dtype=float).reindex(list(context.units))
    return number + values - values.mean()


class Measured(NamedTuple):
    """A number and what every unit with samples contributes to it."""

    number: float
    influence: Float[np.ndarray, " units"]


class SetMetric(ABC):
    """A distance (or overlap) of the generated images and the reference images.

    The reference set is held fixed: units are left out of the generated images only, and the
    interval over units is one for this reference. A subclass is set up with one role and says
    when it refuses, what it measures, and what to mind. Behind its own argument a dash may name
    the reference set, ``fid@clean-catalogue``; without one it is the held-out likes.
    """

    info: MetricInfo
    reference: ReferenceSet = "held-out"
    details: ClassVar[str] = ""
    version: ClassVar[int] = 1

    @classmethod
    @abstractmethod
    def of(cls, argument: str | None) -> Self:
        """Build from the argument before the reference set; None where there is none."""

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """What `of` takes, and behind it ``-held-out`` (as without), ``-likes`` or ``-catalogue``.

        Where `of` needs nothing the set may stand alone, as in ``cmmd@catalogue``.
        """
        own, reference = split_reference(argument)
        try:
            metric = cls.of(own)
        except ConfigError as error:
            sets = ", ".join(f"-{name}" for name in get_args(ReferenceSet))
            raise ConfigError(str(error), fix=f"A reference set may follow: {sets}.") from error
        return metric if reference == "held-out" else metric.against(reference)

    def against(self, reference: ReferenceSet) -> Self:
        """The same metric with another reference set, which its name then ends in."""
        other = copy(self)
        other.reference = reference
        other.info = replace(self.info, name=f"{self.info.name}-{reference}")
        return other

    @abstractmethod
    def refusal(self, sets: Compared) -> str | None:
        """Why there is no number for these sets, or None."""

    @abstractmethod
    def measure(self, sets: Compared) -> Measured:
        """The number and its influences, of sets that are not refused."""

    def cautions(self, sets: Compared, number: float) -> list[str]:  # noqa: ARG002  # for others
        """What to mind about a number that is not refused."""
        return []

    def signature(self, context: ScoreContext) -> str:
        """Name, encoder, sets, estimator, version."""
        sets = f"sets:pooled-samples,{_SIGNED[self.reference]}"
        return build_signature(self.info, context, f"{sets}|{self.details}", self.version)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Number plus influence; NaN for units without samples, and for all where it refuses."""
        sets = self._sets(context)
        if self.refusal(sets) is not None:
            return pd.Series(np.nan, index=list(context.units), dtype=float)
        number, influence = self._measured(context)
        return spread_over_units(
            context, number, dict(zip(sets.units, influence.tolist(), strict=True))
        )

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """The refusal, or what to mind: undelivered images, a sample too small for the number."""
        sets = self._sets(context)
        refused = self.refusal(sets)
        if refused is not None:
            return [f"no number: {refused}"]
        asked, n = sum(context.n_asked.values()), len(sets.owners)
        short = f"n={n} of {asked} images asked for: compare with runs of the same n only"
        notes = [short] if n < asked else []
        if self.reference != "held-out":
            notes.append(
                f"the reference is {_WHOLE[self.reference]}, {len(sets.reference):,} images, with "
                "the training items among them: copies of those do well"
            )
        return notes + self.cautions(sets, self._measured(context).number)

    def _sets(self, context: ScoreContext) -> Compared:
        return compared(context, self.info.roles[0], self.reference)

    def _measured(self, context: ScoreContext) -> Measured:
        return context.memo(
            f"measured|{self.signature(context)}", lambda: self.measure(self._sets(context))
        )


def split_reference(argument: str | None) -> tuple[str | None, ReferenceSet]:
    """``clean-likes`` is ``("clean", "likes")``, ``likes`` is ``(None, "likes")``.

    Without a set it is the held-out likes.
    """
    for reference in get_args(ReferenceSet):
        if argument == reference:
            return None, reference
        if argument is not None and argument.endswith(f"-{reference}"):
            return argument.removesuffix(f"-{reference}"), reference
    return argument, "held-out"


def parse_mode(name: str, argument: str | None) -> str:
    """The role ``inception/<mode>`` for the argument of a metric; there is no default mode.

    Numbers of different modes are not comparable, so that one must be named.
    """
    modes = get_args(InceptionMode)
    if argument not in modes:
        named = "names no input mode" if argument is None else f"has no input mode {argument!r}"
        raise ConfigError(f"metric {name} {named}", fix=f"Name one of {', '.join(modes)}.")
    return f"inception/{argument}"


ENCODERS = ("judge_encoder", "clip", "dino", "inception", "hps", "pickscore")
"""Roles whose space a distribution may be judged in."""


def parse_encoder(name: str, argument: str | None) -> str:
    """A role (or ``role/variant``) with an image space that no method draws from."""
    role = (argument or "").partition("/")[0]
    if role == "image_encoder":
        raise ConfigError(
            f"metric {name}: image_encoder is the space methods draw in, not one to judge in",
            fix=f"Use {name}@judge_encoder.",
        )
    if argument is None or role not in ENCODERS or argument.endswith("/"):
        raise ConfigError(
            f"metric {name} needs an image space, found {argument!r}",
            fix=f"Use {name}@ROLE, ROLE one of {', '.join(ENCODERS)}, or inception/clean.",
        )
    if role == "inception":
        parse_mode(f"{name}@inception", argument.partition("/")[2] or None)
    return argument
