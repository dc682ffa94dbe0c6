"""What metrics of all images together compare: generated images and a set of reference images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from persongen_bench.core.later import pd
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Embeddings

ReferenceSet = Literal["held-out", "likes", "catalogue"]
"""What generated images are compared with, each item once.

The held-out likes of the users with samples; the likes of all users, training and held out; or
every item of the data set.
"""


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
    """Each item of the reference set once, in the order of their ids."""

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


def compared(context: ScoreContext, role: str, reference: ReferenceSet = "held-out") -> Compared:
    """All samples against one of the reference sets."""
    key = f"compared sets|{role}|{reference}"
    return context.memo(key, lambda: _compare(context, role, reference))


def _compare(context: ScoreContext, role: str, reference: ReferenceSet) -> Compared:
    table = context.samples
    present = set(table["unit"])
    units = tuple(unit for unit in context.units if unit in present)
    owners = pd.Index(units).get_indexer(pd.Index(table["unit"]))
    order = np.lexsort((table["sample_id"], table["index"], owners))
    return Compared(
        units,
        owners[order],
        np.asarray(context.features(role)[order]),
        context.item_features(role, _items(context, reference)),
    )


def _items(context: ScoreContext, reference: ReferenceSet) -> list[str]:
    """Items of a reference set, each once, in the order of their ids."""
    if reference == "catalogue":
        return sorted(context.catalogue_ids)
    held_out = context.test.liked_items
    if reference == "likes":
        liked = [*held_out.values(), *context.train.liked_items.values()]
    else:
        liked = [held_out.get(str(user), ()) for user in set(context.samples["user_id"])]
    return sorted({item for items in liked for item in items})
