"""Indexes of FAISS as `Search` asks for them."""

from __future__ import annotations

from typing import Any, Literal

import faiss
import numpy as np
from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.types import Embeddings

_TRAINED_ON = 64
"""Vectors for each list of an inverted file, at most, by which the lists are learned."""


class Search(Config):
    """How vectors are searched: exactly, or faster and nearly so (`util.search.recall`)."""

    kind: Literal["exact", "hnsw", "ivf"] = "exact"
    """All vectors; a graph of near ones (Malkov and Yashunin 2018); or lists around centres."""
    storage: Literal["float32", "float16", "int8"] = "float32"
    """What the index keeps of a vector: 4, 2 or 1 bytes a number (FAISS's SQfp16, SQ8)."""
    metric: Literal["ip", "cosine"] = "cosine"
    """Inner product, or that of vectors of length one. The graph is made for lengths alike."""
    m: int = Field(default=32, ge=2)
    """Links of a vector in the graph."""
    ef_construction: int = Field(default=80, ge=1)
    """Candidates while the graph is built."""
    ef: int = Field(default=256, ge=1)
    """Candidates while it is searched, raised to what is asked for."""
    nlist: int | None = Field(default=None, ge=1)
    """Lists of the inverted file; None: four times the root of the number of vectors."""
    nprobe: int = Field(default=16, ge=1)
    """Lists that are looked through."""
    block: int = Field(default=64, ge=1)
    """Queries at a time; the last block is filled up, so that batches do not matter."""
    seed: int = Field(default=0, ge=0)
    """Of the centres."""


_STORED = {
    "float16": faiss.ScalarQuantizer.QT_fp16,
    "int8": faiss.ScalarQuantizer.QT_8bit,
}


def built(rows: Embeddings, config: Search) -> Any:  # noqa: ANN401  # faiss is not typed
    """The trained and filled index of FAISS."""
    index = _empty(rows, config)
    if not index.is_trained:
        index.train(_sample(rows, config))
    threads = faiss.omp_get_max_threads()
    try:
        if config.kind == "hnsw":
            faiss.omp_set_num_threads(1)  # links depend on the order in which vectors come
        index.add(rows)
    finally:
        faiss.omp_set_num_threads(threads)
    return index


def _empty(rows: Embeddings, config: Search) -> Any:  # noqa: ANN401  # faiss is not typed
    d, metric, stored = rows.shape[1], faiss.METRIC_INNER_PRODUCT, _STORED.get(config.storage)
    if config.kind == "hnsw":
        graph = (faiss.IndexHNSWFlat(d, config.m, metric) if stored is None
                 else faiss.IndexHNSWSQ(d, stored, config.m, metric))  # type: ignore[arg-type]  # fmt: skip
        graph.hnsw.efConstruction = config.ef_construction
        return graph
    if config.kind == "exact":
        return faiss.IndexScalarQuantizer(d, _STORED[config.storage], metric)
    centres, n = faiss.IndexFlatIP(d), _n_lists(len(rows), config)
    lists = (faiss.IndexIVFFlat(centres, d, n, metric) if stored is None
             else faiss.IndexIVFScalarQuantizer(centres, d, n, stored, metric, False))  # fmt: skip
    lists.cp.seed, lists.cp.min_points_per_centroid = config.seed + 1, 1
    lists.cp.max_points_per_centroid = _TRAINED_ON
    return lists


def _n_lists(n: int, config: Search) -> int:
    return min(n, config.nlist or max(1, round(4 * n**0.5)))


def _sample(rows: Embeddings, config: Search) -> Embeddings:
    """Some of the vectors, enough to learn lists and ranges by."""
    most = max(100_000, _TRAINED_ON * _n_lists(len(rows), config))
    if len(rows) <= most:
        return rows
    chosen = np.random.default_rng(config.seed).choice(len(rows), most, replace=False)
    return rows[np.sort(chosen)]


def asked(
    index: Any,  # noqa: ANN401  # faiss is not typed
    queries: Embeddings,
    k: int,
    config: Search,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and positions ``(n, k)`` as the index gives them."""
    if config.kind == "hnsw":
        index.hnsw.efSearch = max(config.ef, k)
    if config.kind == "ivf":
        index.nprobe = min(config.nprobe, index.nlist)
    scores, positions = index.search(queries, k)
    return scores, positions
