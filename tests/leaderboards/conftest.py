"""Synthetic runs for the leaderboards: every score is chosen, nothing is generated."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arrow_case import arrow_of

from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.board import get_board
from persongen_bench.loop.numbers import generator, mean_and_bounds
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import (
    DatasetRef,
    MethodRef,
    MetricSummary,
    RunConfig,
    StackRef,
    Summary,
    TestSummary,
)


def build_run(label, values, **options):
    """A complete run. ``values``: metric name => one value per user (NaN where undefined).

    Options: ``board, seed, anchor, config, p_block, signatures (by metric), n_failed, path,
    code, version, external`` and any field of the data set, the stack or the protocol by its name.
    """
    board = get_board(options.pop("board", "controlled"))
    name = label.partition("[")[0]
    n_units = len(next(iter(values.values())))
    users = options.pop("users", [f"u{i}" for i in range(n_units)])
    p_block = options.pop("p_block", 0.01)
    signed = {m: f"{m}|impl:1" for m in values} | options.pop("signatures", {})
    n_failed = options.pop("n_failed", 0)
    n_images = options.pop("n_images", board.n_images)
    path = Path(options.pop("path", f"{label}-{options.get('seed', 0)}"))
    cost = options.pop("cost", {})
    config = RunConfig(
        track=options.pop("track", board.track),
        board=board.name,
        dataset=DatasetRef(
            name=options.pop("dataset", board.datasets[0]),
            revision=options.pop("revision", "rev1"),
            split=options.pop("split", "default"),
            split_seed=0,
            split_hash=options.pop("split_hash", "split1"),
        ),
        method=MethodRef(
            name=options.pop("name", name),
            distribution="persongen-bench",
            version=options.pop("version", "0.1.0"),
            config=options.pop("config", {}),
            label=label,
            anchor=options.pop("anchor", False),
            external=options.pop("external", False),
        ),
        stack=StackRef(name=board.stack, signature=options.pop("stack_signature", "stack1")),
        seed=options.pop("seed", 0),
        n_images=n_images,
        n_history=board.n_history,
        metrics=tuple(values),
        code=options.pop("code", "code1"),
    )
    assert not options, f"unknown options {options}"
    summary = _summary(config, values, signed, n_failed, p_block)
    samples = _samples(users, n_images, n_failed)
    scores = _scores(users, values, signed)
    return RunResults(path, config, summary, arrow_of(scores), arrow_of(samples), cost)


def _samples(users, n_images, n_failed):
    rows = [(f"{user}-{k}", user, user, k) for user in users for k in range(n_images)]
    table = pd.DataFrame(rows, columns=["sample_id", "request_id", "user_id", "index"])
    states = ["method_error"] * n_failed + ["ok"] * (len(rows) - n_failed)
    return table.assign(state=states, reason="", digest="", pixel_hash="")


def _summary(config, values, signed, n_failed, p_block):
    n_expected = config.n_images * len(next(iter(values.values())))
    states = {"ok": n_expected - n_failed} | ({"method_error": n_failed} if n_failed else {})
    tests = {} if p_block is None else {"permutation.block": TestSummary(
        statistic=0.1, p_value=p_block, n_permutations=999)}  # fmt: skip
    return Summary(
        run_id=config.run_id,
        n_expected=n_expected,
        n_ok=n_expected - n_failed,
        states=states,
        metrics={m: _metric(config, m, np.asarray(v, float), signed[m]) for m, v in values.items()},
        tests=tests,
    )


def _metric(config, name, values, signature):
    info = parse_metric(name).info
    mean, low, high, n = mean_and_bounds(
        values, generator(config, name), info.range, whole=info.level == "set"
    )
    return MetricSummary(mean=mean, low=low, high=high, n_units=n, signature=signature)


def _scores(users, values, signed):
    frames = [
        pd.DataFrame({"unit": users, "metric": m, "value": np.asarray(v, float),
                      "signature": signed[m]})
        for m, v in values.items()
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def make_run():
    return build_run


@pytest.fixture(scope="session")
def run_builder():
    """`build_run` for fixtures that last longer than one test."""
    return build_run


SPREAD = np.array([-0.03, -0.01, 0.01, 0.03] * 10)
"""Differences between 40 users; every method of `board_runs` has them in another order."""


def _values(level, order):
    spread = np.random.default_rng(order).permutation(SPREAD)
    taste = np.clip(level + spread, 0, 1)
    return {
        "true-taste": taste,
        "taste-gap": level / 2 + spread,
        "precision@20": np.clip(level + 0.03 + spread, 0, 1),
        "recall@20": (0.0012 + 0.003 * level) * (1 + spread),
        "novelty": np.full(40, 0.4) + spread,
        "copy-rate": np.clip(0.05 + spread, 0, 1),
        "diversity": np.full(40, 0.6) - spread,
        "history-similarity": np.full(40, 0.5) + spread,
    }


@pytest.fixture(scope="session")
def board_runs():
    """Two tied methods of two seeds, a worse one, a sweep, baselines and anchors."""
    level = {"rebeca": 0.91, "rebeca-v1": 0.908, "rebeca-no-user": 0.34, "random-item": 0.29,
             "rebeca[guidance_scale=1]": 0.70, "rebeca[guidance_scale=3]": 0.88,
             "rebeca[guidance_scale=7]": 0.93, "mean-embedding": 0.80,
             "nearest-item": 0.85}  # fmt: skip
    anchors = {"copy-history": 0.90, "population-best": 0.35, "wrong-user[rebeca]": 0.07,
               "oracle": 0.95}  # fmt: skip
    runs = [
        build_run(label, _values(mean, 10 * i + seed), seed=seed,
                  n_failed=3 if label == "rebeca-v1" else 0)
        for i, (label, mean) in enumerate(level.items())
        for seed in ((0, 1) if label.startswith("rebeca") and "[" not in label else (0,))
    ]  # fmt: skip
    for i, (label, mean) in enumerate(anchors.items()):
        runs.append(build_run(label, _values(mean, 200 + i), anchor=True))
    return runs
