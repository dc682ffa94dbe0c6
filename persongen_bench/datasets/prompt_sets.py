"""Files of prompts: PartiPrompts, the metadata of DiffusionDB, tables and plain text.

- ``.tsv``: PartiPrompts as published: ``Prompt``, ``Category``, ``Challenge``, ``Note``;
- ``.parquet`` or ``.csv``: a column ``prompt``; of DiffusionDB's ``metadata.parquet`` also
  ``prompt_nsfw`` (a probability) and ``user_name`` are read, the other columns (``image_name``,
  ``part_id``, ``seed``, ``step``, ``cfg``, ``sampler``, ``width``, ``height``, ``timestamp``,
  ``image_nsfw``) are not;
- ``.txt``: a prompt a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular
from persongen_bench.datasets import prompt_words
from persongen_bench.datasets.large_tables import LONGEST_TEXT, batches, columns_of
from persongen_bench.datasets.typed_columns import convert

ANYBODY = "anybody"
"""Who wrote a prompt of which nobody says who did."""
MOST_LINES = 64 << 20
"""Bytes of a text file."""
SUFFIXES = (".tsv", ".txt", ".csv", ".parquet")


@dataclass(frozen=True)
class PromptChoice:
    """Which prompts of a file."""

    topic: str = ""
    """Only those with a key word of a topic and no human character: `prompt_words.of_topic`."""
    category: str = ""
    """Only those of a category of PartiPrompts."""
    n: int = 0
    """So many, drawn by ``seed``; 0: all."""
    seed: int = 0
    """Seed of the draw."""
    unsafe: float | None = 0.2
    """Prompts of a higher ``prompt_nsfw`` are left out, and those without one."""
    humans: bool = False
    """Whether prompts about human characters stay where no topic is named."""


def read_prompts(path: Path, unsafe: float | None = 0.2) -> pd.DataFrame:
    """``prompt, category, user_id``: each prompt once, sorted by its normal form.

    Of prompts with one normal form the first in the order of their texts is kept. Raises
    `DataError` with file and row for what is malformed, and where nothing is left.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: not a file of prompts", fix=f"Use {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise DataError(f"{path}: no such file", fix="Name a file of prompts.")
    rows = _of_lines(path) if path.suffix in (".tsv", ".txt") else _of_table(path, unsafe)
    rows = rows.sort_values(["prompt", "user_id"], ignore_index=True)
    rows = rows.drop_duplicates("prompt")
    forms = prompt_words.normal_forms(rows["prompt"])
    kept = rows[~forms.duplicated() & (forms != "")]
    if kept.empty:
        raise DataError(f"{path}: no prompt is left", fix="Add prompts, or allow unsafe ones.")
    return kept.iloc[forms[kept.index].argsort(kind="stable")].reset_index(drop=True)


def choose(prompts: pd.DataFrame, choice: PromptChoice, where: str) -> pd.DataFrame:
    """The chosen rows of `read_prompts`, in its order; `DataError` where there are too few."""
    kept = prompts
    if choice.category:
        kept = kept[(kept["category"] == choice.category).to_numpy()]
        if kept.empty:
            known = ", ".join(sorted(set(prompts["category"]) - {""})) or "none"
            raise DataError(f"{where}: no category {choice.category!r}", fix=f"There are: {known}.")
    if choice.topic:
        kept = kept[prompt_words.of_topic(kept["prompt"], choice.topic)]
    elif not choice.humans:
        kept = kept[~prompt_words.with_humans(kept["prompt"])]
    if len(kept) < max(1, choice.n):
        raise DataError(
            f"{where}: {len(kept):,} of {len(prompts):,} prompts are fit to be drawn, "
            f"{max(1, choice.n):,} were asked for", fix="Lower n, or widen the topic.",
        )  # fmt: skip
    if choice.n:
        kept = kept[prompt_words.drawn(kept["prompt"], choice.n, choice.seed)]
    return kept.reset_index(drop=True)


def _of_lines(path: Path) -> pd.DataFrame:
    try:
        text = read_regular(path, "prompts", MOST_LINES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} row {row}: byte 0x{error.object[error.start]:02x} is not UTF-8",
            fix="Save the file as UTF-8.",
        ) from None
    lines = text.splitlines()
    rows = _of_parti(path, lines) if path.suffix == ".tsv" else [(s.strip(), "") for s in lines]
    for number, (prompt, _) in enumerate(rows, start=1):
        if len(prompt) > LONGEST_TEXT or "\0" in prompt:
            raise DataError(f"{path} row {number}: not a prompt", fix="Write a prompt a line.")
    frame = pd.DataFrame(rows, columns=["prompt", "category"], dtype="str")
    return frame[frame["prompt"] != ""].assign(user_id=ANYBODY)


def _of_parti(path: Path, lines: list[str]) -> list[tuple[str, str]]:
    header = lines[0].split("\t") if lines else []
    if header[:2] != ["Prompt", "Category"]:
        raise DataError(
            f"{path} row 1: found {' '.join(header)[:80]!r}, expected Prompt, Category, "
            "Challenge and Note with tabs between them", fix="Take the published PartiPrompts.tsv.",
        )  # fmt: skip
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if line.strip() and len(cells) != len(header):
            raise DataError(
                f"{path} row {number}: {len(cells)} cells, expected {len(header)}",
                fix="Take the published PartiPrompts.tsv.",
            )
        if line.strip():
            rows.append((cells[0].strip(), cells[1].strip()))
    return rows


def _of_table(path: Path, unsafe: float | None) -> pd.DataFrame:
    present = columns_of(path)
    if "prompt" not in present:
        raise DataError(
            f"{path} row 1: no column 'prompt', found {', '.join(map(repr, present[:20]))}",
            fix="Rename the column of the prompts.",
        )
    wanted = [
        name for name in ("prompt", "prompt_nsfw", "user_name", "category") if name in present
    ]
    parts = []
    for table in batches(path, wanted):
        part = pd.DataFrame({
            "prompt": convert(table, "prompt", "text"), "category": "", "user_id": ANYBODY,
        })  # fmt: skip
        if "user_name" in wanted:
            part["user_id"] = convert(table, "user_name", "text").replace("", ANYBODY)
        if "category" in wanted:
            part["category"] = convert(table, "category", "text")
        if "prompt_nsfw" in wanted and unsafe is not None:
            part = part[(convert(table, "prompt_nsfw", "share") <= unsafe).to_numpy()]
        parts.append(part[part["prompt"] != ""])
    return pd.concat(parts, ignore_index=True)
