"""The splits of tasteworld: some people are tested, on motifs that nobody trains on.

In each of them some motifs are held out with all their versions. Rows of tested people on these
are the test part. Rows of the others on these are the validation part, which nobody trains on: as
every picture is rated by somebody, the training view then holds no version of a held-out motif.
The people of the cold-start pool take no part in the training of the other splits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Bool

from persongen_bench.core.dataset import Promise, Split, SplitFunction
from persongen_bench.core.errors import DataError
from persongen_bench.core.types import INTERACTION_COLUMNS
from persongen_bench.datasets.splits import CONTENTS, TEMPORAL, TIME
from persongen_bench.datasets.supports import supports

PANEL = "panel"
COLD_START = "cold-start"
FOLDS = 5
"""Parts of cross-validation."""
_MOTIFS = 30
"""Stream of random numbers, beside those of the world."""


@dataclass(frozen=True)
class Roles:
    """Who is tested when, and which pictures belong together."""

    panel: frozenset[str]
    """The people whom the splits ``panel`` and ``temporal`` test."""
    cold: frozenset[str]
    """The people whom ``cold-start`` tests; the other splits do not train on them."""
    motif_of: Mapping[str, str]
    """Motif of every item; in sorted order the motifs are in the order of their publication."""


def tasteworld_splits(
    roles: Roles, test_fraction: float, latest_fraction: float
) -> dict[str, SplitFunction]:
    """All splits by name, the default first.

    - ``panel``: a random ``test_fraction`` of the motifs is held out, the panel is tested.
    - ``temporal``: the latest ``latest_fraction`` of the motifs is held out, the panel is tested;
      as people look at motifs in the order of their publication, the test rows are everybody's
      last ones.
    - ``cold-start`` (where there is a pool): the motifs of ``panel``, and the pool is tested. What
      its people rated among the other motifs is their support, in the training part;
      ``cold-start@k`` leaves their first k ratings there (`datasets.supports`).
    - ``fold-0-of-5`` and so on: each holds out a fifth of the motifs, every motif in one of them,
      and the panel is tested.
    """
    every: dict[str, SplitFunction] = {
        PANEL: partial(_panel, roles=roles, fraction=test_fraction),
        TEMPORAL: partial(_temporal, roles=roles, fraction=latest_fraction),
    }
    if roles.cold:
        cold_start = partial(_cold_start, roles=roles, fraction=test_fraction)
        every |= {COLD_START: cold_start, **supports(COLD_START, cold_start)}
    folds = {f"fold-{number}-of-{FOLDS}": number for number in range(FOLDS)}
    return every | {
        name: partial(_fold, name=name, number=number, roles=roles)
        for name, number in folds.items()
    }


def _panel(interactions: pd.DataFrame, seed: int, *, roles: Roles, fraction: float) -> Split:
    return cut(PANEL, seed, interactions, roles, _random(roles, fraction, seed))


def _temporal(interactions: pd.DataFrame, seed: int, *, roles: Roles, fraction: float) -> Split:
    motifs = sorted(set(roles.motif_of.values()))
    return cut(TEMPORAL, seed, interactions, roles, motifs[-_n_held_out(motifs, fraction) :])


def _cold_start(interactions: pd.DataFrame, seed: int, *, roles: Roles, fraction: float) -> Split:
    return cut(COLD_START, seed, interactions, roles, _random(roles, fraction, seed))


def _fold(interactions: pd.DataFrame, seed: int, *, name: str, number: int, roles: Roles) -> Split:
    return cut(name, seed, interactions, roles, _shuffled(roles, seed)[number::FOLDS])


def _random(roles: Roles, fraction: float, seed: int) -> list[str]:
    """The same motifs for the same seed, whoever is tested."""
    motifs = _shuffled(roles, seed)
    return motifs[: _n_held_out(motifs, fraction)]


def _shuffled(roles: Roles, seed: int) -> list[str]:
    motifs = sorted(set(roles.motif_of.values()))
    order = np.random.default_rng([seed, _MOTIFS]).permutation(len(motifs))
    return [motifs[k] for k in order.tolist()]


def _n_held_out(motifs: list[str], fraction: float) -> int:
    return min(max(1, round(len(motifs) * fraction)), len(motifs) - 1)


def cut(
    name: str, seed: int, interactions: pd.DataFrame, roles: Roles, motifs: Iterable[str]
) -> Split:
    """The split that holds out ``motifs``, from rows in an order of their own."""
    keys = ["user_id", "timestamp", "item_id"]
    rows = interactions[list(INTERACTION_COLUMNS)].sort_values(keys, kind="stable")
    of_row = rows["item_id"].map(dict(roles.motif_of))
    if of_row.isna().any():
        raise DataError(f"item {rows['item_id'][of_row.isna()].iloc[0]!r} has no motif")
    held_out = of_row.isin(set(motifs)).to_numpy()
    cold = _among(rows, roles.cold)
    tested = cold if name == COLD_START else _among(rows, roles.panel)
    trained = np.ones_like(cold) if name == COLD_START else ~cold
    train, test, validation = (
        rows[mask].reset_index(drop=True)
        for mask in (~held_out & trained, held_out & tested, held_out & ~tested)
    )
    promise: Promise = CONTENTS | TIME if name == TEMPORAL else CONTENTS
    return Split(name, seed, train, test, validation, promise)


def _among(rows: pd.DataFrame, users: frozenset[str]) -> Bool[np.ndarray, " n"]:
    return rows["user_id"].isin(users).to_numpy(dtype=bool)
