"""Progress where there is no terminal: a line a minute, and none for short work."""

import time

import pytest

from persongen_bench.util import progress
from persongen_bench.util.progress import bars, lines, span


def test_short_work_says_nothing(capsys):
    with bars() as track:
        assert list(track(range(3), "generate", 3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_line_now_and_then_and_one_at_the_end(capsys):
    with lines(every=0.05) as track:
        for _ in track(range(3), "fit \x1b[31mx", 3):
            for _ in track(range(2), "steps", 2):
                time.sleep(0.06)
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("fit x: 3 of 3 in ")
    assert any(line.startswith("fit x > steps: ") for line in said)
    assert "\x1b" not in "".join(said)


def test_a_stage_that_fails_is_over(capsys):
    with lines(every=10) as track, pytest.raises(ZeroDivisionError):
        sum(1 / one for one in track(range(3), "score"))
    assert capsys.readouterr().err == ""


def test_time_left_goes_by_the_items(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", lambda: 30.0)
    stage = progress.Stage("score", 4, done=1, start=0.0)
    assert str(stage) == "score: 1 of 4 in 30 s, 90 s left"  # three more at 30 s each


@pytest.mark.parametrize(
    ("seconds", "text"), [(40, "40 s"), (300, "5 min"), (7500, "2 h 5 min"), (0.2, "0 s")]
)
def test_spans(seconds, text):
    assert span(seconds) == text
