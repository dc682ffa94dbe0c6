"""Recommenders beside the library `implicit` 0.7: the same split, the same threads, one run.

Run ``python benchmarks/recommenders_parity.py [--data FOLDER] [--seeds 3] [--part test]``. The
data: MovieLens latest-small as published, by default in ``../shared/data/ml-latest-small`` beside
the repository. A like is a rating of 4 or more; users with at least three keep all but the latest
in training, which is what is tested (``--part validation``: the second latest, with the latest put
away, by which the settings below were chosen). Every film that anybody has rated can be
recommended. ``--planted``: small invented data, also used where the folder is not there. Seconds
are those of the processor, which other work on the machine does not lengthen.

Neighbours must give the same Recall@10 and NDCG@10 to 1e-6: equal scores come in our order in
both (the first item first), and of equally near neighbours ``ties: implicit`` keeps the ones that
`implicit` keeps. A learned method must reach the better of BPR and ALS within 3 per cent in both.
Neither may take longer: the log read, the fit, and 10 recommendations for every tested user.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import (
    BM25Recommender,
    CosineRecommender,
    ItemItemRecommender,
    TFIDFRecommender,
)
from scipy.sparse import csr_matrix

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.methods.recommenders.base import Recommender
from persongen_bench.testing.toy import DrawnSource, ToyStack
from persongen_bench.util.search import best

FOLDER = Path(__file__).parents[2] / "shared/data/ml-latest-small"
LIKED, FEWEST, K = 4.0, 3, 10
EXACT, LEARNED = 1e-6, 0.97
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))

OURS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "popular": ("popular", {}),
    "ease": ("ease", {"regularization": 200.0}),
    "item2vec": ("item2vec", {"embedding_size": 512, "power": 0.5, "n_last": 10}),
    "two-tower": ("two-tower", {"items": "ids", "init": "random"}),
    "sasrec": ("sasrec", {}),
}
"""Name => method and settings, chosen on the second latest like."""
FACTORS: Mapping[str, tuple[Any, Mapping[str, object]]] = {
    "als": (AlternatingLeastSquares, {"factors": 64, "regularization": 10.0}),
    "bpr": (BayesianPersonalizedRanking, {"factors": 64, "iterations": 200}),
}
"""Of `implicit`, likewise chosen."""


class Case(NamedTuple):
    """What is learned from, and the one item that each tested user liked next."""

    train: View
    users: np.ndarray
    """Rows of the tested users."""
    items: np.ndarray
    """Positions of the held-out items."""


def movielens(folder: Path, part: str) -> Case:
    """The published ratings; the latest like of everybody with three is put away."""
    rows = pd.read_csv(folder / "ratings.csv")
    table = pd.DataFrame({
        "user_id": rows["userId"].astype(str),
        "item_id": rows["movieId"].astype(str),
        "rating": rows["rating"].astype(float),
        "liked": rows["rating"] >= LIKED,
        "timestamp": rows["timestamp"].astype(float),
    })  # fmt: skip
    return leave_last(table, part)


def planted(part: str, n_users: int = 80, n_items: int = 120) -> Case:
    """People who like what lies near their taste, at times that mean nothing."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(n_users, 4)) @ rng.normal(size=(4, n_items))
    user, item = np.nonzero(near > 1.5)
    names = [[f"u{k:03d}" for k in user], [f"i{k:03d}" for k in item]]
    columns = [
        *names,
        np.full(len(user), 5.0),
        np.ones(len(user), bool),
        rng.permutation(len(user)) * 1.0,
    ]
    return leave_last(pd.DataFrame(dict(zip(INTERACTION_COLUMNS, columns, strict=True))), part)


def leave_last(table: pd.DataFrame, part: str) -> Case:
    """Hold out the last like of everybody with three likes or more, or the last but one."""
    items = pd.DataFrame(index=pd.Index(sorted(table["item_id"].unique()), name="item_id"))
    catalog = Catalog(items, DrawnSource())
    rows = View(catalog, table).ordered
    likes = rows[rows["liked"]]
    likes = likes[likes.groupby("user_id")["item_id"].transform("size") >= FEWEST]
    back = likes.groupby("user_id").cumcount(ascending=False)
    held = likes.index[back == (1 if part == "validation" else 0)]
    away = likes.index[back == 0].union(held)
    train = View(catalog, rows.drop(index=away))
    test = rows.loc[held]
    users = pd.Index(train.users).get_indexer(pd.Index(test["user_id"]))
    return Case(train, users, items.index.get_indexer(pd.Index(test["item_id"])))


class Outcome(NamedTuple):
    """One method on one case."""

    recall: float
    ndcg: float
    seconds: float


def measured(case: Case, lists: list[np.ndarray], seconds: float) -> Outcome:
    """Recall and NDCG at `K` of lists of positions; one item is relevant to a user."""
    hits = [np.flatnonzero(a[:K] == item) for a, item in zip(lists, case.items, strict=True)]
    ndcg = [1 / np.log2(2 + hit[0]) if len(hit) else 0.0 for hit in hits]
    return Outcome(float(np.mean([len(hit) > 0 for hit in hits])), float(np.mean(ndcg)), seconds)


def no_features(role: str, view: View) -> np.ndarray:  # noqa: ARG001
    """There are no pictures here."""
    return np.zeros((len(view.catalog), 1), dtype=np.float32)


def ours(case: Case, name: str, settings: Mapping[str, object], seed: int = 0) -> Outcome:
    """Fit a method of the package and list ten items for every tested user."""
    cls = registry.get("methods", name)
    method: Recommender = cls(cls.Config.model_validate({"depth": K, **settings}))
    context = FitContext(ToyStack(), seed, no_features)
    start = time.process_time()
    method.fit(case.train, context)
    lists = method.rank([method.basket(row) for row in case.users], K)
    return measured(case, [positions for positions, _ in lists], time.process_time() - start)


class Theirs:
    """What `implicit` works with, and the same order of ties."""

    def __init__(self, case: Case) -> None:
        self.case = case
        start = time.process_time()
        rows = case.train.ordered[case.train.ordered["liked"]]
        user = pd.Index(case.train.users).get_indexer(pd.Index(rows["user_id"]))
        item = case.train.catalog.items.index.get_indexer(pd.Index(rows["item_id"]))
        shape = (len(case.train.users), len(case.train.catalog))
        self.likes = csr_matrix((np.ones(len(user)), (user, item)), shape=shape)
        self.likes.data[:] = 1
        every = pd.Index(case.train.users).get_indexer(pd.Index(case.train.interactions["user_id"]))
        of = case.train.catalog.items.index.get_indexer(
            pd.Index(case.train.interactions["item_id"])
        )
        self.seen = csr_matrix((np.ones(len(every)), (every, of)), shape=shape)
        self.reading = time.process_time() - start

    def listed(self, scores: np.ndarray, rows: np.ndarray, least: float) -> list[np.ndarray]:
        """Ten items a user, what they have rated left out, in our order of ties."""
        scores = np.round(scores, 9)
        scores[scores <= least] = -np.inf
        return [
            best(row, K, self.seen[user].indices)[0] for row, user in zip(scores, rows, strict=True)
        ]

    def neighbours(self, of: str, model: Any) -> Outcome:  # noqa: ANN401  # not typed
        """Of items or of users."""
        rows, likes = self.case.users, self.likes
        start = time.process_time() - self.reading
        model.fit(likes if of == "items" else csr_matrix(likes.T), show_progress=False)
        if of == "items":
            model.recommend(rows, likes[rows], N=K)
            seconds = time.process_time() - start
        product = (
            likes[rows] @ model.similarity if of == "items" else model.similarity[rows] @ likes
        )
        lists = self.listed(product.toarray(), rows, 0.0)
        if of == "users":  # whom `implicit` recommends items to only through a product of ours
            seconds = time.process_time() - start
        return measured(self.case, lists, seconds)

    def factors(
        self, make: Callable[..., Any], settings: Mapping[str, object], seed: int
    ) -> Outcome:
        """ALS or BPR, with its own way of listing."""
        start = time.process_time() - self.reading
        model = make(**settings, random_state=seed + 1, num_threads=THREADS)
        model.fit(self.likes.astype(np.float32), show_progress=False)
        lists, _ = model.recommend(self.case.users, self.seen[self.case.users], N=K)
        return measured(self.case, list(lists), time.process_time() - start)


KNN: Mapping[str, Callable[[], Any]] = {
    "count": lambda: ItemItemRecommender(K=20, num_threads=THREADS),
    "cosine": lambda: CosineRecommender(K=20, num_threads=THREADS),
    "tfidf": lambda: TFIDFRecommender(K=20, num_threads=THREADS),
    "bm25": lambda: BM25Recommender(K=20, num_threads=THREADS),
}


def shown(name: str, outcome: Outcome) -> str:
    """One line."""
    return (f"{name:<28} recall@{K} {outcome.recall:.4f}  ndcg@{K} {outcome.ndcg:.4f}  "
            f"{outcome.seconds:6.2f} s")  # fmt: skip


def compare_neighbours(case: Case, theirs: Theirs) -> bool:
    """Print both sides of every weighting; whether all are equal and as fast."""
    sound, spent = True, [0.0, 0.0]
    for of in ("items", "users"):
        name = "item-knn" if of == "items" else "user-knn"
        for weighting, make in KNN.items():
            settings = {"k": 20, "weighting": weighting, "ties": "implicit"}
            mine, other = ours(case, name, settings), theirs.neighbours(of, make())
            apart = max(abs(mine.recall - other.recall), abs(mine.ndcg - other.ndcg))
            spent = [spent[0] + mine.seconds, spent[1] + other.seconds]
            print(shown(f"{name} {weighting}", mine))
            print(shown(f"  implicit, of {of}", other) + f"  {apart:.1e} apart", flush=True)
            sound &= apart < EXACT
            print(shown("  ties by position", ours(case, name, settings | {"ties": "position"})))
    print(f"neighbours: equal {sound}; ours take {spent[0] / spent[1]:.2f} of the time of implicit")
    return sound and spent[0] <= spent[1]


def mean(outcomes: list[Outcome]) -> Outcome:
    """Over seeds."""
    return Outcome(*np.mean(np.array(outcomes), axis=0).tolist())


def compare_learned(case: Case, theirs: Theirs, seeds: int) -> bool:
    """Print every learned method; whether one of ours reaches the best of theirs as fast."""
    mine, other = {}, {}
    for name, (make, settings) in FACTORS.items():
        other[name] = mean([theirs.factors(make, settings, seed) for seed in range(seeds)])
        print(shown(f"implicit {name}", other[name]), flush=True)
    for name, (method, settings) in OURS.items():
        mine[name] = mean([ours(case, method, settings, seed) for seed in range(seeds)])
        print(shown(name, mine[name]), flush=True)
    rival = {m: max(getattr(o, m) for o in other.values()) for m in ("recall", "ndcg")}
    least = min(o.seconds for o in other.values() if o.recall == rival["recall"])
    reached = []
    for name, outcome in mine.items():
        ratios = [outcome.recall / rival["recall"], outcome.ndcg / rival["ndcg"]]
        times = outcome.seconds / least
        print(f"{name}: recall@{K} {ratios[0]:.3f} and ndcg@{K} {ratios[1]:.3f} of the best of "
              f"implicit, in {times:.2f} of the time")  # fmt: skip
        reached += [name] if min(ratios) >= LEARNED and times <= 1 else []
    print(f"as good within {1 - LEARNED:.0%} and as fast: {', '.join(reached) or 'none'}")
    return bool(reached)


def main() -> int:
    """Print both parts; 1 where a target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    invented = options.planted or not options.data.exists()
    case = planted(options.part) if invented else movielens(options.data, options.part)
    n = len(case.train.users), len(case.train.catalog), len(case.users)
    print(f"{n[0]} users, {n[1]} items, {n[2]} tested; {THREADS} thread(s)", flush=True)
    theirs = Theirs(case)
    equal = compare_neighbours(case, theirs)
    reached = compare_learned(case, theirs, options.seeds)
    print("targets: " + ("met" if equal and reached else "missed"))
    return 0 if equal and reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
