"""The wire between a run and the process of a method waits, whatever the method did to it."""

import os
from multiprocessing import Pipe
from threading import Timer

import pytest

from persongen_bench.loop.wall import wire as wires

LONG = "x" * (1 << 22)
"""More than a socket holds: who writes it waits for who reads it."""
WAYS = {
    "from the cell": (
        lambda cell, _: wires.send(cell, "ask", {"what": LONG}, [LONG.encode()]),
        lambda _, run: wires.receive(run).fields["what"],
    ),
    "to the cell": (lambda _, run: wires.give(run, LONG), lambda cell, _: wires.take(cell)),
}
"""Who says it, and who hears it."""


@pytest.mark.parametrize("late", ["sender", "reader"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_end_that_was_made_not_to_block_blocks_again(way, late):
    """One side comes a moment after the other."""
    cell, run = Pipe()
    with cell, run:
        for end in (cell, run):
            os.set_blocking(end.fileno(), False)
        say, heard = way[0], []
        sides = [lambda: say(cell, run), lambda: heard.append(way[1](cell, run))]
        first, second = sides if late == "reader" else sides[::-1]
        timer = Timer(0.05, second)
        timer.start()
        first()
        timer.join()
    assert heard == [LONG]
