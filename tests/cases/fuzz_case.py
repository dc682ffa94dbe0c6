"""Malformed inputs, judged in a process of their own: one line, in bounded time and memory.

A group of cases runs in one forked child. What each case prints goes to a file, so that what
libraries of C write on the terminal counts as well. A child that hangs or dies is replaced, and
the case that it was at is to blame.
"""

import contextlib
import json
import logging
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from persongen_bench.cli import app as cli

SECONDS = 5
"""Of processor time, for one input."""
WAITING = 90
"""Seconds that a child may be silent; a machine may be busy."""
GROWTH = 2 << 30
"""Bytes that one input may add to the memory of the process at its peak."""
LONGEST = 5_000
"""Characters of a complaint."""
ADDRESSES = 6 << 30
"""Bytes of addresses beyond those at the start: a limit that ends what no measure would see."""


@dataclass(frozen=True)
class Case:
    """One malformed input."""

    name: str
    make: Callable[[Path], Any]
    """Writes it into a folder; what it returns is handed to the act."""
    may_pass: bool = False
    """Whether the input may also be read, such as a file with one byte flipped."""


@dataclass(frozen=True)
class Verdict:
    """What became of it."""

    ended: str
    """``refused``, ``accepted``, ``exit N``, or what must not be: ``traceback``, ``hang``,
    ``died``."""
    said: str
    """The complaint, or the traceback."""
    printed: str = ""
    """What was written on the terminal besides."""
    seconds: float = 0.0
    """Of processor time."""
    grown: int = 0
    """Bytes."""


class Hang(BaseException):
    """Raised in a case that takes too long; no handler of errors catches it."""


Act = Callable[[Path, Any], Any]
"""Reads the input: its folder, and what `Case.make` returned."""


def judge(cases: Sequence[Case], act: Act, folder: Path) -> dict[str, Verdict]:
    """The verdict on every case, by name; ``folder`` is empty."""
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases of one name"
    verdicts: dict[str, Verdict] = {}
    while len(verdicts) < len(cases):
        _in_a_child(cases[len(verdicts) :], act, folder, verdicts)
    return verdicts


def blame(case: Case, verdict: Verdict) -> None:
    """Fail the test where the input did what no input may."""
    assert verdict.ended in ("refused", "exit 2", "accepted", "exit 0"), str(verdict)
    assert verdict.seconds < SECONDS, f"{verdict.seconds:.1f} s of processor time: {verdict}"
    assert verdict.grown < GROWTH, f"{verdict.grown / 1e9:.1f} GB: {verdict}"
    assert not verdict.printed, str(verdict)
    if verdict.ended in ("accepted", "exit 0"):
        assert case.may_pass, "accepted"
        return
    assert verdict.said, "refused without a word"
    assert len(verdict.said) < LONGEST, verdict.said
    assert verdict.said.isprintable(), repr(verdict.said)


def blame_all(cases: Sequence[Case], verdicts: dict[str, Verdict]) -> None:
    """Fail the test with the names of all cases that did so."""
    guilty = []
    for case in cases:
        try:
            blame(case, verdicts[case.name])
        except AssertionError as error:
            guilty.append(f"{case.name}: {str(error)[:500]}")
    assert not guilty, "\n".join(guilty)


def command(*arguments: object) -> int:
    """The real program in this process; returns the status that it ends with."""
    before, sys.argv = sys.argv, ["pgbench", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


def _in_a_child(
    cases: Sequence[Case], act: Act, folder: Path, verdicts: dict[str, Verdict]
) -> None:
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside idle threads
        child = os.fork()
    if child == 0:
        os.close(read)
        try:
            _work(cases, act, folder, write)
        finally:
            os._exit(0)
    os.close(write)
    try:
        _listen(read, child, cases, verdicts)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)


def _listen(pipe: int, child: int, cases: Sequence[Case], verdicts: dict[str, Verdict]) -> None:
    waiting, rest = list(cases), b""
    while waiting:
        ready, _, _ = select.select([pipe], [], [], WAITING)
        data = os.read(pipe, 1 << 20) if ready else b""
        if not data:
            how = "died" if ready else "hang"
            verdicts[waiting[0].name] = Verdict(how, f"the process {how}")
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            verdicts[waiting.pop(0).name] = Verdict(**json.loads(line))


def _work(cases: Sequence[Case], act: Act, folder: Path, pipe: int) -> None:
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    limit = (_pages()[0] + ADDRESSES, unlimited[1])
    screen = folder.parent / f"{folder.name}.screen"
    handle = os.open(screen, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    logging.getLogger("persongen_bench").setLevel(logging.ERROR)  # notices are no complaints
    for timer in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(timer, _hang)
    for case in cases:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            given = case.make(folder)
        except Exception:  # noqa: BLE001  # told by the verdict
            verdict = Verdict("no case", traceback.format_exc()[-3000:])
        else:
            resource.setrlimit(resource.RLIMIT_AS, limit)
            verdict = _one(act, folder, given, handle)
            resource.setrlimit(resource.RLIMIT_AS, unlimited)
        os.write(pipe, json.dumps(asdict(verdict)).encode() + b"\n")


def _one(act: Act, folder: Path, given: Any, screen: int) -> Verdict:
    os.ftruncate(screen, 0)
    os.lseek(screen, 0, os.SEEK_SET)
    _forget_peak()
    before, started = _pages()[1], time.process_time()
    signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITING / 2)
    try:
        answer = act(folder, given)
        ended, said = (
            ("accepted", "")
            if answer is None or not isinstance(answer, int)
            else (f"exit {answer}", "")
        )
    except Hang:
        ended, said = "hang", "".join(traceback.format_exc()[-2000:])
    except Exception as error:  # noqa: BLE001  # told by the verdict
        message = cli.message_of(error)
        ended, said = (
            ("refused", message)
            if message is not None
            else ("traceback", traceback.format_exc()[-3000:])
        )
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.process_time() - started
    sys.stdout.flush()
    sys.stderr.flush()
    os.lseek(screen, 0, os.SEEK_SET)
    printed = os.read(screen, 1 << 16).decode(errors="replace")
    if ended.startswith("exit") and printed.startswith("error: ") and printed.count("\n") == 1:
        said, printed = printed.removeprefix("error: ").rstrip("\n"), ""
    if ended == "exit 0":
        printed = ""
    return Verdict(ended, said, printed, seconds, max(0, _peak() - before))


def _hang(number: int, frame: Any) -> None:
    raise Hang(number)


def _pages() -> tuple[int, int]:
    """Bytes of addresses and of memory of this process; 0 where the system does not say."""
    try:
        size, resident, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 1 << 40, 0
    return int(size) * resource.getpagesize(), int(resident) * resource.getpagesize()


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Bytes that this process held at most since `_forget_peak`."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)
