"""What passes between a run and the process of a method: whatever it says, and however it waits."""

import math
import os
import socket
from multiprocessing import Pipe
from threading import Timer

import pytest

from persongen_bench.loop.wall import server, warm
from persongen_bench.loop.wall import wire as wires
from persongen_bench.loop.wall.host import Cell

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


@pytest.mark.parametrize(
    ("said", "known"),
    [(12.5, 12.5), (3, 3.0), (10**400, 0.0), (math.nan, 0.0), (-1, 0.0), (math.inf, 0.0),
     ("much", 0.0), (None, 0.0)],
)  # fmt: skip
def test_what_a_cell_says_of_its_memory_is_a_number_of_megabytes_or_nothing(said, known):
    cell = Cell(lambda question: None)
    cell._note({"peak_mb": said})
    assert cell.peak_mb == known


@pytest.mark.parametrize("asked", [("fork", {"setup": None}), ("keep", {"path": []}), None])
def test_a_server_whose_run_was_killed_at_an_instant_ends_without_a_word(asked, monkeypatch):
    """Before it asked, before it handed over what it asked about, before it had the answer."""
    monkeypatch.setattr(warm, "libraries", lambda: None)
    monkeypatch.setattr(warm, "keep", lambda: None)
    monkeypatch.setattr(server.signal, "signal", lambda *_: None)
    monkeypatch.setattr(server.torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(server.sys, "path", [])
    (control, theirs), (handles, their_handles) = Pipe(), socket.socketpair()
    if asked:
        control.send(asked)
    control.close()
    handles.close()
    with theirs, their_handles:
        server.main(theirs, their_handles)
