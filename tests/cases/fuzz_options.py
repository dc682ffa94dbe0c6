"""Malformed options of the command line: types, ranges, names, nesting, characters."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from fuzz_case import Case, command
from fuzz_inputs import special, write
from fuzz_tables import catalogue

HUGE = "9" * 5_000
VALUES = ("", " ", "x", "-1", "1.5", "nan", "NaN", "Infinity", "1e999", HUGE, "null", "true", "[]",
          "{}", "[1]", '{"a": {"b": [1]}}', "[" * 50_000, '{"a": 1, "a": 2}', '"\\ud800"',
          "\x1b[31m", "\u202e1", "\udcff", "x" * 100_000, "0x10", "1_000", "\u0661")  # fmt: skip
NAMES = ("", " ", "x" * 100_000, "\x1b[31mx", "\u202ex", "\udcff", "../x", "/etc/passwd", "%s{}",
         "a/b/c", "*", "None", "folder ", "FOLDER", "\u200b", "--", "-")  # fmt: skip
NUMBERS = ("", "-1", "1.5", "x", "nan", "1e3", HUGE, str(2**63), "true", "\u0661", "0x1")


def run(folder: Path, said: Any) -> int:
    """Runs a method on a good folder with what is said."""
    os.chdir(folder)
    given = ["run", "--no-beside", "--runs", folder / "runs"]
    if "-d" not in said:
        given += ["-d", "folder", "--data", folder]
    if "-m" not in said and "--chosen" not in said:
        given += ["-m", "population-best"]
    return command(*given, *said)


def _said(*words: str) -> Any:
    def make(folder: Path) -> tuple[str, ...]:
        catalogue(folder)
        return words

    return make


def _named(words: tuple[str, ...], value: str) -> Case:
    """One value after its option; a name shows both."""
    return Case(f"{' '.join(words)} {value[:16]!r} {len(value)}", _said(*_with(words, value)))


def _with(words: tuple[str, ...], value: str) -> list[str]:
    *rest, last = words
    return [*rest, last + value] if last.endswith("=") else [*words, value]


RIGHT: dict[tuple[str, str], tuple[str, ...]] = {
    ("-o", "n_best="): ("true", "1_000"),
    ("--data-option", "like_threshold="): ("null", "-1", "1.5"),
    ("--data-option", "verify="): ("true", "null"),
    ("--data-option", "seed="): ("true", "1_000"),
    ("--data-option", "test_fraction="): (),
}
"""Option => values of `VALUES` that it may take."""
SAID = (
    ("-o", "n_best"), ("-o", "=1"), ("-o", "n_best=1", "-o", "n_best=2"), ("-o", "n_best.x=1"),
    ("-o", f"{'x' * 100_000}=1"), ("-o", "\x1b[31m=1"), ("-o", "__class__=1"), ("-o", "=" * 50),
    ("--sweep", "n_best"), ("--sweep", "n_best="),
    ("--sweep", "n_best=" + ",".join(map(str, range(1, 3_000)))),
    ("--data-option", "colour=red"), ("--data-option", "feedback=maybe"), ("--no-such-option",),
    ("--data-option", "repeats=[]"), ("--data-option", "negatives=all"), ("--seed",),
    ("--data-option", "pseudo_users=10"), ("--data-option", "feedback=implicit", "--split", "x"),
    ("run",), ("--metric", "all,x"),
    ("--chosen", "nowhere.json"), ("--chosen", "."), ("--data", "nowhere"), ("--data", "items.csv"),
    ("--runs", "items.csv"), ("--runs", "/dev/null/x"), ("--lora",
    "nowhere"),
    ("--lora", "items.csv"), ("--lora", "."), ("-m", "oracle,rebeca"),
)  # fmt: skip


def options() -> list[Case]:
    """Values of options, names, numbers, and what is no option."""
    cases = [
        _named(words, value) for words, allowed in RIGHT.items() for value in VALUES
        if value not in allowed
    ]  # fmt: skip
    for option in ("-m", "-d", "--track", "--board", "--stack", "--split", "--preset", "--metric",
                   "--permute"):  # fmt: skip
        cases += [_named((option,), name) for name in NAMES]
    for option in ("--seed", "--split-seed", "--n-images", "--jobs", "--workers", "--threads",
                   "--batch-size", "--permute-images"):  # fmt: skip
        cases += [_named((option,), number) for number in NUMBERS]
    cases += [Case(" ".join(words)[:60], _said(*words)) for words in SAID]
    return cases


def _chosen(data: bytes, folder: Path) -> tuple[str, ...]:
    catalogue(folder)
    write("chosen.json", data)(folder)
    return ("--chosen", "chosen.json")


def files(strangers: dict[str, bytes]) -> list[Case]:
    """Files that options name."""
    cases = [Case(f"chosen: {what}", partial(_chosen, data)) for what, data in strangers.items()]

    def made(make: Any, folder: Path) -> tuple[str, ...]:
        catalogue(folder)
        make(folder)
        return ("--chosen", "chosen.json")

    return cases + [Case(f"chosen: {what}", partial(made, make))
                    for what, make in special("chosen.json").items()]  # fmt: skip
