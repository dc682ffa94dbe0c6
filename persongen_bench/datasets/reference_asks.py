"""What a data set asks on the reference track: one request for every held-out like of a user.

Its history is the user's last training likes, its target the held-out like, and its reference is
found by a rule of the data set: the target itself, as the papers do with movies and clothes, so
that likeness to the reference is likeness to the answer; or a neutral picture, which the user does
not know. Its instruction is the subject of the reference (`Catalog.subjects`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import Split, View
from persongen_bench.core.errors import DataError
from persongen_bench.core.promises import held_out
from persongen_bench.core.ratings import time_order
from persongen_bench.core.request import Request
from persongen_bench.core.types import Catalog, content_hash

ReferenceName = Literal["target", "neutral"]
RECONSTRUCTION = (
    "The reference is the target itself, as in the papers: columns that compare with the reference "
    "measure how well it is reconstructed, and copying it wins them."
)
"""What a reader must know of every data set whose references are its targets."""


class ReferenceRule(Protocol):
    """Finds the pictures to follow."""

    def __call__(self, split: Split, user: str, targets: Sequence[str]) -> Sequence[str]:
        """Item ids of the references for a user's targets, in their order; seeded by the split."""
        ...


@dataclass(frozen=True)
class AskForLikes:
    """One request per held-out like; implements `AskRule`."""

    catalog: Catalog
    """Of the whole data set: its subjects are the instructions."""
    rule: ReferenceRule
    most: int = 0
    """Requests per user at most, for the first held-out likes; 0: for each."""

    def __call__(self, split: Split, train: View, n_history: int) -> list[Request]:
        """In the order of the users' ids, each user's held-out likes in time.

        References are held-out items. A user's requests are told apart by their references; one
        that comes again makes the request carry a number in its id.
        """
        known = train.liked_items
        requests: list[Request] = []
        for user, targets in held_out_likes(split, self.most).items():
            history = known.get(user, ())[-n_history:] if n_history else ()
            references = self.rule(split, user, targets)
            requests += self._of_user(user, history, references, targets)
        return requests

    def _of_user(
        self, user: str, history: tuple[str, ...], references: Sequence[str], targets: Sequence[str]
    ) -> list[Request]:
        said = self.catalog.subjects(references) or [""] * len(references)
        requests = []
        for k, (reference, words, target) in enumerate(zip(references, said, targets, strict=True)):
            again = reference in references[:k]
            name = content_hash(user, list(history), reference, k) if again else ""
            requests.append(
                Request(
                    user, history, reference=reference, instruction=words or None,
                    request_id=name, target=target,
                )
            )  # fmt: skip
        return requests


def held_out_likes(split: Split, most: int = 0) -> dict[str, tuple[str, ...]]:
    """Per user of the test part, sorted, the liked items in time; the first ``most``, 0: all."""
    rows = split.test.iloc[time_order(split.test)]
    rows = rows[rows["liked"].astype(bool)].drop_duplicates(["user_id", "item_id"])
    groups = rows.groupby("user_id", sort=True)["item_id"]
    return {str(user): tuple(items)[: most or None] for user, items in groups}


def the_target(split: Split, user: str, targets: Sequence[str]) -> Sequence[str]:  # noqa: ARG001  # a `ReferenceRule`
    """The reference is the target: whatever is like the one is like the other."""
    return targets


class NeutralReferences:
    """References that a user does not know; implements `ReferenceRule`.

    They are drawn from the held-out likes of others (so that nobody trains on them where the split
    promises items), without those that stand anywhere in the user's own log (where none is left,
    without those that the user likes) and, where the items have groups, those of a group that the
    user likes something of. No one is drawn twice for a user as long as there are others. Draws
    hang on the seed of the split, the user and the items.
    """

    def __init__(self, catalog: Catalog, group: str | None = None) -> None:
        """``group``: a column of the items, such as the theme."""
        self._groups = None if group is None else catalog.items[group]
        self._known: tuple[str, _Known] | None = None

    def __call__(self, split: Split, user: str, targets: Sequence[str]) -> Sequence[str]:
        """One per target; `DataError` where the user likes every held-out like of the others."""
        known = self._of(split)
        allowed = known.pool[~(known.liked(user) | known.met(user))]
        if not len(allowed):
            allowed = known.pool[~known.liked(user)]
        if not len(allowed):
            raise DataError(
                f"split {split.name}: user {user!r} likes every held-out item that others like, so "
                "none can be a neutral reference",
                fix="Hold out more, or choose another rule for the references.",
            )
        seed = [split.seed, int(content_hash(user), 16)]
        order = np.random.default_rng(seed).permutation(len(allowed))
        return [str(item) for item in allowed[np.resize(order, len(targets))]]

    def _of(self, split: Split) -> _Known:
        if self._known is None or self._known[0] != split.hash:
            self._known = (split.hash, _Known.of(split, self._groups))
        return self._known[1]


@dataclass(frozen=True)
class _Known:
    """Who knows which of the items that references are drawn from."""

    pool: np.ndarray
    """Sorted ids of the held-out likes."""
    places: dict[str, np.ndarray]
    """Per user the positions in ``pool`` of the items in their log."""
    likes: dict[str, np.ndarray]
    """Per user the positions in ``pool`` of the items that they like."""
    group: np.ndarray
    """Number of the group of every item of the pool."""
    liked_groups: dict[str, np.ndarray]
    """Per user the numbers of the groups that they like something of."""

    @classmethod
    def of(cls, split: Split, groups: pd.Series | None) -> _Known:
        test = split.test
        pool = np.array(sorted(test.loc[test["liked"].astype(bool), "item_id"].unique()), object)
        log = pd.concat([split.train, held_out(split)])
        likes = log[log["liked"].astype(bool)]
        places, liked = _by_user(log, pd.Index(pool)), _by_user(likes, pd.Index(pool))
        if groups is None:
            return cls(pool, places, liked, np.full(len(pool), -1), {})
        number = pd.Series(pd.factorize(groups, sort=True)[0], index=groups.index)
        of_likes = number.reindex(likes["item_id"]).groupby(likes["user_id"].to_numpy())
        own = {str(user): np.unique(numbers) for user, numbers in of_likes}
        return cls(pool, places, liked, number.reindex(pool).to_numpy(), own)

    def met(self, user: str) -> np.ndarray:
        """Mask over the pool of what stands in this user's log."""
        return _mask(self.places, user, len(self.pool))

    def liked(self, user: str) -> np.ndarray:
        """Mask over the pool of what this user likes, or likes something of the group of."""
        groups = self.liked_groups.get(user, np.empty(0, dtype=int))
        return _mask(self.likes, user, len(self.pool)) | np.isin(self.group, groups)


def _by_user(rows: pd.DataFrame, pool: pd.Index) -> dict[str, np.ndarray]:
    places = pool.get_indexer(pd.Index(rows["item_id"]))
    inside = pd.Series(places[places >= 0]).groupby(rows["user_id"].to_numpy()[places >= 0])
    return {str(user): place.to_numpy() for user, place in inside}


def _mask(places: dict[str, np.ndarray], user: str, size: int) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[places.get(user, np.empty(0, dtype=int))] = True
    return mask


def reference_rule(name: ReferenceName, catalog: Catalog) -> ReferenceRule:
    """The rule of this name, for a catalogue without groups."""
    return the_target if name == "target" else NeutralReferences(catalog)
