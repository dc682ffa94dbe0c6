"""Weights: LoRAs that a decoder draws with, and the models of the stacks."""

import fuzz_weights as weights
import pytest
from fuzz_case import blame, judge

GROUPS = {weights.loras: weights.convert, weights.models: weights.open_model}
CASES = [(group, case) for group in GROUPS for case in group()]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    said = {}
    for group, act in GROUPS.items():
        folder = tmp_path_factory.mktemp("weights") / "folder"
        said |= judge([case for of, case in CASES if of is group], act, folder)
    return said


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=lambda case: case.name)
def test_malformed_weights(case, verdicts):
    blame(case, verdicts[case.name])
