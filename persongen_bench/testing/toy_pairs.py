"""The preferences of the toy world: everybody likes pictures of the own hue better."""

from __future__ import annotations

import pandas as pd

from persongen_bench.core.types import PAIR_COLUMNS
from persongen_bench.testing.toy_pictures import N_HUES


def toy_pairs(items: pd.DataFrame) -> pd.DataFrame:
    """Person k prefers each of the own pictures to one of the next hue; every fifth is a tie."""
    rows, at = [], {int(order): item_id for item_id, order in items["order"].items()}
    for number, (order, item_id) in enumerate(at.items()):
        k, other = order % N_HUES, at[(order + 1) % len(items)]
        rows.append((f"pair-{order}", f"user-{k}", f"hue {k}", item_id, other, number % 5 == 4))
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))
