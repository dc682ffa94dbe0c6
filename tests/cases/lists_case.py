"""A catalogue, what people trained on and like next, and lists that answer them."""

import numpy as np
import pandas as pd
from answered import answered

from persongen_bench.core.dataset import View
from persongen_bench.core.output import Ranking
from persongen_bench.core.request import Request
from persongen_bench.core.types import Catalog, NoImages
from persongen_bench.testing.memo import Memoised


def view(rows, items):
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "liked"])
    table["rating"] = table["timestamp"] = np.nan
    return View(Catalog(items, NoImages()), table)


class Lists(Memoised):
    """A score context of ranked lists: ``answers`` are (user, item ids or a Ranking) pairs."""

    taste_signature = None

    def __init__(self, ids, train, test, answers, *, n_asked=None, columns=None):
        items = pd.DataFrame(columns or {}, index=pd.Index(list(ids), name="item_id"))
        self.train = view([(u, i, True) for u, own in train.items() for i in own], items)
        rows = [(u, i, True) for u, own in test.items() for i in own]
        self.test = view(rows, items.loc[sorted({i for _, i, _ in rows})])
        self.users = self.units = tuple(sorted(test))
        self.samples, self.requests = answered([Request(user) for user, _ in answers])
        self._lists = [a if isinstance(a, Ranking) else Ranking(tuple(a)) for _, a in answers]
        self.n_asked = {**dict.fromkeys(self.users, 1), **(n_asked or {})}
        self.opened = 0
        self._memo = {}

    def outputs(self, rows):
        self.opened += len(rows)
        return [self._lists[row] for row in rows]

    def encoder_signature(self, role):
        raise AssertionError("lists are looked at through no model")
