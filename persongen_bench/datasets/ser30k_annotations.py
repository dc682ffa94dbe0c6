"""The annotation files of SER30K, as published: one object with a list of stickers.

Every complaint is one line that names the file, the entry as it is counted from 1, what it holds,
what was expected and how to put it right. Nothing is read in part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular

ANNOTATIONS = "Annotations"
PARTS = ("train.json", "val.json", "test.json")
"""Parts for recognising emotions, which are put together again."""
FOLDERS = ("Annotations/image-level", "Annotations")
"""Where they may lie, as published and as the published README has it."""
WHOLE = "Annotations/all_annos.json"
"""All of them in one file, where the parts are not there."""
EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""Names of the labels 1 to 7 where the files have no ``categories``: their order is our reading,
by the alphabet."""
MOST_BYTES = 1 << 28
"""Of a JSON file; the published ones have 10 MB together."""
LONGEST_NAME, LONGEST_TEXT = 500, 10_000
"""Characters of a name, and of a text."""
_FIX = "Take the published file."


@dataclass(frozen=True)
class Sticker:
    """One entry."""

    theme: str
    file: str
    label: int
    """1 to 7."""
    text: str
    """What is written on it, empty where nothing is."""

    @property
    def item_id(self) -> str:
        """``theme/file``."""
        return f"{self.theme}/{self.file}"


@dataclass(frozen=True)
class Annotations:
    """All stickers, sorted by theme and file."""

    stickers: tuple[Sticker, ...]
    emotions: tuple[str, ...]
    """Names of the labels 1 to 7."""
    named: bool
    """Whether the files say these names."""
    n_repeated: int
    """Entries that say again what another one says."""


def read_annotations(root: Path) -> Annotations:
    """Read the parts, or the whole; `DataError` for whatever is not as published."""
    stickers: dict[str, tuple[Sticker, str]] = {}
    emotions: tuple[str, ...] | None = None
    n_repeated = 0
    for path in _files(root):
        said = _object(path)
        emotions = _emotions(path, said) or emotions
        for number, entry in enumerate(said["annotations"], start=1):
            sticker, where = _sticker(f"{path} entry {number}", entry), f"{path.name} {number}"
            before, first = stickers.setdefault(sticker.item_id, (sticker, where))
            if before != sticker:
                raise DataError(
                    f"{path} entry {number}: sticker {sticker.item_id[:80]!r} says otherwise than "
                    f"in {first}, expected one annotation of a sticker",
                    fix="Keep one of the two.",
                )
            n_repeated += first != where
    ordered = sorted((one for one, _ in stickers.values()), key=lambda s: (s.theme, s.file))
    return Annotations(tuple(ordered), emotions or EMOTIONS, emotions is not None, n_repeated)


def natural_order(name: str) -> tuple[tuple[str, int], ...]:
    """Sorts ``sticker_2`` before ``sticker_10``."""
    parts = re.split(r"([0-9]{1,18})", name)
    return tuple(("", int(p)) if p.isdecimal() and p.isascii() else (p, 0) for p in parts)


def _files(root: Path) -> list[Path]:
    for folder in FOLDERS:
        paths = [root / folder / name for name in PARTS]
        there = [path for path in paths if path.is_file()]
        if len(there) == len(paths):
            return paths
        if there:
            lost = next(path for path in paths if path not in there)
            raise DataError(f"{lost}: no such file, but {there[0].name} is there", fix=_FIX)
    if (root / WHOLE).is_file():
        return [root / WHOLE]
    raise DataError(
        f"{root}: no {FOLDERS[0]}/{PARTS[0]}, {FOLDERS[1]}/{PARTS[0]} or {WHOLE}", fix=_FIX
    )


def _object(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(read_regular(path, "JSON", MOST_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start + 1:,} is not UTF-8", fix="Save the file as UTF-8."
        ) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} row {error.lineno}: not JSON ({error.msg} at column {error.colno})", fix=_FIX
        ) from None
    except RecursionError:
        raise DataError(f"{path}: not JSON of annotations (nested too deep)", fix=_FIX) from None
    except ValueError as error:  # an integer of thousands of digits
        raise DataError(f"{path}: not JSON of annotations ({error})", fix=_FIX) from None
    if not isinstance(said, dict) or not isinstance(said.get("annotations"), list):
        kind = f"an object of {_keys(said)}" if isinstance(said, dict) else _kind(said)
        raise DataError(f"{path}: {kind}, expected an object with a list 'annotations'", fix=_FIX)
    if not said["annotations"]:
        raise DataError(f"{path}: the list 'annotations' is empty, expected stickers", fix=_FIX)
    return said


def _emotions(path: Path, said: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the labels, by ``{name: label}``, ``{label: name}`` or ``[{id, name}]``."""
    categories = said.get("categories")
    if categories is None:
        return None
    names = dict(_labelled(categories))
    if sorted(names) != [str(label) for label in range(1, len(EMOTIONS) + 1)]:
        raise DataError(
            f"{path}: categories are {json.dumps(categories)[:120]}, expected names of the labels "
            f"1 to {len(EMOTIONS)}",
            fix="Take the published file, or remove its categories.",
        )
    return tuple(names[label].strip().casefold() for label in sorted(names))


def _labelled(categories: object) -> Iterator[tuple[str, str]]:
    pairs: list[tuple[object, object]] = []
    if isinstance(categories, dict):
        pairs = list(categories.items())
    elif isinstance(categories, list):
        pairs = [(c.get("id"), c.get("name")) for c in categories if isinstance(c, dict)]
    for left, right in pairs:
        label, name = (left, right) if str(left).isdecimal() else (right, left)
        if isinstance(name, str) and name.strip():
            yield str(label), name


def _sticker(where: str, entry: object) -> Sticker:
    if not isinstance(entry, dict):
        raise DataError(f"{where}: {_kind(entry)}, expected an object", fix=_FIX)
    theme, file = (_name(where, entry, key) for key in ("topic", "file_name"))
    label = _field(where, entry, "anno")
    if isinstance(label, bool) or label not in range(1, len(EMOTIONS) + 1):
        raise DataError(
            f"{where}: anno is {_shown(label)}, expected 1 to {len(EMOTIONS)}", fix=_FIX
        )
    text = _field(where, entry, "text")
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise DataError(
            f"{where}: text is {_shown(text)}, expected what is written on it, or ''", fix=_FIX
        )
    return Sticker(theme, file, int(label), " ".join(text.split()))


def _name(where: str, entry: Mapping[str, Any], key: str) -> str:
    name = _field(where, entry, key)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or name != name.strip():
        raise DataError(f"{where}: {key} is {_shown(name)}, expected a name", fix=_FIX)
    if re.search(r"[/\\\0]|^\.\.?$", name):
        raise DataError(
            f"{where}: {key} is {_shown(name)}, expected a plain name without a path", fix=_FIX
        )
    return name


def _field(where: str, entry: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401  # what the file says
    if key not in entry:
        raise DataError(f"{where}: no {key!r}, found {_keys(entry)}", fix=_FIX)
    return entry[key]


def _keys(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{key[:40]!r}" for key in list(entry)[:20]) or "nothing"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _kind(value: object) -> str:
    kinds = {list: "a list", dict: "an object", str: "text", type(None): "null", bool: "a boolean"}
    return kinds.get(type(value), "a number")
