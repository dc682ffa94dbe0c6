"""What tasteworld asks on the track ``reference``: pictures to follow that say nothing of taste."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persongen_bench.core.dataset import Split, View
from persongen_bench.core.request import Request
from persongen_bench.core.types import Catalog, content_hash


def ask_neutral(
    split: Split, train: View, n_history: int, *, catalog: Catalog, n_references: int
) -> list[Request]:
    """``n_references`` requests for everybody who is tested, person by person.

    A reference is any held-out picture that the person has not rated, liked or not, drawn evenly
    and without repetition from a generator that knows the person's id and the seed of the split. So
    what they were shown decides, which is independent of their taste, and no reference answers what
    the test part asks. The
    instruction is its subject (`Catalog.subjects`), which leaves background and style open. The
    history is the person's last ``n_history`` training likes. Nobody knows a target: what a
    person would like to see of this subject is for the method to find out.
    """
    unseen = _held_out(split)
    rated = {str(user): set(own) for user, own in split.test.groupby("user_id")["item_id"]}
    users = sorted(rated)
    drawn = {
        user: _draw([i for i in unseen if i not in rated[user]], user, split.seed, n_references)
        for user in users
    }
    words = _subjects(catalog, sorted({item for items in drawn.values() for item in items}))
    liked = train.liked_items
    return [
        Request(
            user, liked.get(user, ())[-n_history:] if n_history else (),
            reference=item, instruction=words[item],
        )
        for user in users
        for item in drawn[user]
    ]  # fmt: skip


def _held_out(split: Split) -> list[str]:
    """Items that nobody trains on, sorted."""
    held_out = {*split.test["item_id"], *split.validation["item_id"]}
    return sorted(map(str, held_out - set(split.train["item_id"])))


def _draw(items: Sequence[str], user: str, seed: int, n: int) -> list[str]:
    rng = np.random.default_rng(int(content_hash("tasteworld references", user, seed), 16))
    chosen = rng.choice(len(items), min(n, len(items)), replace=False)
    return [items[k] for k in chosen.tolist()]


def _subjects(catalog: Catalog, items: Sequence[str]) -> dict[str, str]:
    said = catalog.subjects(items)
    return dict(zip(items, said, strict=True)) if said is not None else {}
