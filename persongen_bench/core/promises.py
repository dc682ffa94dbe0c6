"""Does a split keep its promise, as far as its tables tell? The leak audit compares pictures.

What counts as a leak depends on the promise: an item on both sides is normal for a split of rows,
and breaks one of items. A row in two parts breaks every split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from persongen_bench.core.dataset import Promise, Split
from persongen_bench.core.later import pd
from persongen_bench.core.types import Catalog

Severity = Literal["leak", "warning", "info"]
Kind = Literal[
    "user-overlap", "row-overlap", "item-overlap", "motif-overlap",
    "same-picture", "similar-picture", "later-training-row",
]  # fmt: skip


def severity(kind: Kind, promise: Promise) -> Severity:
    """What an overlap of this kind means under a promise."""
    of_items = not promise.isdisjoint({"items", "contents"})
    broken = {
        "row-overlap": True,
        "user-overlap": "users" in promise,
        "item-overlap": of_items,
        "same-picture": of_items,
        "motif-overlap": "contents" in promise,
        "later-training-row": "time" in promise,
    }
    if broken.get(kind, False):
        return "leak"
    return "warning" if of_items and kind in ("similar-picture", "motif-overlap") else "info"


def held_out(split: Split) -> pd.DataFrame:
    """Validation and test rows together."""
    parts = [part for part in (split.validation, split.test) if len(part)]
    return pd.concat(parts or [split.test])


def overlaps(split: Split, catalog: Catalog) -> dict[Kind, list[str]]:
    """Sorted names of what the training rows share with the held-out ones, by kind.

    Users, items and motifs by their ids, rows as ``user item``. Rows that are later than held-out
    ones are looked for only where the split promises an order. Where methods may look at the
    validation rows (`Split.tuning`) and the split promises something, these are compared with the
    test rows as well.
    """
    every = _between(split.train, held_out(split), catalog, split.promise)
    if split.tuning and split.promise and len(split.validation):
        more = _between(split.validation, split.test, catalog, split.promise)
        every = {kind: sorted({*who, *more[kind]}) for kind, who in every.items()}
    return every | {"row-overlap": rows_in_two_parts(split, held_out(split))}


def _between(
    seen: pd.DataFrame, rest: pd.DataFrame, catalog: Catalog, promise: Promise
) -> dict[Kind, list[str]]:
    return {
        "user-overlap": shared(seen, rest, ["user_id"]),
        "row-overlap": [],
        "item-overlap": shared(seen, rest, ["item_id"]),
        "motif-overlap": shared_motifs(catalog, seen, rest),
        "later-training-row": later_rows(seen, rest) if "time" in promise else [],
    }


def leaks(split: Split, catalog: Catalog) -> dict[Kind, list[str]]:
    """The `overlaps` that break the promise of the split; empty where it is kept."""
    every = overlaps(split, catalog)
    return {k: who for k, who in every.items() if who and severity(k, split.promise) == "leak"}


def shared(left: pd.DataFrame, right: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Sorted combinations of ``columns`` that both frames hold."""
    keys = [frame[list(columns)].drop_duplicates() for frame in (left, right)]
    both = keys[0].merge(keys[1], on=list(columns))
    return sorted(" ".join(row) for row in both.itertuples(index=False))


def rows_in_two_parts(split: Split, rest: pd.DataFrame) -> list[str]:
    """Pairs of user and item that stand in two of the three parts."""
    key = ["user_id", "item_id"]
    between = shared(split.validation, split.test, key) if len(split.validation) else []
    return sorted({*shared(split.train, rest, key), *between})


def shared_motifs(catalog: Catalog, train: pd.DataFrame, rest: pd.DataFrame) -> list[str]:
    """Values of ``content_id`` that both parts show, where the items have that column."""
    if "content_id" not in catalog.items.columns:
        return []
    motifs = catalog.items["content_id"]
    sides = [set(motifs.reindex(part["item_id"].unique())) for part in (train, rest)]
    return sorted(str(motif) for motif in sides[0] & sides[1] if motif != "")


def later_rows(train: pd.DataFrame, rest: pd.DataFrame) -> list[str]:
    """Training rows later than the user's first held-out row."""
    first = rest.groupby("user_id")["timestamp"].min()
    limit = train["user_id"].map(first)
    late = train[(train["timestamp"] > limit).to_numpy()]
    return sorted(
        f"{user} {item}" for user, item in zip(late["user_id"], late["item_id"], strict=True)
    )
