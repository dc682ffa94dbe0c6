"""Reads a run directory's JSON files, those of older versions too, and writes them.

`SCHEMA_VERSION` rises whenever a file changes shape. A file of an older version is migrated when
it is read (see `MIGRATIONS`); one from the future is refused with what to do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError, RunError
from persongen_bench.core.plain import escaped
from persongen_bench.core.regular_files import read_regular
from persongen_bench.util.said import shown

SCHEMA_VERSION = 5
MOST_BYTES = 1 << 26
"""Of a JSON file of a run."""
DEEPEST = 64
"""Levels of a JSON file of a run."""
LONGEST_TEXT = 1 << 16
"""Characters of one text in it."""
LARGEST_BITS = 512
"""Of one integer in it, which floats still reach."""


def written(document: Config) -> bytes:
    """A document as it is written: UTF-8 in which nothing invisible stands but as an escape."""
    return escaped(document.model_dump_json(indent=1)).encode()


def _units(document: dict[str, Any]) -> dict[str, Any]:
    """Version 2 counts units, which were always users, and knows kinds of output."""
    metrics = document.get("metrics")
    if isinstance(metrics, dict):
        metrics = {name: _of_units(number) for name, number in metrics.items()}
    renamed = {} if metrics is None else {"metrics": metrics}
    return {**document, **renamed, "schema_version": 2}


def _of_units(number: Any) -> Any:  # noqa: ANN401  # whatever the file holds
    if not isinstance(number, dict):
        return number
    return {("n_units" if key == "n_users" else key): value for key, value in number.items()}


def _private(document: dict[str, Any]) -> dict[str, Any]:
    """Version 3 keeps the place of the data out of the file, knows pseudonyms, and has notes."""
    return {**document, "schema_version": 3}


def _lora(document: dict[str, Any]) -> dict[str, Any]:
    """Version 4 knows a LoRA in the decoder, which no older run has."""
    return {**document, "schema_version": 4}


def _nulls(document: dict[str, Any]) -> dict[str, Any]:
    """Version 5 keeps the null of a permutation test and the budget of a search.

    An older test was one of the first taste instrument among the metrics, and kept neither.
    """
    return {**document, "schema_version": 5}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: _units, 2: _private, 3: _lora, 4: _nulls,
}  # fmt: skip
"""``MIGRATIONS[v]`` turns a document of version v into one of version v + 1."""

M = TypeVar("M", bound=Config)


def parse(model: type[M], document: dict[str, Any], where: Path) -> M:
    """Migrate and validate a document; errors name the file, the field and the fix."""
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise RunError(f"{where}: no schema_version, expected {SCHEMA_VERSION}")
    if version > SCHEMA_VERSION:
        raise RunError(
            f"{where}: schema version {version} is newer than this program's {SCHEMA_VERSION}",
            fix="Upgrade persongen-bench to read it.",
        )
    if version not in (*MIGRATIONS, SCHEMA_VERSION):
        raise RunError(
            f"{where}: there is no schema version {version}", fix="Restore the file or run again."
        )
    try:
        return model.model_validate(_migrated(document))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RunError(
            f"{where}: field {shown(field)}: {first['msg']}", fix="Restore the file or run again."
        ) from None


def _migrated(document: dict[str, Any]) -> dict[str, Any]:
    while document["schema_version"] < SCHEMA_VERSION:
        document = MIGRATIONS[document["schema_version"]](document)
    return document


def read(model: type[M], path: Path) -> M:
    """Read one JSON file as ``model``."""
    return parse(model, read_object(path), path)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a regular file.

    Raises `RunError` for a file of another kind, one of more than `MOST_BYTES`, and one that is
    deeper than `DEEPEST` or holds a text longer than `LONGEST_TEXT` or not UTF-8, or a number that
    is none.
    """
    try:
        data = read_regular(path, "JSON", MOST_BYTES)
    except DataError as error:
        raise RunError(str(error), fix="Is this a run directory? Restore it.") from None
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_no_number)
        _require_plain(document)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: not valid JSON ({error})", fix="Run again.") from None
    if not isinstance(document, dict):
        raise RunError(f"{path}: expected a JSON object")
    return document


def _no_number(said: str) -> float:
    raise ValueError(f"{said} is no number")


def _require_plain(document: object) -> None:
    """Raise `ValueError` for what a run never writes, and what printing it would stumble over."""
    level: list[object] = [document]
    for _ in range(DEEPEST):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value, *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str):
                _require_text(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError("a number is beyond every bound")
            elif isinstance(value, int) and value.bit_length() > LARGEST_BITS:
                raise ValueError(f"an integer of {value.bit_length():,} bits")
        level = below
        if not level:
            return
    raise ValueError(f"it is deeper than {DEEPEST} levels")


def _require_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a text of {len(text):,} characters, {shown(text)}")
    text.encode("utf-8")  # UnicodeEncodeError, a ValueError, for half of a character
