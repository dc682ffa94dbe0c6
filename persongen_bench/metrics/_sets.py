"""Metrics of all images together: one number, spread over the units that it owes to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import build_signature

NOT_TASTE = (
    "Whether anybody gets the images they like: shuffling images among users does not change it."
)
"""What no metric of all images together shows."""
InceptionMode = Literal["clean", "tf-legacy", "pytorch"]
"""How pictures enter Inception (`persongen_bench.stacks.inception_input`)."""


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


@dataclass(frozen=True)
class Compared:
    """Generated images against reference images, as features of one role.

    The rows are in an order that the order of the samples does not change.
    """

    units: tuple[str, ...]
    """Units with samples, as in the context."""
    owners: Int[np.ndarray, " n"]
    """Per generated image its place in ``units``; ascending."""
    generated: Embeddings
    reference: Embeddings
    """The held-out likes of the users with samples, each item once, in the order of their ids."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """``(n generated, m reference, d)``."""
        n, d = self.generated.shape
        return n, len(self.reference), d

    @property
    def remaining(self) -> int:
        """Fewest generated images when one unit is left out (all of them if there is one)."""
        largest = np.bincount(self.owners).max(initial=0) if len(self.units) > 1 else 0
        return len(self.owners) - int(largest)


def compared(context: ScoreContext, role: str) -> Compared:
    """All samples against the union of the held-out likes of the users who have samples."""
    return context.memo(f"compared sets|{role}", lambda: _compare(context, role))


def _compare(context: ScoreContext, role: str) -> Compared:
    table = context.samples
    present = set(table["unit"])
    units = tuple(unit for unit in context.units if unit in present)
    owners = pd.Index(units).get_indexer(pd.Index(table["unit"]))
    order = np.lexsort((table["sample_id"], table["index"], owners))
    likes = context.test.liked_items
    items = sorted({item for user in set(table["user_id"]) for item in likes.get(str(user), ())})
    return Compared(
        units,
        owners[order],
        np.asarray(context.features(role)[order]),
        context.item_features(role, items),
    )


class Measured(NamedTuple):
    """A number and what every unit with samples contributes to it."""

    number: float
    influence: Float[np.ndarray, " units"]


class SetMetric(ABC):
    """A distance (or overlap) of the generated images and the reference images.

    The reference set is held fixed: units are left out of the generated images only, and the
    interval over units is one for this reference. A subclass is set up with one role and says
    when it refuses, what it measures, and what to mind.
    """

    info: MetricInfo
    details: ClassVar[str] = ""
    version: ClassVar[int] = 1

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
        """Name, encoder, estimator, version."""
        sets = "sets:pooled-samples,held-out-likes"
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
        return notes + self.cautions(sets, self._measured(context).number)

    def _sets(self, context: ScoreContext) -> Compared:
        return compared(context, self.info.roles[0])

    def _measured(self, context: ScoreContext) -> Measured:
        return context.memo(
            f"measured|{self.signature(context)}", lambda: self.measure(self._sets(context))
        )


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
