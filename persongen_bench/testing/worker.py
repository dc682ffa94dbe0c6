"""Runs one job of a contract in a process of its own: ``python -m persongen_bench.testing.worker``.

Reads a JSON order from standard input and prints the job's JSON result as its last line.
"""

from __future__ import annotations

import json
import sys

from persongen_bench.testing.base import rebuild


def main() -> None:
    """Read the order, do the job, print the result."""
    order = json.load(sys.stdin)
    sys.argv[:] = ["pgbench"]
    sys.path[:] = list(dict.fromkeys([*order["path"], *sys.path]))
    if order["threads"] is not None:
        _set_threads(order["threads"])
    contract = rebuild(order["contract"])
    result = getattr(contract, order["job"])(**order["arguments"])
    sys.stdout.write("\n" + json.dumps(result) + "\n")


def _set_threads(n: int) -> None:
    """As many numerical threads as the process that asked: they may move the last bit."""
    import torch

    torch.set_num_threads(n)


if __name__ == "__main__":
    main()
