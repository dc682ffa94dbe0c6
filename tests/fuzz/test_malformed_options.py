"""Options of `pgbench run`, and files that they name: one line, status 2, nothing written."""

import fuzz_options as options
import pytest
from fuzz_case import blame, judge
from fuzz_inputs import STRANGERS

CASES = [*options.options(), *options.files(STRANGERS)]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory, home):
    del home  # what a run needs is imported
    return judge(CASES, options.run, tmp_path_factory.mktemp("options") / "folder")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case.name)[:60])
def test_a_malformed_option(case, verdicts):
    blame(case, verdicts[case.name])
