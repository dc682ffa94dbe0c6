"""Deliveries: manifests, ranked lists, adapters, and answers in memory."""

import fuzz_manifests as manifests
import fuzz_weights as weights
import pytest
from fuzz_case import blame, judge

GROUPS = {
    manifests.manifests: manifests.deliver, manifests.rankings: manifests.deliver,
    manifests.values: manifests.hand_over, weights.adapters: weights.deliver,
}  # fmt: skip
CASES = [(group, case) for group in GROUPS for case in group()]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    said = {}
    for group, act in GROUPS.items():
        folder = tmp_path_factory.mktemp("answers") / "folder"
        said |= judge([case for of, case in CASES if of is group], act, folder)
    return said


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=lambda case: case.name)
def test_a_malformed_answer(case, verdicts):
    blame(case, verdicts[case.name])
