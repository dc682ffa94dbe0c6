"""`python ...` without its imports: forked from a process that has made them.

For what a command does, where that it starts an interpreter is not the point. A fork is a process
as any other, with its own arguments, folder, environment, standard output and error. The servers
of its cells and the workers of its contracts are forked from warm processes too.
"""

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

import warm_server
import warm_worker

LIBRARIES = (
    *warm_worker.LIBRARIES, "pytest", "persongen_bench.api.executing", "persongen_bench.cli.app",
    "persongen_bench.cli.plugins", "persongen_bench.leaderboards.ranking",
    "persongen_bench.loop.wall.server", "persongen_bench.testing.check",
)  # fmt: skip
SECONDS = 600
"""That a command may take."""


class WarmPython:
    """An interpreter that has imported the benchmark, with these variables and search path."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__)], env=dict(environment),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(
        self, *command: str, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """``python -m MODULE ...``, ``python -c CODE ...`` or ``python FILE ...`` to its end."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            order = [command, str(cwd), dict(env), str(out), str(err)]
            print(json.dumps(order), file=self.process.stdin, flush=True)
            status = int(self.process.stdout.readline())
            said = out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
        return subprocess.CompletedProcess(command, status, *said)

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def _do(command: list[str], cwd: str, environment: dict[str, str], *printed: str) -> int:
    """What an interpreter would do; the status that it would end with."""
    signal.alarm(SECONDS)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for handle, place in zip((0, 1, 2), (os.devnull, *printed), strict=True):
        opened = os.open(place, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, handle)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    how, *rest = command
    sys.path[0] = cwd if how in ("-m", "-c") else str(Path(how).parent)
    try:
        if how == "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif how == "-c":
            sys.argv = [how, *rest[1:]]
            exec(rest[0], {"__name__": "__main__"})
        else:
            sys.argv = command
            runpy.run_path(how, run_name="__main__")
    except SystemExit as stop:
        if isinstance(stop.code, str):
            sys.stderr.write(f"{stop.code}\n")
            return 1
        return stop.code or 0
    except BaseException:  # noqa: BLE001  # as an interpreter ends
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Fork for each line that comes, until the other side closes."""
    for name in LIBRARIES:
        importlib.import_module(name)
    from persongen_bench.loop.wall import launch
    from persongen_bench.testing import base

    sys.modules["torch"].set_num_threads(1)  # no pool of threads that a fork would lose
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    servers = launch.subprocess = warm_server.Warm()
    workers = base.subprocess = warm_worker.Forked()
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = _do(*json.loads(line))
                sys.stdout.flush()
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=wire, flush=True)
    workers.close()
    servers.close()


if __name__ == "__main__":
    main()
