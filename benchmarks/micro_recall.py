"""MICRO beside an independent, dense implementation: Recall@20 on the same split.

Run ``python benchmarks/micro_recall.py [--data FOLDER]``. The data: MovieLens latest-small as
published, by default in ``../shared/data/ml-latest-small`` beside the repository; a like is a
rating of 4 or more, users and items have at least five (``--fewest``). Features are genres and
decades, and words of tags and titles by TF-IDF (there are no posters). Everybody's likes are split
at random, 80 to 20. Without the folder, or with ``--planted``, small invented data is used.

The other implementation shares no line with the package: it holds every graph as a dense matrix,
draws its own pairs, and ranks by sorting. Target: recall within five per cent.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # as everybody calls it

from persongen_bench.rankers.measures import measured
from persongen_bench.rankers.micro import Micro, MicroConfig
from persongen_bench.rankers.ranker import RankingData

FOLDER = Path(__file__).parents[2] / "shared/data/ml-latest-small"
LIKED, SHARE, K = 4.0, 0.2, 20
TARGET = 0.05


class Case(NamedTuple):
    """Training data and what is held out."""

    data: RankingData
    held: np.ndarray
    """(users, items): the likes that are to be found again."""


def movielens(folder: Path, fewest: int = 5) -> Case:
    """The published csv files, cut to people and films with so many likes or more."""
    ratings = pd.read_csv(folder / "ratings.csv")
    likes = ratings[ratings["rating"] >= LIKED]
    size = -1
    while size != len(likes):
        size = len(likes)
        for key in ("userId", "movieId"):
            likes = likes[likes.groupby(key)[key].transform("size") >= fewest]
    movies = pd.read_csv(folder / "movies.csv").set_index("movieId")
    movies = movies.loc[sorted(likes["movieId"].unique())]
    tags = pd.read_csv(folder / "tags.csv").groupby("movieId")["tag"].agg(" ".join)
    decade = movies["title"].str.extract(r"\((\d{3})\d\)")[0].fillna("none")
    shown = pd.concat([movies["genres"].str.get_dummies("|"), pd.get_dummies(decade)], axis=1)
    words = movies["title"] + " " + tags.reindex(movies.index).fillna("")
    text = TfidfVectorizer(max_features=1000).fit_transform(words).toarray()
    user, users = pd.factorize(likes["userId"], sort=True)
    item = pd.Index(movies.index).get_indexer(likes["movieId"])
    names = tuple(map(str, users)), tuple(map(str, movies.index))
    return split(names, (user, item), (shown.to_numpy(dtype=np.float32), text.astype(np.float32)))


def planted(n_users: int = 60, n_items: int = 150) -> Case:
    """People who like what lies near their taste, in two sets of features."""
    rng = np.random.default_rng(0)
    taste, truth = rng.normal(size=(n_users, 4)), rng.normal(size=(n_items, 4))
    user, item = np.nonzero(taste @ truth.T > 1.5)
    features = [
        (truth @ rng.normal(size=(4, d)) + 0.3 * rng.normal(size=(n_items, d))).astype(np.float32)
        for d in (12, 20)
    ]
    names = tuple(f"u{k}" for k in range(n_users)), tuple(f"i{k}" for k in range(n_items))
    return split(names, (user, item), (features[0], features[1]))


def split(
    names: tuple[tuple[str, ...], tuple[str, ...]],
    likes: tuple[np.ndarray, np.ndarray],
    features: tuple[np.ndarray, np.ndarray],
) -> Case:
    """Hold out a share of everybody's likes, at random."""
    rng, (user, item) = np.random.default_rng(1), likes
    place = pd.Series(rng.random(len(user))).groupby(user).rank(pct=True).to_numpy()
    test = place <= SHARE
    held = np.zeros((len(names[0]), len(names[1])), dtype=bool)
    held[user[test], item[test]] = True
    liked = np.ones(int((~test).sum()), dtype=bool)
    return Case(RankingData(*names, user[~test], item[~test], liked, *features), held)


# --- the independent implementation ----------------------------------------------------------


def dense_graph(rows: Tensor, k: int) -> Tensor:
    """Normalised adjacency (n, n) of the k nearest by cosine."""
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cosine = (rows @ rows.T).clamp_min(0)
    top = cosine.topk(k, dim=1)
    adjacency = torch.zeros_like(cosine).scatter(1, top.indices, top.values)
    root = adjacency.sum(1).clamp_min(1e-12).sqrt()
    return adjacency / root[:, None] / root[None]


class Independent:
    """Everything dense, trained by the same recipe."""

    def __init__(self, case: Case, config: MicroConfig, seed: int) -> None:
        torch.manual_seed(seed)
        self.rng, self.config, self.data = np.random.default_rng(seed), config, case.data
        n, m, d = len(case.data.users), len(case.data.items), config.embedding_size
        self.users, self.items = torch.nn.Embedding(n, d), torch.nn.Embedding(m, d)
        text = case.data.visual if case.data.text is None else case.data.text
        self.features = [torch.tensor(f) for f in (case.data.visual, text)]
        self.maps = [torch.nn.Linear(f.shape[1], d) for f in self.features]
        self.ask = torch.nn.Sequential(
            torch.nn.Linear(d, d), torch.nn.Tanh(), torch.nn.Linear(d, 1, bias=False)
        )
        for table in (self.users, self.items):
            torch.nn.init.xavier_uniform_(table.weight)
        parts = torch.nn.ModuleList([self.users, self.items, *self.maps, self.ask])
        self.optimizer = torch.optim.Adam(parts.parameters(), lr=config.learning_rate)
        self.original = [dense_graph(f, config.n_neighbours) for f in self.features]
        likes = torch.zeros(n, m)
        likes[case.data.user, case.data.item] = 1
        roots = likes.sum(1).clamp_min(1).sqrt(), likes.sum(0).clamp_min(1).sqrt()
        self.likes, self.step = likes, likes / roots[0][:, None] / roots[1][None]

    def graphs(self) -> list[Tensor]:
        """Of each modality: the fixed graph and the learned one, mixed."""
        share = self.config.original_share
        return [
            share * fixed + (1 - share) * dense_graph(to(f), self.config.n_neighbours)
            for fixed, to, f in zip(self.original, self.maps, self.features, strict=True)
        ]

    def forward(self, graphs: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor], Tensor]:
        """Users, items, the modalities' vectors, and their fusion."""
        each = [graph @ self.items.weight for graph in graphs]
        shares = torch.cat([self.ask(z) for z in each], dim=1).softmax(1)
        fused = sum((shares[:, k : k + 1] * z for k, z in enumerate(each)), torch.zeros(()))
        u, i = self.users.weight, self.items.weight
        us, its = [u], [i]
        for _ in range(self.config.n_layers):
            u, i = self.step @ i, self.step.T @ u
            us.append(u)
            its.append(i)
        users, items = torch.stack(us).mean(0), torch.stack(its).mean(0)
        return users, items + fused / fused.norm(dim=1, keepdim=True).clamp_min(1e-12), each, fused

    def loss(self, graphs: list[Tensor], pairs: np.ndarray) -> Tensor:
        """BPR of the pairs, their length, and the contrast of some items."""
        users, items, each, fused = self.forward(graphs)
        u, i, j = users[pairs[0]], items[pairs[1]], items[pairs[2]]
        total = F.softplus((u * j).sum(1) - (u * i).sum(1)).mean()
        total = total + self.config.decay * (u**2 + i**2 + j**2).sum() / 2 / len(u)
        n, wanted = len(self.items.weight), self.config.contrast_items
        some = torch.randperm(n)[: wanted or n]
        for view in each:
            a, b = F.normalize(view[some], dim=1), F.normalize(fused[some], dim=1)
            logits = torch.cat([a @ b.T, a @ a.T], dim=1) / self.config.temperature
            itself = torch.zeros_like(logits, dtype=torch.bool)
            itself[torch.arange(len(some)), torch.arange(len(some)) + len(some)] = True
            logits = logits.masked_fill(itself, -torch.inf)
            total = total + self.config.contrast_weight * F.cross_entropy(
                logits, torch.arange(len(some))
            )
        return total

    def fit(self) -> None:
        """The given number of epochs; another graph at the start of each."""
        for epoch in range(self.config.n_epochs):
            self.optimizer.param_groups[0]["lr"] = self.config.learning_rate * 0.96 ** (epoch / 50)
            graphs = self.graphs()
            for rows in np.array_split(
                self.rng.permutation(len(self.data.user)),
                -(-len(self.data.user) // self.config.batch_size),
            ):
                loss = self.loss(graphs, self.pairs(rows))
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch
                self.optimizer.step()
                graphs = [graph.detach() for graph in graphs]

    def pairs(self, rows: np.ndarray) -> np.ndarray:
        """The likes in these rows, each with an item that its user has not rated."""
        user, item = self.data.user[rows], self.data.item[rows]
        other = self.rng.integers(len(self.data.items), size=len(rows))
        while (again := self.likes[user, other].numpy() > 0).any():
            other[again] = self.rng.integers(len(self.data.items), size=int(again.sum()))
        return np.array([user, item, other])

    @torch.no_grad()
    def recall(self, held: np.ndarray) -> float:
        """Mean over users of the share of held-out likes among the first ``K``."""
        users, items, _, _ = self.forward(self.graphs())
        scores = (users @ items.T).masked_fill(self.likes > 0, -torch.inf).numpy()
        values = []
        for own, row in zip(held, scores, strict=True):
            if own.any():
                values.append(own[np.argsort(-row)[:K]].sum() / own.sum())
        return float(np.mean(values))


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--fewest", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    invented = options.planted or not options.data.exists()
    case = planted() if invented else movielens(options.data, options.fewest)
    n = len(case.data.users), len(case.data.items), len(case.data.user), int(case.held.sum())
    print(f"{n[0]} users, {n[1]} items, {n[2]} likes; {n[3]} held out", flush=True)
    config = MicroConfig(modalities=("visual", "text"), n_epochs=options.epochs, decay=1e-5)
    ours, theirs = [], []
    for seed in range(options.seeds):
        start = time.perf_counter()
        ranker = Micro(config)
        ranker.fit(case.data, seed)
        values = {k: float(np.nanmean(v)) for k, v in measured(ranker, case.held, K).items()}
        ours.append(values["recall"])
        seconds = time.perf_counter() - start
        said = ", ".join(f"{name}@{K} {value:.4f}" for name, value in values.items())
        print(f"seed {seed}, package: {said} ({seconds:.0f} s)", flush=True)
        start = time.perf_counter()
        other = Independent(case, config, seed)
        other.fit()
        theirs.append(other.recall(case.held))
        seconds = time.perf_counter() - start
        print(
            f"seed {seed}, independent: recall@{K} {theirs[-1]:.4f} ({seconds:.0f} s)", flush=True
        )
    apart = float(np.mean(ours) / np.mean(theirs) - 1)
    met = "met" if abs(apart) <= TARGET else "missed"
    print(f"{100 * apart:+.1f}% apart; target {100 * TARGET:.0f}%: {met}")


if __name__ == "__main__":
    main()
