"""`pgbench selftest`: every control, one line each."""

from __future__ import annotations

from importlib import import_module

from rich.console import Console
from rich.markup import escape

from persongen_bench.instruments.controls.base import ControlOptions, ControlResult

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
}
"""Control to module; each has ``run(options) -> ControlResult``."""


def run_one(control: str, options: ControlOptions) -> ControlResult:
    """Run the control called ``control``."""
    module = import_module(f"persongen_bench.instruments.controls.{CONTROLS[control]}")
    result: ControlResult = module.run(options)
    return result


def run_all(seed: int, *, quick: bool) -> bool:
    """Run and print all controls; False where one fails."""
    console = Console(highlight=False)
    results = []
    for control in CONTROLS:
        with console.status(f"{control} ..."):
            results.append(run_one(control, ControlOptions(seed=seed, quick=quick)))
        _print(console, results[-1])
    failed = [result.control for result in results if not result.passed]
    console.print(f"{len(results) - len(failed)} of {len(results)} controls pass")
    return not failed


def _print(console: Console, result: ControlResult) -> None:
    mark = "[green]pass[/green]" if result.passed else "[red]FAIL[/red]"
    console.print(f"{result.control:<4} {mark}  {escape(result.title)}")
    console.print(f"           measured: {escape(result.measured)}")
    console.print(f"           expected: {escape(result.expected)}")
