"""Things defined at run time: a method in a notebook joins the registry and is marked as local."""

from __future__ import annotations

import re
from typing import Any

from persongen_bench.core import registry
from persongen_bench.core.method import Method
from persongen_bench.core.registry import Kind
from persongen_bench.loop.choice import MethodChoice


def register(kind: Kind, name: str, implementation: Any) -> str:  # noqa: ANN401  # any kind
    """Make a class (or a board's file or fields) known for this process; returns its full name.

    It is called ``local/<name>``; registering the name again replaces it. What stands on a board
    is marked as local, since nobody else can install it.
    """
    return registry.register(kind, name, implementation).name


def as_choice(method: str | Method | type[Method], prefer: tuple[str, ...] = ()) -> MethodChoice:
    """A method by name, by class or by instance, as the loop chooses it.

    A class or instance is registered under its name in lower case with hyphens, unless it is that
    of an installed method.
    """
    if isinstance(method, str):
        return MethodChoice(method, prefer=prefer)
    cls = method if isinstance(method, type) else type(method)
    name = _installed(cls) or register("methods", kebab(cls.__name__), cls)
    if isinstance(method, type):
        return MethodChoice(name, prefer=prefer)
    values = method.config.model_dump(mode="json")
    defaults = cls.Config().model_dump(mode="json")
    options = {key: value for key, value in values.items() if value != defaults.get(key)}
    return MethodChoice(name, options=options)


def kebab(name: str) -> str:
    """``MyMethod`` => ``my-method``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower().strip("_")


def _installed(cls: type) -> str | None:
    """The name under which a class is installed, None for one that no package registers."""
    for name, entry in registry.entries("methods").items():
        point = entry.point
        if point is not None and point.attr == cls.__name__ and entry.load() is cls:
            return name
    return None
