"""Run directories, every file of which is damaged: read, shown, scored again, gone on with."""

import fuzz_runs as runs
import pytest
from fuzz_case import blame_all, judge


def tried(cases, act, tmp_path):
    blame_all(cases, judge(cases, act, tmp_path / "run"))


@pytest.mark.parametrize("group", [runs.files, runs.fields, runs.tables], ids=lambda g: g.__name__)
def test_a_damaged_run_is_read_right_or_refused(group, home, tmp_path):
    tried(group(home), runs.read, tmp_path)


@pytest.mark.slow
def test_a_damaged_run_is_shown_or_refused(home, tmp_path):
    tried(runs.shown(home), runs.show, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("act", [runs.score, runs.resume], ids=lambda act: act.__name__)
def test_a_damaged_run_is_gone_on_with_or_refused(act, home, tmp_path):
    tried(runs.journals(home, home.parents[2] / "data"), act, tmp_path)
