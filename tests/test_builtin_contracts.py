"""Every built-in keeps the contract that plugins must keep."""

import pytest

from persongen_bench import registry
from persongen_bench.testing import MethodContract, MetricContract, StackContract


class TestRandomItem(MethodContract):
    method = "random-item"


class TestCopyHistory(MethodContract):
    method = "copy-history"


class TestNearestItem(MethodContract):
    method = "nearest-item"


class TestMeanEmbedding(MethodContract):
    method = "mean-embedding"


class TestPopulationBest(MethodContract):
    method = "population-best"


class TestWrongUser(MethodContract):
    method = "wrong-user"


class TestOracle(MethodContract):
    method = "oracle"


class TestTrueTaste(MetricContract):
    metric = "true-taste"


class TestTasteGap(MetricContract):
    metric = "taste-gap"


class TestTasteGapNeighbour(MetricContract):
    metric = "taste-gap"
    argument = "neighbour"


class TestPrecision(MetricContract):
    metric = "precision"
    argument = "2"


class TestRecall(MetricContract):
    metric = "recall"
    argument = "2"


class TestHistorySimilarity(MetricContract):
    metric = "history-similarity"


class TestNovelty(MetricContract):
    metric = "novelty"


class TestCopyRate(MetricContract):
    metric = "copy-rate"


class TestDiversity(MetricContract):
    metric = "diversity"


class TestPixels(StackContract):
    stack = "pixels"


class TestSprites(StackContract):
    stack = "sprites"


CONTRACTS = {
    "methods": {c.method for c in MethodContract.__subclasses__()},
    "metrics": {c.metric.partition("@")[0] for c in MetricContract.__subclasses__()},
    "stacks": {c.stack for c in StackContract.__subclasses__()},
}
ELSEWHERE = {
    "rebeca", "rebeca-no-user", "rebeca-v1", "sd-prompt", "unpersonalized", "vlm-persona",
    "vlm-persona+lora", "in-context", "ip-adapter-history", "lora-user", "lora-shared",
    "textual-inversion", "tasteworld", "sandbox", "sd15", "sdxl",
}  # fmt: skip
"""In test modules of their own."""


@pytest.mark.parametrize("kind", CONTRACTS)
def test_no_built_in_is_forgotten(kind):
    own = {name for name in registry.entries(kind) if "/" not in name}
    assert own - ELSEWHERE <= CONTRACTS[kind]
