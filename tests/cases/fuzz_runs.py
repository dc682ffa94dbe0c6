"""Damaged run directories: every file of one, cut, exchanged, or saying what cannot be."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from fuzz_case import Case, command
from fuzz_inputs import STRANGERS, damages, special, write

from persongen_bench.api.runs import Run

JSONS = ("run.json", "summary.json", "cost.json", "provenance.json")
TABLES = ("scores.parquet", "samples.parquet")
READ = ("run.json", "summary.json", "cost.json", *TABLES)
"""Files without which a run says nothing."""
HUGE = "9" * 5_000


def read(folder: Path, _: Any) -> None:
    """Reads everything of a run, as Python does."""
    run = Run.open(folder)
    assert len(run.to_frame()) == len(run.summary.metrics)
    assert len(run.scores) >= 0
    assert run.samples["user_id"].notna().all()
    assert run.label
    assert repr(run)
    assert isinstance(run.cost, dict)
    assert all(len(answers) for answers in run.outputs.values())
    assert run.images is not None


def show(folder: Path, _: Any) -> int:
    """Prints it."""
    return command("show", "run", folder)


def score(folder: Path, data: Any) -> int:
    """Scores it again."""
    return command("score", folder, "--data", data)


def resume(folder: Path, data: Any) -> int:
    """Goes on with it."""
    return command("resume", folder, "--data", data)


def copied(run: Path, *makes: Callable[[Path], Any], data: Path | None = None) -> Any:
    """A copy of a good run, then what spoils it."""

    def make(folder: Path) -> Path | None:
        shutil.copytree(run, folder, dirs_exist_ok=True)
        for spoil in makes:
            spoil(folder)
        return data

    return make


def changed(name: str, change: Callable[[Any], Any], folder: Path) -> None:
    """A JSON file after ``change``, which may return a text."""
    said = change(json.loads((folder / name).read_text()))
    (folder / name).write_text(said if isinstance(said, str) else json.dumps(said))


def with_field(field: str, text: str, said: dict[str, Any]) -> str:
    """A document one of whose fields (``a.b``) is a text of JSON."""
    first, _, rest = field.partition(".")
    if rest:
        inner = json.loads(json.dumps(said[first]))
        return with_field(first, with_field(rest, text, inner), said)
    return json.dumps({**said, first: "@"}).replace('"@"', text)


VALUES = ("null", "7", "-1", '"x"', "[]", "{}", "true", "NaN", "1e999", HUGE, '"\\ud800"',
          '"\\u001b[31m\\u202e"', "[" * 5_000 + "]" * 5_000)  # fmt: skip
FIELDS = {
    "run.json": ("schema_version", "dataset.name", "method.label", "method.config", "metrics",
    "seed",
                 "n_images", "output", "board", "track", "stack.name"),
    "summary.json": ("schema_version", "run_id", "n_ok", "states", "metrics", "tests"),
}  # fmt: skip


def files(run: Path) -> list[Case]:
    """Every file of a run, damaged as a whole."""
    cases = []
    for name in (*JSONS, *TABLES, "journal.sqlite", "explanations.jsonl"):
        if not (run / name).exists():
            continue
        data, loose = (run / name).read_bytes(), name not in READ
        for what, content in (damages(data, 4, 3) | STRANGERS).items():
            lenient = (
                loose or what not in STRANGERS or (name == "cost.json" and what == "JSON null")
            )
            cases.append(Case(f"{name}: {what}", copied(run, write(name, content)),
                              may_pass=lenient))  # fmt: skip
        for what, make in special(name).items():
            cases.append(Case(f"{name}: {what}", copied(run, make), may_pass=loose))
        cases.append(Case(f"{name}: gone", copied(run, lambda folder, name=name: (
            folder / name).unlink()), may_pass=loose))  # fmt: skip
    return cases


def fields(run: Path) -> list[Case]:
    """Fields of other types, sizes and characters."""
    return [
        Case(f"{name} {field} {value[:12]!r} {len(value)}",
             copied(run, partial(changed, name, partial(with_field, field, value))), may_pass=True)
        for name, fields_ in FIELDS.items() for field in fields_ for value in VALUES
    ]  # fmt: skip


def _frame(name: str, change: Callable[[pd.DataFrame], pd.DataFrame], folder: Path) -> None:
    change(pd.read_parquet(folder / name)).to_parquet(folder / name)


FRAMES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "no rows": lambda frame: frame.iloc[:0], "a column less": lambda frame: frame.iloc[:, 1:],
    "no columns": lambda frame: frame[[]], "rows twice": lambda frame: pd.concat([frame, frame]),
    "numbers for texts": lambda frame: frame.assign(**{frame.columns[0]: 1}),
    "texts for numbers": lambda frame: frame.assign(value="x", index="x"),
    "nothing": lambda frame: frame.assign(**dict.fromkeys(frame.columns, None)),
}  # fmt: skip


def tables(run: Path) -> list[Case]:
    """Parquet files that hold other tables."""
    return [Case(f"{name}: {what}", copied(run, partial(_frame, name, change)), may_pass=True)
            for name in TABLES for what, change in FRAMES.items()]  # fmt: skip


def _sql(text: str, folder: Path) -> None:
    with sqlite3.connect(folder / "journal.sqlite") as db:
        db.executescript(text)


SQL = {
    "no samples": "DELETE FROM samples;", "no table": "DROP TABLE samples;",
    "all pending": "UPDATE samples SET state='pending';",
    "a state of x": "UPDATE samples SET state='x';",
    "other digests": "UPDATE samples SET digest='0', pixel_hash='0';",
    "facts that are no JSON": "UPDATE meta SET value='{';",
    "facts of another type": "UPDATE meta SET value='[]';",
    "another table": "DROP TABLE samples; CREATE TABLE samples (a TEXT);",
}  # fmt: skip


def journals(run: Path, data: Path) -> list[Case]:
    """Journals that are none, and what else stops a run from being scored or resumed."""
    cases = [Case(f"journal: {what}", copied(run, partial(_sql, text), data=data), may_pass=True)
             for what, text in SQL.items()]  # fmt: skip
    for what in ("empty", "noise", "a web page"):
        make = copied(run, write("journal.sqlite", STRANGERS[what]), data=data)
        cases.append(Case(f"journal: {what}", make, may_pass=True))
    for what in ("a folder", "a pipe", "a loop of links"):
        make = copied(run, special("journal.sqlite")[what], data=data)
        cases.append(Case(f"journal: {what}", make))
    for name in ("run.json", "summary.json"):
        for what in ("empty", "UTF-16", "deep brackets", "JSON null"):
            make = copied(run, write(name, STRANGERS[what]), data=data)
            cases.append(Case(f"{name}: {what}", make, may_pass=name == "summary.json"))
    return cases


def shown(run: Path) -> list[Case]:
    """Some of the damages; a run without a summary is shown as one that is not complete."""
    some = [*files(run)[::4], *tables(run)]
    unfinished = (
        "summary.json: gone",
        "summary.json: a lost link",
        "summary.json: a loop of links",
    )
    return [replace(case, may_pass=case.may_pass or case.name in unfinished) for case in some]
