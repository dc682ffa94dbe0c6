"""The material of a study from folders of pictures: ``METHOD/USER/*``, and items one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from persongen_bench.core import images
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.types import Image
from persongen_bench.study.material import HISTORY, Case, Material

LIKES = "history"
"""The folder whose pictures are no method's but what users liked."""
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


def from_folder(folder: Path) -> Material:
    """The pictures below ``METHOD/USER``; those of one name are answers to one question.

    A folder ``history`` beside those of the methods holds what users liked, ``history/USER/*``.

    Raises:
        DataError: where there is nothing that two methods made for one user.
    """
    made = {name: _by_user(place) for name, place in _folders(folder).items()}
    likes = made.pop(LIKES, {})
    methods = tuple(sorted(made))
    shared: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    for method in methods:
        for user, pictures in made[method].items():
            for picture in pictures:
                shared[user, picture.stem][method] = picture
    liked = {user: tuple(map(str, pictures)) for user, pictures in likes.items()}
    cases = tuple(
        Case(
            user=user, request=name, pictures={m: str(p) for m, p in there.items()},
            samples={m: p.relative_to(folder).as_posix() for m, p in there.items()},
            history=liked.get(user, ())[-HISTORY:],
        )
        for (user, name), there in sorted(shared.items())
        if len(there) == len(methods)
    )  # fmt: skip
    if len(methods) < 2 or not cases:
        raise DataError(
            f"{folder}: there is no picture of one name that two methods made for one user",
            fix="Lay them out as METHOD/USER/0.png, with the same names for every method.",
        )
    return Material(methods, cases, _open(folder), likes=liked)


def items_from(folder: Path) -> Mapping[str, str]:
    """The pictures of a folder as items: name without ending => key."""
    found = {picture.stem: str(picture) for picture in _pictures(folder)}
    if not found:
        raise DataError(f"{folder}: no pictures", fix=f"It may hold {', '.join(_ENDINGS)}.")
    return found


def with_items(material: Material, folder: Path) -> Material:
    """The material with the pictures of another folder to elicit likes by."""
    there, base = _open(folder), material.open
    items = items_from(folder)
    mine = set(items.values())
    return replace(material, items=items, open=lambda key: there(key) if key in mine else base(key))


def nothing() -> Material:
    """No cases; for a study that asks for likes alone."""

    def refuse(key: str) -> Image:
        raise DataError(f"{key}: not a picture of this study")

    return Material((), (), refuse)


def _open(root: Path) -> Callable[[str], Image]:
    return lambda key: images.read(Path(key), root)


def _folders(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder", fix="Name one with METHOD/USER/*.png.")
    return {place.name: place for place in sorted(folder.iterdir()) if place.is_dir()}


def _by_user(folder: Path) -> dict[str, list[Path]]:
    return {user: _pictures(place) for user, place in _folders(folder).items()}


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder", fix="Name a folder of pictures.")
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in _ENDINGS and p.is_file())
