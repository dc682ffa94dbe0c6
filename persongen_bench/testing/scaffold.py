"""``pgbench new method NAME``: write an installable package that passes `pgbench check`."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from persongen_bench.core.errors import ConfigError

TEMPLATES = Path(__file__).parent / "templates" / "method"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TAKEN = ("persongen-bench", "test", "tests")
MODULE_FOLDER = "module"
"""Stands for the module's name in the paths of the templates."""


def write_method(name: str, folder: Path | None = None) -> Path:
    """Write the package and return its folder.

    Args:
        name: of the method and of its distribution, such as ``my-method``.
        folder: where to write, ``./NAME`` by default; it must be absent or empty.

    Raises:
        ConfigError: the name is malformed or the folder is not empty.
    """
    words = _words(name)
    target = folder or Path(name)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} exists already", fix="Choose another --folder.")
    values = {"name": name, "module": "_".join(words), "cls": "".join(w.title() for w in words)}
    for path, text in _render(values).items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return target


def _words(name: str) -> list[str]:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a method name",
            fix="Use lower-case letters, digits and single hyphens, such as my-method.",
        )
    if name in _TAKEN or keyword.iskeyword(name):
        raise ConfigError(f"the name {name!r} is taken", fix="Choose another.")
    return name.split("-")


def _render(values: dict[str, str]) -> dict[str, str]:
    """Path in the package to content."""
    # The files are Python and TOML, not HTML: escaping would break them; the name is checked.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    names = [path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.j2")]
    return {
        template.removesuffix(".j2").replace(f"/{MODULE_FOLDER}/", f"/{values['module']}/"):
            environment.get_template(template).render(values)
        for template in sorted(names)
    }  # fmt: skip
