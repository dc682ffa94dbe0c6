"""Pictures: damaged, of other formats, with headers that lie; and what is called so and is none."""

import fuzz_pictures as pictures
import pytest
from fuzz_case import blame, judge

GROUPS = (pictures.damaged, pictures.others, pictures.pictures, pictures.names)
CASES = [case for group in GROUPS for case in group()]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    return judge(CASES, pictures.open_it, tmp_path_factory.mktemp("pictures") / "folder")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_malformed_picture(case, verdicts):
    blame(case, verdicts[case.name])
    if case.name.startswith("right: "):
        assert verdicts[case.name].ended == "accepted", verdicts[case.name].said
