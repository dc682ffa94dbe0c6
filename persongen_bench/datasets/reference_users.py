"""The papers' users: every window of likes, or every run of so many interactions, as one.

Neither is a person: one person's windows share pictures, and one person's chunks share a taste, so
that intervals over them are too narrow. Persons are the default wherever there are any.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from persongen_bench.core.ratings import canonical, time_order
from persongen_bench.datasets.reference_config import WINDOW

CHUNK = 20
"""Interactions of a pseudo-user (RAGAR, paper 002, experimental settings)."""


def windows_as_users(log: pd.DataFrame, size: int = WINDOW) -> pd.DataFrame:
    """Every ``size`` consecutive likes of a user, moved on one at a time, as a user of its own.

    The ``k``-th of user ``u`` is called ``u#k``, four digits at least, from 0 (Pigeon, paper 003,
    sec. 3.1.1). Users with fewer likes, and dislikes, are in none. ``log``:
    `INTERACTION_COLUMNS`, and so is what is returned, in canonical order.
    """
    likes = log[log["liked"].astype(bool)]
    return _renamed(likes, size, step=1)


def chunks_as_users(log: pd.DataFrame, size: int = CHUNK) -> pd.DataFrame:
    """Every ``size`` consecutive interactions of a user as a user of its own, ``u#k``.

    What is left over at the end of a user's log, fewer than ``size``, is in none.
    """
    return _renamed(log, size, step=size)


def _renamed(log: pd.DataFrame, size: int, step: int) -> pd.DataFrame:
    rows = log.iloc[time_order(log)].reset_index(drop=True)
    places, names = [], []
    for user, place in rows.groupby("user_id", sort=True).indices.items():
        for k, start in enumerate(range(0, len(place) - size + 1, step)):
            places.append(place[start : start + size])
            names += [f"{user}#{k:04d}"] * size
    taken = np.concatenate(places) if places else np.empty(0, dtype=int)
    return canonical(rows.iloc[taken].assign(user_id=pd.array(names, dtype="str")))
