"""Workers of contracts, forked from one process that has imported torch and knows no test.

`Contract.elsewhere` starts an interpreter for each job, most of whose time goes into imports. Here
a process of its own, started once, imports them and forks for each job: another process, with
another hash seed, that has seen nothing of the one that asks.
"""

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace

LIBRARIES = (
    "peft", "scipy.optimize", "scipy.stats", "persongen_bench.stacks.diffusion.adapters",
    "persongen_bench.stacks.diffusion.load", "persongen_bench.stacks.diffusion.pipeline",
    "persongen_bench.stacks.sandbox.assembly", "persongen_bench.stacks.sandbox.llm",
)  # fmt: skip
"""What stacks and methods import; four seconds of every job that opens a diffusion stack."""


class Warm:
    """Stands in for the module `subprocess` where a contract starts its worker."""

    def __init__(self) -> None:
        process = subprocess.Popen(
            [sys.executable, Path(__file__)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.orders, self.answers, self.wait = process.stdin, process.stdout, process.wait

    def run(self, command, *, input, timeout, **_):  # noqa: A002
        """Do one order; what `subprocess.run` would return."""
        assert command[1:] == ["-m", "persongen_bench.testing.worker"]
        place = {"cwd": str(Path.cwd()), "environment": dict(os.environ), "seconds": timeout}
        print(json.dumps([input, place]), file=self.orders, flush=True)
        return SimpleNamespace(**json.loads(self.answers.readline()))

    def close(self) -> None:
        """End the process."""
        self.orders.close()
        self.wait()
        self.answers.close()


class Forked(Warm):
    """The same from a process that has imported all that and knows no test either."""

    def __init__(self) -> None:
        (theirs, orders), (answers, to_us) = os.pipe(), os.pipe()
        process = os.fork()
        if process == 0:
            os.dup2(theirs, 0)
            os.dup2(to_us, 1)
            for handle in (theirs, orders, answers, to_us):
                os.close(handle)
            sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
            main()
            os._exit(0)
        os.close(theirs)
        os.close(to_us)
        self.orders = os.fdopen(orders, "w", encoding="utf-8")
        self.answers = os.fdopen(answers, encoding="utf-8")
        self.wait = lambda: os.waitpid(process, 0)


def _answer(order: str, place: dict) -> dict:
    from persongen_bench.testing import worker

    signal.alarm(place["seconds"])  # a worker that hangs dies
    os.chdir(place["cwd"])
    os.environ.clear()
    os.environ.update(place["environment"])
    said, complaint, status = io.StringIO(), "", 0
    sys.stdin = io.StringIO(order)
    with contextlib.redirect_stdout(said):
        try:
            worker.main()
        except BaseException:  # noqa: BLE001  # as an interpreter ends
            complaint, status = traceback.format_exc(), 1
    return {"returncode": status, "stdout": said.getvalue(), "stderr": complaint}


def main() -> None:
    """Fork for each line that comes, until the other side closes."""
    import torch

    import persongen_bench.testing.worker  # noqa: F401

    for name in LIBRARIES:
        importlib.import_module(name)
    torch.set_num_threads(1)  # no pool of threads that a fork would lose
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            print(json.dumps(_answer(*json.loads(line))), file=wire, flush=True)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
            died = {"returncode": 1, "stdout": "", "stderr": "the worker died"}
            print(json.dumps(died), file=wire, flush=True)


if __name__ == "__main__":
    main()
