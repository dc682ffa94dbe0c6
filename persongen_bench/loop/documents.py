"""Reads a run directory's JSON files, those of older versions too.

`SCHEMA_VERSION` rises whenever a file changes shape. A file of an older version is migrated when
it is read (see `MIGRATIONS`); one from the future is refused with what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import RunError

SCHEMA_VERSION = 5


def _units(document: dict[str, Any]) -> dict[str, Any]:
    """Version 2 counts units, which were always users, and knows kinds of output."""
    metrics = (
        {
            name: {("n_units" if key == "n_users" else key): value for key, value in number.items()}
            for name, number in document.get("metrics", {}).items()
        }
        if isinstance(document.get("metrics"), dict)
        else document.get("metrics")
    )
    renamed = {} if metrics is None else {"metrics": metrics}
    return {**document, **renamed, "schema_version": 2}


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
    if not isinstance(version, int):
        raise RunError(f"{where}: no schema_version, expected {SCHEMA_VERSION}")
    if version > SCHEMA_VERSION:
        raise RunError(
            f"{where}: schema version {version} is newer than this program's {SCHEMA_VERSION}",
            fix="Upgrade persongen-bench to read it.",
        )
    while document["schema_version"] < SCHEMA_VERSION:
        document = MIGRATIONS[document["schema_version"]](document)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RunError(
            f"{where}: field {field!r}: {first['msg']}", fix="Restore the file or run again."
        ) from None


def read(model: type[M], path: Path) -> M:
    """Read one JSON file as ``model``."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file", fix="Is this a run directory?") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path}: not valid JSON ({error})", fix="Run again.") from None
    if not isinstance(document, dict):
        raise RunError(f"{path}: expected a JSON object")
    return parse(model, document, path)
