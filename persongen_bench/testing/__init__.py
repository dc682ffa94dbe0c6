"""Public contract tests for plugins: subclass one in a test module and let pytest run it.

    from persongen_bench.testing import MethodContract

    class TestMine(MethodContract):
        method = "my-distribution/my-method"

`pgbench check my-distribution/my-method` runs the same checks without pytest.
"""

from persongen_bench.testing.datasets import DatasetContract
from persongen_bench.testing.methods import MethodContract
from persongen_bench.testing.metrics import MetricContract
from persongen_bench.testing.require import ContractError
from persongen_bench.testing.stacks import StackContract
from persongen_bench.testing.toy import ToyStack, ToyWorld, toy_world
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context
from persongen_bench.testing.tracks import TrackContract

__all__ = [
    "ContractError",
    "DatasetContract",
    "MethodContract",
    "MetricContract",
    "StackContract",
    "ToyScores",
    "ToyStack",
    "ToyWorld",
    "TrackContract",
    "toy_score_context",
    "toy_world",
]
