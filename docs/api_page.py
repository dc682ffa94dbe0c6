"""The page of the Python interface, from signatures and docstrings."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any

from writing import page, summary, table

import persongen_bench
from persongen_bench import metrics
from persongen_bench.api.settings import Settings

WIDTH = 90
HEADS = {"Args": "Arguments:", "Raises": "Errors:", "Returns": "Returns:"}
"""Sections of a docstring, and what stands above their list."""


def api_page() -> str:
    """Everything that `persongen_bench` offers, and the metrics as functions."""
    names = sorted(set(persongen_bench.__all__) - {"metrics", "testing"})
    offered = {f"pb.{name}": getattr(persongen_bench, name) for name in names}
    arrays = {f"pb.metrics.{name}": getattr(metrics, name) for name in sorted(metrics.__all__)}
    body = ["## Functions", ""]
    for name, thing in offered.items():
        body += [] if isinstance(thing, type) else function_section(name, thing)
    body += ["## Settings", "", SETTINGS, "", *settings_table(Settings), "", "## Classes", ""]
    for name, thing in offered.items():
        body += class_section(name, thing) if isinstance(thing, type) else []
    body += ["## Metrics", "", METRICS, ""]
    for name, function in arrays.items():
        body += function_section(name, function)
    return page("From Python", API, body)


def function_section(name: str, function: Any) -> list[str]:  # noqa: ANN401  # a function
    """A function: its signature and its docstring."""
    return [f"### {name}", "", *code(signature(name, function)), *prose(function)]


def class_section(name: str, cls: type) -> list[str]:
    """A class: its docstring, and what it offers."""
    made = code(signature(name, cls)) if is_dataclass(cls) else []
    rows = list(members(cls))
    listed = [*table(("it has", "which is"), rows), ""] if rows else []
    return [f"### {name}", "", *made, *prose(cls), *listed]


def members(cls: type) -> Iterator[tuple[str, str]]:
    """The methods and properties of a class that are for users, and the first words of each."""
    for name, value in vars(cls).items():
        function = inner(value)
        if name.startswith("_") or function is None or not inspect.getdoc(function):
            continue
        if isinstance(value, property | cached_property):
            yield f"`{name}`", summary(function)
        else:
            given = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
            yield f"`{name}({', '.join(given)})`", summary(function)


def inner(value: Any) -> Any:  # noqa: ANN401  # a member of a class
    """The function behind a method or a property, None for anything else."""
    if isinstance(value, cached_property):
        return value.func
    if isinstance(value, property):
        return value.fget
    if isinstance(value, classmethod | staticmethod):
        return value.__func__
    return value if inspect.isfunction(value) else None


def signature(name: str, function: Any) -> str:  # noqa: ANN401  # a function or a class
    """As it is written, shapes and all; an argument a line where it is long."""
    said = inspect.signature(function)
    arguments = []
    for parameter in said.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in arguments:
            arguments.append("*")
        arguments.append(argument(parameter))
    answer = "" if isinstance(function, type) else f" -> {said.return_annotation}"
    line = f"{name}({', '.join(arguments)}){answer}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {one}," for one in arguments), f"){answer}"])


def argument(parameter: inspect.Parameter) -> str:
    """``name: type = default``."""
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default}"


def code(text: str) -> list[str]:
    """A block of Python."""
    return ["```python", text, "```", ""]


def prose(thing: object) -> list[str]:
    """A docstring as Markdown: its sections of arguments and errors become lists."""
    lines: list[str] = []
    listing = False
    for line in (inspect.getdoc(thing) or "").splitlines():
        entry = re.fullmatch(r"    (\w[\w, ]*): (.*)", line)
        head = HEADS.get(line.removesuffix(":"))
        if head is not None:
            listing = True
            lines += [head, ""]
        elif listing and entry:
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif listing and line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            listing = listing and not line
            lines.append(line)
    return [*lines, ""]


def settings_table(settings: type) -> list[str]:
    """The fields of a `TypedDict` with what stands below them in its source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(settings)))
    rows: list[list[str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for field, told in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(field, ast.AnnAssign):
                    rows.append(setting(field, told))
    return table(("setting", "type", "meaning"), rows)


def setting(field: ast.AnnAssign, told: ast.stmt | None) -> list[str]:
    """One field, with the docstring below it where there is one."""
    below = told.value if isinstance(told, ast.Expr) else None
    meaning = str(below.value) if isinstance(below, ast.Constant) else ""
    return [f"`{ast.unparse(field.target)}`", f"`{ast.unparse(field.annotation)}`", meaning]


API = (
    "`import persongen_bench as pb` offers what follows; it loads nothing until a name is used. "
    "The commands call the same functions and print what these return. [The tutorial](tutorial.md) "
    "uses most of them. A mistake of the caller raises a `pb.PgbenchError`, whose message is one "
    "line and says what to do. `pb.testing` holds the contracts: [Write a plugin](plugins.md)."
)
SETTINGS = (
    "What `pb.run`, `pb.run_many`, `pb.score` and `pb.requests` take by keyword "
    "(`**settings: Unpack[Settings]`). All have a default, mostly the board's; a name that is not "
    "among them is an error."
)
METRICS = (
    "Metrics that need arrays alone, as functions; the classes that [boards](metrics.md) use run "
    "the same code. Features are rows `(n, d)` of any encoder, such as "
    '`pb.load_stack("sandbox").role("judge_encoder").encode(images)`; pictures are uint8, RGB, '
    "`(3, h, w)` or `(n, 3, h, w)`."
)
