"""Every built-in keeps the contract that plugins must keep."""

import re

import pytest

from persongen_bench.core import registry
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


class TestTasteGapNeighbour(MetricContract):
    metric = "taste-gap"
    argument = "neighbour"


# Every metric with its example argument; the others of its arguments in its own module.
for name in registry.entries("metrics"):
    if "/" not in name:
        title = "".join(part.title() for part in re.split(r"\W", name))
        globals()[f"Test{title}"] = type(f"Test{title}", (MetricContract,), {"metric": name})


class TestPixels(StackContract):
    stack = "pixels"


class TestSprites(StackContract):
    stack = "sprites"


CONTRACTS = {
    "methods": {c.method for c in MethodContract.__subclasses__()},
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
