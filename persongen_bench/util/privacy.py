"""What is kept out of files that are shared: where things lie on this machine, and whose it is.

A run directory may be handed on. Absolute paths in it become placeholders (``<data>``, ``<path>``),
the login and host names become ``<user>`` and ``<host>``; relative paths stay.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

PATH, USER, HOST = "<path>", "<user>", "<host>"
NOBODY = frozenset({"root", "user", "localhost", "none", "unknown"})
"""Names of accounts and hosts that say nothing of anybody."""
SHORTEST = 3
"""A shorter login name would be found in every other word."""
OPTIONS = {
    "--data": "<data>", "--runs": "<runs>", "--output": "<output>", "--plot": "<output>",
    "--forest": "<output>", "--folder": "<folder>",
}  # fmt: skip
"""Options of the command line that take a place, and what stands there instead."""
_QUOTED = re.compile(r"(['\"])(?:~?/(?!/)|[A-Za-z]:[\\/]|\\\\)[^'\"\n]*\1")
_PLAIN = re.compile(
    r"(?<![\w.~/>-])/(?!/)[^\s'\"<>|,;()\[\]{}]*"
    r"|(?<![\w.~/>-])~/[^\s'\"<>|,;()\[\]{}]*"
    r"|(?<!\w)[A-Za-z]:[\\/](?!/)[^\s'\"<>|,;()\[\]{}]*"
    r"|(?<!\S)\\\\[^\s'\"<>|,;()\[\]{}]+"
)


def without_places(text: str, known: Mapping[str, str] | None = None) -> str:
    """A text without absolute paths, the login name and the host name.

    Args:
        text: any message; relative paths in it stay, and so do addresses such as ``https://...``.
        known: folder => what stands for it; what follows the folder in a path stays. Every other
            absolute path becomes ``<path>`` and the name of its file.
    """
    for folder, name in _longest_first({**(known or {}), **_own_folders()}):
        text = _replaced(text, folder, name)
    text = re.sub(r"file://(?=/)", "", text)
    text = _QUOTED.sub(lambda found: f"{found[1]}{_file_of(found[0][1:-1])}{found[1]}", text)
    return without_names(_PLAIN.sub(lambda found: _file_of(found[0]), text))


def without_names(text: str) -> str:
    """A text without the login name and the host name, where they stand as words."""
    for name, mark in _names():
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", mark, text)
    return text


def without_places_in(value: Any, known: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401  # any JSON value
    """Every text of a JSON value, keys aside, as `without_places` leaves it."""
    if isinstance(value, str):
        return without_places(value, known)
    if isinstance(value, Mapping):
        return {key: without_places_in(one, known) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_places_in(one, known) for one in value]
    return value


def command_line(arguments: Sequence[str]) -> list[str]:
    """What was typed, without the places on this machine: ``--data <data>``, ``<path>``."""
    if not arguments:
        return []
    said = [Path(arguments[0]).name]
    for before, argument in pairwise(arguments):
        option, equals, value = argument.partition("=")
        if equals and option.startswith("-"):
            said.append(f"{option}={_argument(value, option)}")
        else:
            said.append(_argument(argument, before))
    return [without_names(word) for word in said]


def without_folder(value: str) -> str:
    """A value of an option: the name of the file alone where it is a path of this machine."""
    absolute = value.startswith(("/", "~/", "\\\\")) or re.match(r"[A-Za-z]:[\\/]", value)
    return _file_of(value) if absolute else value


def _argument(value: str, option: str) -> str:
    """A value of the command line: what reads as a place outside this folder is a placeholder."""
    parts = re.split(r"[\\/]", value)
    outside = value.startswith(("/", "~", "\\")) or ".." in parts or Path(value).is_absolute()
    named = len(parts) > 1 and any(name in parts for name, _ in _names())
    if outside or named or (option in OPTIONS and len(parts) > 1 and ":" in parts[0]):
        return OPTIONS.get(option, PATH)
    return without_places(value)


def _longest_first(known: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(known.items(), key=lambda item: -len(item[0]))


def _replaced(text: str, folder: str, name: str) -> str:
    """Where ``folder`` stands as a whole path or as its beginning."""
    if len(Path(folder).parts) < 2:  # the root itself is the beginning of everything
        return text
    return re.sub(rf"{re.escape(folder)}(?![\w.-])", name, text)


def _own_folders() -> dict[str, str]:
    """This folder, which relative paths start from, and the home folder."""
    folders = {str(Path.cwd()): "."} if Path.cwd() != Path.home() else {}
    return {**folders, str(Path.home()): PATH}


def _file_of(path: str) -> str:
    """``<path>`` with the file's name, where the path ends in one."""
    parts = [part for part in re.split(r"[\\/]", path) if part]
    tail = parts[-1] if len(parts) > 1 and re.search(r"\w\.\w", parts[-1]) else ""
    return f"{PATH}/{tail}" if tail else PATH


def _names() -> list[tuple[str, str]]:
    """The names of this account and this machine, and what stands for them."""
    try:
        accounts = {getpass.getuser()}
    except (OSError, KeyError):
        accounts = set()
    accounts |= {Path.home().name, os.environ.get("USER", ""), os.environ.get("LOGNAME", "")}
    named = [(name, USER) for name in accounts] + [(platform.node(), HOST)]
    kept = [(name, mark) for name, mark in named if len(name) >= SHORTEST]
    return sorted((one for one in kept if one[0].lower() not in NOBODY), key=lambda x: -len(x[0]))
