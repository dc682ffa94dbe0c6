"""Score a run: every metric per user, intervals over users, permutation tests.

A pure function of the recorded images, the data and the metric definitions: it knows nothing of
the method, so that images made elsewhere are scored by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from persongen_bench import registry, stats
from persongen_bench.batching import blocks
from persongen_bench.errors import PgbenchError
from persongen_bench.features import CHUNK
from persongen_bench.prepare import World
from persongen_bench.protocols import Metric, Progress, no_progress
from persongen_bench.schema import MetricSummary, Summary, TestSummary
from persongen_bench.store import RunDirectory
from persongen_bench.types import Embeddings, Image, ScoreMatrix, View

N_PERMUTATIONS = 1000
"""REBECA's B (paper 001, Algorithm 2)."""


def parse_metric(printed: str) -> Metric:
    """The metric of a printed name such as ``precision@20``."""
    name, _, argument = printed.partition("@")
    metric: Metric = registry.get("metrics", name).parse(argument or None)
    return metric


@dataclass
class Evaluation:
    """What metrics look at (`protocols.ScoreContext`); each image is read and encoded once."""

    run: RunDirectory
    world: World
    progress: Progress = no_progress
    _features: dict[str, Embeddings] = field(default_factory=dict)

    @cached_property
    def all_samples(self) -> pd.DataFrame:
        """Every planned sample, whatever became of it."""
        return self.run.samples()

    @cached_property
    def samples(self) -> pd.DataFrame:
        """Samples in state ok, canonical order."""
        table = self.all_samples
        return table[table["state"] == "ok"].reset_index(drop=True)

    @property
    def users(self) -> tuple[str, ...]:
        """Every user of the protocol."""
        return self.world.test.users

    @property
    def train(self) -> View:
        """The training view."""
        return self.world.train

    @property
    def test(self) -> View:
        """The held-out view."""
        return self.world.test

    @cached_property
    def histories(self) -> Mapping[str, tuple[str, ...]]:
        """Per user the history of the request."""
        config = self.run.config
        requests = self.world.requests(config.n_images, config.n_history)
        return {request.user_id: request.history for request in requests}

    @cached_property
    def n_asked(self) -> Mapping[str, int]:
        """Images asked for per user, without those our instrument failed on."""
        states = self.all_samples[~self.all_samples["state"].isin(["unscored", "pending"])]
        return {str(user): int(n) for user, n in states["user_id"].value_counts().items()}

    @cached_property
    def images(self) -> list[Image]:
        """The images of `samples`, each checked against the journal."""
        pairs = list(zip(self.samples["sample_id"], self.samples["pixel_hash"], strict=True))
        return [
            self.run.read_image(sample_id, pixel_hash)
            for sample_id, pixel_hash in self.progress(pairs, "read images", len(pairs))
        ]

    def features(self, role: str) -> Embeddings:
        """Encode every image once per role."""
        if role not in self._features:
            encoder = self.world.stack.role(role)
            parts = [encoder.encode(self.images[part]) for part in blocks(len(self.images), CHUNK)]
            empty = np.zeros((0, encoder.embedding_size), dtype=np.float32)
            self._features[role] = np.concatenate(parts) if parts else empty
        return self._features[role]

    def item_features(self, role: str, item_ids: Sequence[str]) -> Embeddings:
        """Features of catalogue items."""
        return self.world.features.rows(role, item_ids)

    def encoder_signature(self, role: str) -> str:
        """Signature of the model behind a role."""
        return str(self.world.stack.role(role).signature)

    def taste_matrix(self) -> ScoreMatrix:
        """True utility of every image for every user."""
        return self._taste

    @cached_property
    def _taste(self) -> ScoreMatrix:
        taste = self.world.dataset.taste
        if taste is None:
            raise PgbenchError(f"dataset {self.world.dataset.name} has no known taste")
        return taste.utility(self.images, self.users)

    @property
    def taste_signature(self) -> str | None:
        """Signature of the taste reader."""
        taste = self.world.dataset.taste
        return None if taste is None else taste.signature


def penalised(metric: Metric, values: pd.Series, samples: pd.DataFrame) -> pd.Series:
    """Let undelivered images count: they enter a per-image mean with the metric's failed value.

    ``values``: per-user mean over the user's ok images. States ``method_error``, ``filtered``
    and ``missing`` are the method's; ``unscored`` is the instrument's and does not count. A user
    with images for whom the metric is undefined stays undefined.
    """
    worst = metric.info.failed_value
    if worst is None:
        return values
    state = samples.groupby("user_id")["state"]
    ok = state.apply(lambda s: (s == "ok").sum()).reindex(values.index, fill_value=0)
    failed = state.apply(lambda s: s.isin(["method_error", "filtered", "missing"]).sum())
    failed = failed.reindex(values.index, fill_value=0)
    delivered = values.where(ok > 0, 0.0)
    total = (delivered * ok + worst * failed) / (ok + failed).where(ok + failed > 0)
    return total.astype(float)


def score(evaluation: Evaluation) -> tuple[Summary, pd.DataFrame]:
    """All metrics of the run's configuration => the summary and the per-user table."""
    config = evaluation.run.config
    rng = np.random.default_rng(int(config.run_id, 16))
    metrics = [parse_metric(name) for name in config.metrics]
    tables, numbers = [], {}
    for metric in evaluation.progress(metrics, "score", len(metrics)):
        signature = metric.signature(evaluation)
        values = metric.per_user(evaluation).reindex(list(evaluation.users)).astype(float)
        values = penalised(metric, values, evaluation.all_samples)
        tables.append(_long(metric.info.name, values, signature))
        numbers[metric.info.name] = _summarise(values, signature, rng, metric.info.range)
    states = evaluation.all_samples["state"].value_counts()
    summary = Summary(
        run_id=config.run_id,
        n_expected=len(evaluation.all_samples),
        n_ok=len(evaluation.samples),
        states={str(state): int(n) for state, n in sorted(states.items())},
        metrics=numbers,
        tests=permutation_tests(evaluation, metrics, rng),
    )
    return summary, pd.concat(tables, ignore_index=True)


def _long(name: str, values: pd.Series, signature: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": values.index.astype(str),
            "metric": name,
            "value": values.to_numpy(dtype=np.float64),
            "signature": signature,
        }
    )


def _summarise(
    values: pd.Series, signature: str, rng: np.random.Generator, bounds: tuple[float, float]
) -> MetricSummary:
    found = stats.interval(values.to_numpy(dtype=np.float64), rng)
    low, high = np.clip([found.low, found.high], *bounds)
    numbers = [None if np.isnan(x) else float(x) for x in (found.mean, low, high)]
    return MetricSummary(
        mean=numbers[0], low=numbers[1], high=numbers[2], n_users=found.n, signature=signature
    )


def permutation_tests(
    evaluation: Evaluation, metrics: Sequence[Metric], rng: np.random.Generator
) -> dict[str, TestSummary]:
    """Block and image-level test on the taste instrument of the run's `taste-gap` metric."""
    instruments = [m for m in metrics if hasattr(m, "matrix")]
    if not instruments or evaluation.samples.empty:
        return {}
    scores = instruments[0].matrix(evaluation)
    scorable = pd.Index(evaluation.users)[~np.isnan(scores).any(axis=0)]
    users = scorable[scorable.isin(evaluation.samples["user_id"])]
    owners = users.get_indexer(pd.Index(evaluation.samples["user_id"]))
    if len(users) < 2:
        return {}
    columns = pd.Index(evaluation.users).get_indexer(users)
    scores, owners = scores[owners >= 0][:, columns], owners[owners >= 0]
    block = stats.user_permutation_test(stats.block_means(scores, owners), rng, N_PERMUTATIONS)
    image = stats.image_permutation_test(scores, owners, rng, N_PERMUTATIONS)
    return {
        f"permutation.{name}": TestSummary(
            statistic=result.statistic,
            p_value=result.p_value,
            n_permutations=result.n_permutations,
        )
        for name, result in (("block", block), ("image", image))
    }
