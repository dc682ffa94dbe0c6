"""``pgbench new KIND NAME``: write an installable package that passes `pgbench check`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss

TEMPLATES = Path(__file__).parent / "templates"
COMMON = "common"
"""Folder of the files that a package of every kind has."""
MODULE_FOLDER = "module"
"""Stands for the module's name in the paths of the templates."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TAKEN = ("persongen-bench", "test", "tests")


@dataclass(frozen=True)
class Skeleton:
    """What a package of one kind is called and said to do."""

    word: str
    """The kind as people say it."""
    idea: str
    """What the package does as it is written."""
    use: str
    """How it is used, with the name in place of ``{}``."""


SKELETONS: Mapping[str, Skeleton] = {
    "method": Skeleton(
        "method", "answers with the mean image embedding of what the user liked", "run --method {}"
    ),
    "dataset": Skeleton(
        "data set", "draws twelve people who like one hue each",
        "run --method nearest-item --dataset {}",
    ),
    "metric": Skeleton(
        "metric", "measures how colourful images are", "run --method random-item --metric {}"
    ),
    "track": Skeleton(
        "track", "asks for pictures for every tested user, by what they liked last",
        "list requests --track {}",
    ),
    "stack": Skeleton(
        "stack", "compares pictures by small copies of them",
        "run --method nearest-item --dataset folder --data FOLDER --stack {}",
    ),
    "board": Skeleton(
        "board", "ranks by the taste gap on people that are drawn",
        "run --method mean-embedding --board {}",
    ),
}  # fmt: skip


def write_method(name: str, folder: Path | None = None) -> Path:
    """`write_plugin` for a method."""
    return write_plugin("method", name, folder)


def write_plugin(kind: str, name: str, folder: Path | None = None) -> Path:
    """Write the package and return its folder.

    Args:
        kind: one of `SKELETONS`.
        name: of the thing and of its distribution, such as ``my-method``.
        folder: where to write, ``./NAME`` by default; it must be absent or empty.

    Raises:
        ConfigError: there is no such kind, the name is malformed or the folder is not empty.
    """
    if kind not in SKELETONS:
        listed = f"Kinds are: {', '.join(SKELETONS)}."
        raise ConfigError(f"no kind is called {kind!r}", fix=near_miss(kind, SKELETONS, listed))
    words, about = _words(kind, name), SKELETONS[kind]
    target = folder or Path(name)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} exists already", fix="Choose another --folder.")
    values = {
        "kind": kind, "name": name, "module": "_".join(words),
        "cls": "".join(word.title() for word in words), "word": about.word, "idea": about.idea,
        "use": about.use.format(f"{name}/{name}"),
    }  # fmt: skip
    for path, text in {**_render(COMMON, values), **_render(kind, values)}.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return target


def _words(kind: str, name: str) -> list[str]:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a {kind} name",
            fix="Use lower-case letters, digits and single hyphens, such as my-method.",
        )
    if name in _TAKEN or keyword.iskeyword(name):
        raise ConfigError(f"the name {name!r} is taken", fix="Choose another.")
    return name.split("-")


def _render(folder: str, values: dict[str, str]) -> dict[str, str]:
    """Path in the package to content."""
    # The files are Python and TOML, not HTML: escaping would break them; the name is checked.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES / folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    files = (TEMPLATES / folder).rglob("*.j2")
    names = [path.relative_to(TEMPLATES / folder).as_posix() for path in files]
    return {
        template.removesuffix(".j2").replace(f"/{MODULE_FOLDER}/", f"/{values['module']}/"):
            environment.get_template(template).render(values)
        for template in sorted(names)
    }  # fmt: skip
