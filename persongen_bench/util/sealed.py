"""Entries of the cache with checksums: a bad one is noticed, said in a line, and made again.

Beside a file lies its sha256 (``NAME.sha256``), in a folder one of every file (`SUMS`). An entry of
before there were checksums is read as it was then, and gets one. An entry is written before its
checksum: a kill between the two leaves one without, or one that is made again. What must survive a
kill while it is replaced carries its checksum in itself (`framed`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from safetensors import SafetensorError, safe_open

from persongen_bench.util.cache_places import disk_errors, make_folder
from persongen_bench.util.files import file_sha256, folder_atomic, sweep, write_atomic

SUMS, SUFFIX = "checksums.json", ".sha256"
_MAGIC = b"pgbench\x01"

T = TypeVar("T")


def notice(line: str) -> None:
    """One line to the user: on standard error, unless the program logs otherwise."""
    logging.getLogger("persongen_bench").warning(line)


def said_bad(place: Path, reason: str = "it is not what was written") -> None:
    """Notice that an entry is bad and is made again."""
    notice(f"{place}: damaged ({reason}); it is made again")


# --- files ------------------------------------------------------------------------------------


def _sum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{SUFFIX}")


def write_sealed(path: Path, data: bytes) -> None:
    """Write an entry, then its checksum."""
    write_atomic(path, data)
    _seal(path, data)


def seal(path: Path) -> None:
    """Give an entry that something else has written its checksum."""
    _seal(path, path.read_bytes())


def _seal(path: Path, data: bytes) -> None:
    write_atomic(_sum_of(path), hashlib.sha256(data).hexdigest().encode())


def sound_bytes(path: Path) -> bytes | None:
    """All bytes of an entry that nothing can make again; None where they are not what they were.

    One of before there were checksums gets its own.
    """
    data, known = path.read_bytes(), _known_sum(path)
    if known is None:
        with suppress(OSError):  # a cache that cannot be written
            _seal(path, data)
    return data if known in (None, hashlib.sha256(data).hexdigest()) else None


def read_sealed(path: Path, parse: Callable[[bytes], T]) -> T | None:
    """What ``parse`` makes of an entry; None, after a notice, for a bad one; None for none.

    Args:
        path: of the entry.
        parse: raises `ValueError`, `KeyError`, `TypeError` or `EOFError` for what it cannot read.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    known = _known_sum(path)
    if known is not None and known != hashlib.sha256(data).hexdigest():
        said_bad(path)
        return None
    try:
        parsed = parse(data)
    except (ValueError, KeyError, TypeError, EOFError) as error:
        said_bad(path, " ".join(str(error).split()))
        return None
    if known is None:
        with suppress(OSError):  # a cache that cannot be written
            _seal(path, data)
    return parsed


def _known_sum(path: Path) -> str | None:
    try:
        return _sum_of(path).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None


def kept_file(path: Path, parse: Callable[[bytes], T], make: Callable[[], bytes]) -> T:
    """An entry, made and written where there is none or a bad one; others wait for it."""
    whole = _sum_of(path).exists()
    known = read_sealed(path, parse)
    if known is not None and not whole:
        with suppress(OSError), FileLock(f"{path}.lock"):  # whoever wrote it was killed, or is old
            sweep(path.parent, path.name)
    if known is not None:
        return known
    make_folder(path.parent)
    with FileLock(f"{path}.lock"):
        known = read_sealed(path, parse) if path.exists() else None
        if known is None:
            sweep(path.parent, path.name)
            data = make()
            write_sealed(path, data)
            known = parse(data)
    return known


def framed(data: bytes) -> bytes:
    """Data behind their checksum."""
    return _MAGIC + hashlib.sha256(data).digest() + data


def unframed(data: bytes) -> bytes:
    """What `framed` was given, or data without a checksum; `ValueError` for damaged ones."""
    if not data.startswith(_MAGIC):
        return data
    begin = len(_MAGIC) + hashlib.sha256().digest_size
    if hashlib.sha256(data[begin:]).digest() != data[len(_MAGIC) : begin]:
        raise ValueError("it is not what was written")
    return data[begin:]


# --- folders ----------------------------------------------------------------------------------


@contextmanager
def sealed_folder(path: Path) -> Iterator[Path]:
    """`folder_atomic` with checksums of everything that was put into it."""
    with folder_atomic(path) as fresh, disk_errors():
        yield fresh
        seal_folder(fresh)


def seal_folder(folder: Path) -> None:
    """Write the checksums of all files in a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != SUMS)
    sums = {file.relative_to(folder).as_posix(): file_sha256(file) for file in files}
    write_atomic(folder / SUMS, json.dumps(sums, indent=1).encode())


def sound_folder(folder: Path) -> bool:
    """Whether a folder is there and holds what was sealed; a bad one gets a notice.

    One of before there were checksums is sound, and gets them.
    """
    if not folder.is_dir():
        return False
    try:
        sums: object = json.loads((folder / SUMS).read_bytes())
    except FileNotFoundError:
        return _of_before(folder)
    except ValueError:
        sums = None
    wrong = _wrong(folder, sums)
    if wrong is not None:
        said_bad(folder / wrong)
    return wrong is None


def _of_before(folder: Path) -> bool:
    """Whether a folder without checksums can be read; it gets them."""
    try:
        for file in folder.rglob("*.json"):
            json.loads(file.read_bytes())
        for file in folder.rglob("*.safetensors"):
            with safe_open(file, framework="numpy"):
                pass
    except (ValueError, SafetensorError) as error:
        said_bad(file, " ".join(str(error).split()))
        return False
    with suppress(OSError):  # a cache that cannot be written
        seal_folder(folder)
    return True


def _wrong(folder: Path, sums: object) -> str | None:
    """The first file that is not what it was; None where all are."""
    if not isinstance(sums, dict) or not sums:
        return SUMS
    for name, known in sums.items():
        try:
            if file_sha256(folder / name) != known:
                return str(name)
        except FileNotFoundError:
            return str(name)
        except (ValueError, IsADirectoryError, NotADirectoryError):
            return SUMS
    return None
