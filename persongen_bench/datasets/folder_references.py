"""The pictures that a folder asks to be followed: its own table of them, or held-out likes.

``references.csv`` (or ``.parquet``) holds an ``item_id`` per row and, if wanted, ``user_id`` (empty
or left out: everybody who is tested) and an ``instruction`` (empty or left out: the subject of the
item, see `Catalog.subjects`). Without that table the references are neutral: held-out items that
others like and the user has not met, one for each held-out like of a user, which is the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import AskRule, Split, View
from persongen_bench.core.request import Request
from persongen_bench.core.types import Catalog
from persongen_bench.datasets import causes
from persongen_bench.datasets.reference_asks import AskForLikes, NeutralReferences
from persongen_bench.datasets.tables import Table, find_table, read_table

REFERENCES = "references"


@dataclass(frozen=True)
class ListedReferences:
    """Asks for every listed reference; implements `AskRule`."""

    rows: pd.DataFrame
    """``user_id, item_id, instruction`` by their values; text, empty where nothing is said."""

    def __call__(self, split: Split, train: View, n_history: int) -> list[Request]:
        """By user: the rows that name them, and, for those who are tested, the rows of everybody.

        The history is the user's last training likes; the target is not known.
        """
        likes, tested = train.liked_items, set(split.test["user_id"])
        named = set(self.rows["user_id"]) - {""}
        requests: list[Request] = []
        for user in sorted(named | tested):
            history = likes.get(user, ())[-n_history:] if n_history else ()
            asked = self.rows["user_id"].isin([user, ""] if user in tested else [user])
            # What is said to somebody and to everybody is asked once.
            pairs = self.rows.loc[asked, ["item_id", "instruction"]].drop_duplicates()
            requests += [
                Request(user, history, reference=str(item), instruction=str(words) or None)
                for item, words in pairs.itertuples(index=False)
            ]
        return requests


def folder_asks(root: Path, catalog: Catalog, log: pd.DataFrame, most: int) -> AskRule:
    """How the folder's requests are made; `DataError` with file and row for a malformed table.

    ``most``: requests per user at most where nothing is listed; 0: one per held-out like.
    """
    path = find_table(root, REFERENCES)
    if path is None:
        return AskForLikes(catalog, NeutralReferences(catalog), most)
    table = read_table(path)
    table.require(["item_id"], optional=["user_id", "instruction"])
    cells = {
        name: table.frame[name] if name in table.frame.columns else ""
        for name in ("user_id", "item_id", "instruction")
    }
    rows = Table(path, pd.DataFrame(cells, index=table.frame.index, dtype="str"))
    _check_items(rows, catalog)
    unknown = ~rows.frame["user_id"].isin([*log["user_id"].unique(), ""]).to_numpy()
    rows.reject(unknown, "user_id {user_id} is not in the log", "Leave it empty for everybody.")
    rows.unique(["user_id", "item_id", "instruction"])
    said = rows.frame.sort_values(list(rows.frame.columns), kind="stable")
    subjects = catalog.subjects(list(said["item_id"])) or [""] * len(said)
    words = said["instruction"].where(said["instruction"] != "", subjects)
    return ListedReferences(said.assign(instruction=words).reset_index(drop=True))


def _check_items(rows: Table, catalog: Catalog) -> None:
    items, known = rows.ids("item_id"), catalog.items.index
    unknown = ~items.isin(known).to_numpy()
    if not unknown.any():
        return
    first = str(items.iloc[int(np.argmax(unknown))])
    fix = causes.unknown_item(first, items.unique(), known) or "Add it to the items."
    rows.reject(unknown, "item_id {item_id} is not in the catalogue", fix)
