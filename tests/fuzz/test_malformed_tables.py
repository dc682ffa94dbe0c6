"""Tables of a user's own folder: whatever is written there is read right or refused on one line."""

import fuzz_parquet
import fuzz_tables as tables
import pytest
from fuzz_case import blame, judge

GROUPS = (tables.texts, tables.cells, tables.pictures, tables.logs, fuzz_parquet.parquets)
CASES = [case for group in GROUPS for case in group()]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    return judge(CASES, tables.load, tmp_path_factory.mktemp("tables") / "folder")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_malformed_folder(case, verdicts):
    blame(case, verdicts[case.name])
