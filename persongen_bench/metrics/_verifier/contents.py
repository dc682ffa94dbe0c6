"""Images and users in an order of their contents, so that what they are called does not matter.

Weights are drawn, folds are dealt and batches are shuffled by position. Were positions those of
ids, renaming the users (or shuffling their numbers) would give another verifier. Here an image's
position follows from its embedding and a user's from the user's ratings. Images with the same
embedding are one image, and users with the same ratings share one row of the user tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.ratings import Ratings
from persongen_bench.metrics._rows import distinct_rows, ranks


@dataclass(frozen=True)
class Contents:
    """Ratings whose images and users are numbered by what they are."""

    embeddings: Float[np.ndarray, "pictures d"]
    """Of the rated images, each once."""
    ratings: Ratings
    """Items are rows of ``embeddings``; rows by user, item and like."""
    kind: Int[np.ndarray, " users"]
    """Per user of `ratings`: equal for users with equal ratings; ascending."""
    kind_of_given: Int[np.ndarray, " users"]
    """The same, in the order in which the users were given."""

    @property
    def n_kinds(self) -> int:
        """Number of users that can be told apart."""
        return int(self.kind_of_given.max(initial=-1)) + 1


def by_contents(embeddings: Float[np.ndarray, "items d"], ratings: Ratings) -> Contents:
    """Number images and users anew. ``embeddings``: of ``ratings.items``, row by row."""
    used, item = np.unique(ratings.item, return_inverse=True)
    place, first = distinct_rows(embeddings[used])
    pictures = replace(ratings, items=tuple(ratings.items[k] for k in used[first]))
    pictures = replace(pictures, item=place[item])
    kind = _kinds(pictures)
    order = np.argsort(kind, kind="stable")
    position = np.argsort(order, kind="stable")
    renamed = replace(
        pictures, users=tuple(ratings.users[k] for k in order), user=position[ratings.user]
    )
    rows = np.lexsort((renamed.liked, renamed.item, renamed.user))
    return Contents(embeddings[used[first]], renamed.take(rows), kind[order], kind)


def _kinds(ratings: Ratings) -> Int[np.ndarray, " users"]:
    """Users by their ratings: the images' places, each with whether it was liked."""
    rated = (2 * ratings.item + ratings.liked).astype(">i8")
    order = np.lexsort((rated, ratings.user))
    parts = np.split(rated[order], np.cumsum(ratings.counts)[:-1])
    return ranks([part.tobytes() for part in parts])
