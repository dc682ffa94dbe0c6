"""Views and fits of recommenders from a table of likes."""

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import Catalog
from persongen_bench.testing.toy import DrawnSource, ToyStack


def view_of(likes, disliked=None, times=None):
    """A view of users u00.. and items i00..: ``likes`` ``(users, items)``, non-zero where liked.

    ``times``: of the same shape; by default a user likes items in their order.
    """
    rows = []
    for user, row in enumerate(likes):
        rows += [
            (f"u{user:02d}", f"i{item:02d}", 5.0, True,
             float(item if times is None else times[user, item]))
            for item in np.flatnonzero(row)
        ]  # fmt: skip
        if disliked is not None:
            rows += [
                (f"u{user:02d}", f"i{item:02d}", 1.0, False, 99.0)
                for item in np.flatnonzero(disliked[user])
            ]
    names = ["user_id", "item_id", "rating", "liked", "timestamp"]
    items = [f"i{item:02d}" for item in range(likes.shape[1])]
    catalog = Catalog(pd.DataFrame(index=pd.Index(items, name="item_id")), DrawnSource())
    return View(catalog, pd.DataFrame(rows, columns=names))


def context(features=None, seed=0):
    """A fit's context whose features are these."""
    return FitContext(ToyStack(), seed, lambda *_: features)


def fitted(method, likes, features=None, seed=0, times=None):
    """The method, fitted to a table of likes."""
    method.fit(view_of(likes, times=times), context(features, seed))
    return method
