"""Packages of third parties that are none: what names them is one line, the rest is as it was."""

import fuzz_plugins as plugins
import pytest
from fuzz_case import blame, judge

CASES = plugins.cases()


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    first = tmp_path_factory.mktemp("first")
    plugins.package(first)
    plugins.use(first, ("show", "method", "shop/draw"))  # imports what every case needs
    return judge(CASES, plugins.use, tmp_path_factory.mktemp("plugins") / "folder")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_malformed_package(case, verdicts):
    blame(case, verdicts[case.name])
