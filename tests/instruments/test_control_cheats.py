"""C14: what cheats get, and that the control sees it where there is no wall."""

import pytest

from persongen_bench.instruments.controls import c14_cheats
from persongen_bench.instruments.controls.base import ControlOptions

pytestmark = pytest.mark.slow


def test_no_cheat_is_ranked_unmarked():
    result = c14_cheats.run(ControlOptions())
    assert result.passed, result.measured


def test_the_control_fails_without_the_wall(unwalled):
    (one,) = c14_cheats.attempt(0, ("Reads",))
    assert one.ranked_unmarked
