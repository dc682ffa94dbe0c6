"""What any file may suffer, and what may lie there in its place."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write(name: str, data: bytes | str) -> Callable[[Path], None]:
    """Writes a file."""
    content = data.encode() if isinstance(data, str) else data

    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return make


def damages(data: bytes, n_cuts: int, n_flips: int, seed: int = 0) -> dict[str, bytes]:
    """Damage of a kind that every file may suffer: cut, flipped, blanked, doubled, prefixed."""
    dice, size = random.Random(seed), len(data)
    damaged = {f"cut at {k * size // n_cuts}": data[: k * size // n_cuts] for k in range(n_cuts)}
    for k in range(n_flips):
        place, mask = dice.randrange(size), 1 << dice.randrange(8)
        flipped = bytes([data[place] ^ mask])
        damaged[f"flip {k} at {place}"] = data[:place] + flipped + data[place + 1 :]
    third = size // 3
    damaged["blanked"] = data[:third] + bytes(third) + data[2 * third :]
    damaged["shuffled"] = data[2 * third :] + data[third : 2 * third] + data[:third]
    damaged["doubled"] = data + data
    damaged["prefixed"] = b"\xef\xbb\xbf" + data
    return damaged


STRANGERS = {
    "empty": b"", "a newline": b"\n", "blank lines": b"\n" * 5000, "a mark alone": b"\xef\xbb\xbf",
    "UTF-16": "user_id,item_id\na,b\n".encode("utf-16"), "NULs": bytes(4096),
    "UTF-16 without mark": "user_id,item_id\na,b\n".encode("utf-16-le"),
    "UTF-32": "user_id,item_id\na,b\n".encode("utf-32"), "noise": random.Random(0).randbytes(4096),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(20), "zip": b"PK\x03\x04" + bytes(40),
    "a web page": b"<!DOCTYPE html><html></html>", "a pickle": b"\x80\x04K\x01.",
    "an ELF": b"\x7fELF" + bytes(60), "PostScript": b"%!PS-Adobe-3.0\n1 0 div\nshowpage\n",
    "ESC": b"\x1b]0;owned\x07\x1b[31m\n", "surrogate": b"\xed\xa0\x80\n", "one byte": b"\xff",
    "deep brackets": b"[" * 100_000, "JSON null": b"null", "JSON number": b"1e999",
}  # fmt: skip
"""Whole files that are something else."""


def special(name: str) -> dict[str, Callable[[Path], None]]:
    """Things that are no regular files, under the name of one."""

    def loop(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(folder / f"{name}.2")
        (folder / f"{name}.2").symlink_to(folder / name)

    def instead(act: Callable[[Path], Any]) -> Callable[[Path], None]:
        def make(folder: Path) -> None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            act(path)

        return make

    return {
        "a pipe": instead(os.mkfifo), "a folder": instead(Path.mkdir),
        "a device": instead(lambda path: path.symlink_to("/dev/zero")),
        "a terminal": instead(lambda path: path.symlink_to("/dev/tty")),
        "a lost link": instead(lambda path: path.symlink_to("nowhere")),
        "a loop of links": loop,
        "a sparse file": instead(lambda path: _sparse(path, 3 << 30)),
    }  # fmt: skip


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)
