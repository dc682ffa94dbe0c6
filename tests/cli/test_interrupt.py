"""Ctrl-C: what stopped and how to go on, in three seconds, with nobody left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from shop_case import write_shop

from persongen_bench.util import interrupt

SLOW = '''
"""A method that takes its time."""

import time

from persongen_bench.methods.copy_history import CopyHistory


class Slow(CopyHistory):
    """Copies the history, an image in ten seconds."""

    def generate(self, samples):
        time.sleep(10)
        return super().generate(samples)
'''
RUN = ["-d", "folder", "--data", "shop", "--no-beside", "--n-images", "2", "--batch-size", "4"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to a group")


@pytest.fixture(autouse=True)
def heard():
    """Programs that are started hear Ctrl-C, also where a shell ignores it for its background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def home(tmp_path):
    """A shop, and a package whose method sleeps."""
    write_shop(tmp_path / "shop")
    about = tmp_path / "site" / "slow_one-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-one\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[persongen_bench.methods]\nslow = slow_one:Slow\n")
    (tmp_path / "site" / "slow_one.py").write_text(SLOW)
    return tmp_path


def start(home, *words):
    """The program, at work on the slow method."""
    paths = (str(home / "site"), os.environ.get("PYTHONPATH", ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                   "PGBENCH_CACHE": str(home / "cache")}  # fmt: skip
    command = [sys.executable, "-m", "persongen_bench", "run", "-m", "slow-one/slow", *RUN, *words]
    return subprocess.Popen(
        command, cwd=home, env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def stop_at_work(home, program, n_runs, *, group):
    """Wait until so many runs are at work; send what Ctrl-C sends => seconds, standard error."""
    deadline = time.monotonic() + 240
    while len(list((home / "runs").rglob("journal.sqlite"))) < n_runs:
        assert program.poll() is None, program.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1)
    began = time.monotonic()
    (os.killpg if group else os.kill)(program.pid, signal.SIGINT)
    try:
        _, said = program.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
    return time.monotonic() - began, said


def left_of(program):
    """Processes of the program's session that are still there."""
    listed = subprocess.run(
        ["ps", "-o", "stat=,pid=", "-s", str(program.pid)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [line for line in listed.stdout.splitlines() if not line.strip().startswith("Z")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "n_runs", "group"),
    [((), 1, True), (("--seed", "0", "--seed", "1", "--jobs", "2", "--workers", "2"), 2, True),
     (("--workers", "2"), 1, False)],
    ids=["alone", "jobs", "workers"],
)  # fmt: skip
def test_what_stopped_and_how_to_go_on(home, words, n_runs, group):
    program = start(home, *words)
    seconds, said = stop_at_work(home, program, n_runs, group=group)
    assert program.returncode == 130
    assert seconds < 3.5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # alone: 3 s
    lines = [line for line in said.splitlines() if not line.startswith(("runs: ", "generate: "))]
    assert [line[:21] for line in lines] == ["error: interrupted in"]
    assert said.count("pgbench resume runs/") == n_runs
    time.sleep(1.5)
    assert left_of(program) == []


def test_outside_the_main_thread_nothing_changes():
    before = signal.getsignal(signal.SIGINT)
    with interrupt.interruptible(), interrupt.sheltered():
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_the_innermost_says_what_stopped():
    with (
        interrupt.interruptible(),
        pytest.raises(KeyboardInterrupt),
        interrupt.telling(lambda: "; outer"),
        interrupt.telling(lambda: "; inner"),
    ):
        raise KeyboardInterrupt
    assert interrupt.stopped() == "; inner"


def test_what_cannot_be_said_is_no_second_error():
    with (
        interrupt.interruptible(),
        pytest.raises(KeyboardInterrupt),
        interrupt.telling(lambda: str(1 / 0)),
    ):
        raise KeyboardInterrupt
    assert interrupt.stopped() == interrupt.AGAIN


def ended(code, number, after=0.0):
    """What a program that says that it is ready ends with, and says, when it gets a signal."""
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout.readline() == "ready\n"
    time.sleep(after)
    program.send_signal(number)
    _, said = program.communicate(timeout=20)
    return program.returncode, said


def test_a_process_that_does_not_end_is_ended():
    """A long call that never comes back to Python's loop: it is ended after the grace."""
    code = (
        "import time, ctypes\n"
        "from persongen_bench.util import interrupt\n"
        "interrupt.GRACE = 0.5\n"
        "with interrupt.interruptible(), interrupt.telling(lambda: '; there'):\n"
        "    print('ready', flush=True)\n"
        "    while True:\n"
        "        try:\n"
        "            time.sleep(30)\n"
        "        except KeyboardInterrupt:\n"
        "            pass\n"
    )
    assert ended(code, signal.SIGINT, after=0.5) == (130, "error: interrupted; there\n")


def test_a_worker_that_is_ended_while_it_cleans_up_says_nothing():
    """The signal comes inside a destructor, whose exceptions Python can only print."""
    code = (
        "import time\n"
        "from persongen_bench.util import interrupt\n"
        "leave = interrupt.leave\n"
        "interrupt.leave = lambda: (time.sleep(1), leave())\n"  # until what is told is told
        "class Fails:\n"
        "    def __del__(self):\n"
        "        raise ZeroDivisionError\n"
        "class Slow:\n"
        "    def __del__(self):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(30)\n"
        "interrupt.end_when_told()\n"
        "Fails()\n"
        "Slow()\n"
        "time.sleep(30)\n"
    )
    status, said = ended(code, signal.SIGTERM)
    assert status == interrupt.STATUS
    assert said.count("Exception ignored in") == said.count("ZeroDivisionError") == 1
