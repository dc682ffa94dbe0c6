"""Things defined at run time: a method in a notebook joins the registry and is marked as local."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from persongen_bench.core import registry
from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.method import Method
from persongen_bench.core.registry import Kind
from persongen_bench.loop.choice import MethodChoice

MEMBERS = (
    "Config", "presets", "privileged", "generate_fields", "makes", "roles",
    "fit", "generate", "save", "load",
)  # fmt: skip
"""What every method's class has; see `core.method.Method`."""


def register(kind: Kind, name: str, implementation: Any) -> str:  # noqa: ANN401  # any kind
    """Make a class (or a board's file or fields) known for this process; returns its full name.

    It is called ``local/<name>``; registering the name again replaces it. What stands on a board
    is marked as local, since nobody else can install it.
    """
    return registry.register(kind, name, implementation).name


def as_choice(method: str | Method | type[Method] | MethodChoice) -> str | MethodChoice:
    """A method by name, by class or by instance, as a campaign takes it.

    A class or instance is registered under its name in lower case with hyphens, unless it is that
    of an installed method. An instance keeps its configuration, whatever presets a board prefers.

    Raises `ConfigError` for what is no method.
    """
    if isinstance(method, str | MethodChoice):
        return method
    if isinstance(method, type):
        return name_of(method)
    if not hasattr(method, "config"):
        raise ConfigError(
            f"{method!r} has no config", fix="Set self.config in the method's constructor."
        )
    name, said = name_of(type(method)), ",".join(_said(method.config))
    shown = f"{name}[{said}]" if said else name
    return MethodChoice(name, options=method.config.model_dump(mode="json"), shown=shown)


def name_of(cls: type[Method]) -> str:
    """The name of a method's class, registered where no package does.

    Raises `ConfigError` where the class lacks what the loop reads.
    """
    missing = [member for member in MEMBERS if not hasattr(cls, member)]
    if missing:
        raise ConfigError(
            f"{cls.__name__} is no method: it lacks {', '.join(missing)}",
            fix="`pgbench new method NAME` writes one to begin with.",
        )
    return _installed(cls) or register("methods", kebab(cls.__name__), cls)


def _said(config: Config) -> list[str]:
    """What differs from the defaults, ``field=value``."""
    values = {key: getattr(config, key) for key in sorted(type(config).model_fields)}
    defaults = {
        key: field.get_default(call_default_factory=True)
        for key, field in type(config).model_fields.items()
    }
    return [f"{key}={value}" for key, value in values.items() if value != defaults[key]]


def kebab(name: str) -> str:
    """``MyMethod`` => ``my-method``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower().strip("_")


def _installed(cls: type) -> str | None:
    """The name under which a class is installed, None for one that no package registers."""
    for name, entry in registry.entries("methods").items():
        point = entry.point
        if point is None or entry.problem or point.attr != cls.__name__:
            continue
        with suppress(PgbenchError):  # of another class of this name, whose module is broken
            if entry.load() is cls:
                return name
    return None
