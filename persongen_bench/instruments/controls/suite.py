"""`pgbench selftest`: every control, one line each."""

from __future__ import annotations

from importlib import import_module

from rich.console import Console
from rich.text import Text

from persongen_bench.core.plain import plain
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.util.printed import console

CONTROLS = {
    "C1": "c01_copy_history",
    "C2": "c02_wrong_user",
    "C3": "c03_random_style",
    "C4": "c04_population_best",
    "C5": "c05_oracle",
    "C6": "c06_metric_hacker",
    "C7": "c07_no_taste_verifier",
    "C8": "c08_planted_leaks",
    "C9": "c09_seed_twins",
    "C10": "c10_truncated_n",
    "C11": "c11_power",
    "C12": "c12_kill_resume",
    "C13": "c13_lenient_quality",
    "C14": "c14_cheats",
}
"""Control to module; each has ``run(options) -> ControlResult``."""


def run_one(control: str, options: ControlOptions) -> ControlResult:
    """Run the control called ``control``."""
    module = import_module(f"persongen_bench.instruments.controls.{CONTROLS[control]}")
    result: ControlResult = module.run(options)
    return result


def run_all(seed: int, *, quick: bool) -> bool:
    """Run and print all controls; False where one fails."""
    screen = console()
    results = []
    for control in CONTROLS:
        with screen.status(f"{control} ..."):
            results.append(run_one(control, ControlOptions(seed=seed, quick=quick)))
        _print(screen, results[-1])
    failed = [result.control for result in results if not result.passed]
    screen.print(f"{len(results) - len(failed)} of {len(results)} controls pass")
    return not failed


def _print(screen: Console, result: ControlResult) -> None:
    mark = ("pass", "green") if result.passed else ("FAIL", "red")
    screen.print(Text.assemble(f"{result.control:<4} ", mark, f"  {plain(result.title)}"))
    screen.print(f"           measured: {plain(result.measured)}")
    screen.print(f"           expected: {plain(result.expected)}")
