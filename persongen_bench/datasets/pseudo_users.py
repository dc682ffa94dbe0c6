"""Simulated people over the labels of a real catalogue, with a log and a known taste.

A catalogue without users can still carry the benchmark when people are simulated openly. Their
taste is a function of labels that the catalogue has (such as theme and style), so that the
true probability that a person likes an item is known exactly:

- In every column a person favours a few of the values: ``round(sqrt(n values) / 2)``, 1 to 4.
- The logit of liking an item is ``bias + FAVOURED * (number of columns whose value is favoured)
  + JOINT * (all of them are) + the person's own offsets of the values, N(0, OFFSET)``: a taste
  with interactions, not only a sum.
- A log shows items as shops do, some by chance and more that fit: each row is drawn from all
  items, or from those with a favoured value of one of the columns, all choices equally often, and
  no item is shown twice.
- The bias of a person is set so that the expected share of likes in the log is the person's own
  leniency, uniform in `LIKE_SHARE`; ratings are Bernoulli draws, 1 for a like and 0 otherwise.

Sticker papers build pseudo-users from one or two themes (Pigeon, RAGAR); here the taste is graded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.special import expit

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import Catalog, Image, ScoreMatrix
from persongen_bench.datasets.nearest_item import NearestItemReader

FAVOURED = 2.0
"""Logit added per column whose value is favoured."""
JOINT = 1.5
"""Logit added where the values of all columns are favoured."""
OFFSET = 0.5
"""Standard deviation of a person's own logit of every value."""
LIKE_SHARE = (0.35, 0.45)
"""Range of the expected share of likes in a person's log."""


@dataclass(frozen=True)
class PseudoSettings:
    """How many people, and over which labels."""

    n_users: int
    columns: tuple[str, ...]
    ratings_per_user: int
    seed: int


@dataclass(eq=False)
class PseudoTaste:
    """The people; implements `KnownTaste`.

    An image is read as the catalogue item with exactly its pixels (the first of several), or else
    as the item nearest in colour layout.
    """

    catalog: Catalog
    settings: PseudoSettings
    codes: Int[np.ndarray, "columns items"]
    """Per column the number of each item's value."""
    favoured: tuple[Bool[np.ndarray, "users values"], ...]
    offsets: tuple[Float[np.ndarray, "users values"], ...]
    bias: Float[np.ndarray, " users"]
    signature: str
    """Settings, catalogue and reader."""

    @property
    def users(self) -> list[str]:
        """Their ids, in the order of the arrays."""
        return [f"pseudo-{number:04d}" for number in range(self.settings.n_users)]

    def item_utility(self, user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n catalogue items, n users)`` true like-probabilities in (0, 1)."""
        return self._utility(self.codes, user_ids)

    def utility(self, images: Sequence[Image], user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n images, n users)`` true like-probabilities in (0, 1) of the items they show."""
        return self._utility(self.codes[:, self._reader.rows(images)], user_ids)

    @cached_property
    def _reader(self) -> NearestItemReader:
        return NearestItemReader.build(self.catalog)

    def _utility(self, codes: Int[np.ndarray, "columns n"], user_ids: Sequence[str]) -> ScoreMatrix:
        result = np.empty((codes.shape[1], len(user_ids)))
        for column, user in enumerate(self._numbers(user_ids)):
            offsets = [offset[user] for offset in self.offsets]
            logits = _logits(codes, [mask[user] for mask in self.favoured], offsets)
            result[:, column] = expit(logits + self.bias[user])
        return result

    def _numbers(self, user_ids: Sequence[str]) -> list[int]:
        known = {user: number for number, user in enumerate(self.users)}
        unknown = [user for user in user_ids if user not in known]
        if unknown:
            raise DataError(f"{unknown[0]!r} is none of the {len(known)} pseudo-users")
        return [known[user] for user in user_ids]


def simulate(catalog: Catalog, settings: PseudoSettings) -> tuple[pd.DataFrame, PseudoTaste]:
    """The log (``user_id, item_id, rating`` 0 or 1) and the people who wrote it.

    Raises `DataError` where a column is missing or the catalogue is smaller than a log. The same
    settings and catalogue give the same people, whatever their machine.
    """
    codes = _codes(catalog, settings)
    people = [_PseudoUser.draw(codes, settings, number) for number in range(settings.n_users)]
    taste = PseudoTaste(
        catalog,
        settings,
        codes,
        tuple(np.stack(rows) for rows in zip(*(p.favoured for p in people), strict=True)),
        tuple(np.stack(rows) for rows in zip(*(p.offsets for p in people), strict=True)),
        np.array([p.bias for p in people]),
        _signature(catalog, settings),
    )
    ids = np.array(catalog.ids, dtype=object)
    logs = [
        pd.DataFrame({"user_id": user, "item_id": ids[p.shown], "rating": p.ratings})
        for user, p in zip(taste.users, people, strict=True)
    ]
    return pd.concat(logs, ignore_index=True), taste


def _signature(catalog: Catalog, settings: PseudoSettings) -> str:
    return (
        f"pseudo-taste|columns:{'+'.join(settings.columns)}|users:{settings.n_users}"
        f"|log:{settings.ratings_per_user}|seed:{settings.seed}|catalog:{catalog.hash}"
        f"|reader:{NearestItemReader.signature}|impl:1"
    )


def _logits(
    codes: Int[np.ndarray, "columns n"],
    favoured: Sequence[Bool[np.ndarray, " values"]],
    offsets: Sequence[Float[np.ndarray, " values"]],
) -> Float[np.ndarray, " n"]:
    """Logits of one person without the bias."""
    hits = np.stack([mask[row] for mask, row in zip(favoured, codes, strict=True)])
    own = np.stack([offset[row] for offset, row in zip(offsets, codes, strict=True)])
    return np.asarray(FAVOURED * hits.sum(axis=0) + JOINT * hits.all(axis=0) + own.sum(axis=0))


@dataclass(frozen=True)
class _PseudoUser:
    favoured: list[Bool[np.ndarray, " values"]]
    offsets: list[Float[np.ndarray, " values"]]
    bias: float
    shown: Int[np.ndarray, " n"]
    ratings: Float[np.ndarray, " n"]

    @classmethod
    def draw(
        cls, codes: Int[np.ndarray, "columns items"], settings: PseudoSettings, number: int
    ) -> _PseudoUser:
        rng = np.random.default_rng([settings.seed, number])
        sizes = [int(row.max()) + 1 for row in codes]
        favoured = [_favourites(size, rng) for size in sizes]
        offsets = [rng.normal(0.0, OFFSET, size) for size in sizes]
        shown = _exposure(codes, favoured, settings.ratings_per_user, rng)
        logits = _logits(codes[:, shown], favoured, offsets)
        bias = _solve_bias(logits, rng.uniform(*LIKE_SHARE))
        likes = rng.random(len(shown)) < expit(logits + bias)
        return cls(favoured, offsets, bias, shown, likes.astype(np.float64))


def _codes(catalog: Catalog, settings: PseudoSettings) -> Int[np.ndarray, "columns items"]:
    missing = [name for name in settings.columns if name not in catalog.items.columns]
    if missing or not settings.columns:
        raise DataError(
            f"pseudo_columns {','.join(settings.columns)!r}: the items have no such column",
            fix=f"Use some of {', '.join(map(str, catalog.items.columns))}.",
        )
    if settings.ratings_per_user > len(catalog):
        raise DataError(
            f"ratings_per_user={settings.ratings_per_user}, but there are {len(catalog)} items",
            fix="Use a smaller number.",
        )
    return np.stack([pd.factorize(catalog.items[name], sort=True)[0] for name in settings.columns])


def _favourites(n_values: int, rng: np.random.Generator) -> Bool[np.ndarray, " values"]:
    n_favoured = int(np.clip(round(np.sqrt(n_values) / 2), 1, 4))
    mask = np.zeros(n_values, dtype=bool)
    mask[rng.permutation(n_values)[:n_favoured]] = True
    return mask


def _exposure(
    codes: Int[np.ndarray, "columns items"],
    favoured: Sequence[Bool[np.ndarray, " values"]],
    n: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, " n"]:
    """``n`` distinct items, drawn without replacement with the weights of the module's text."""
    hits = np.stack([mask[row] for mask, row in zip(favoured, codes, strict=True)]).astype(float)
    sources = np.vstack([np.ones(codes.shape[1]), hits])
    weights = (sources / sources.sum(axis=1, keepdims=True)).sum(axis=0)
    keys = np.log(weights) + rng.gumbel(size=len(weights))  # Gumbel top-n = weighted draws
    return np.argsort(-keys, kind="stable")[:n]


def _solve_bias(logits: Float[np.ndarray, " n"], share: float) -> float:
    """The bias at which the mean like-probability is ``share``, by bisection to 1e-12."""
    low, high = -50.0, 50.0
    for _ in range(64):
        middle = (low + high) / 2
        if expit(logits + middle).mean() < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2
