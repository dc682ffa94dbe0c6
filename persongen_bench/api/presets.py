"""Where ``--preset NAME`` applies: every method that has a preset of this name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.near import near_miss
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.wall.known import presets_of

Asked: TypeAlias = str | MethodChoice
"""A method by name, or one with settings of its own, which no preset touches."""


def preset_of(method: str, preset: str | None) -> str | None:
    """The preset, where the method has one of this name; else None: what its board prefers.

    Of a method that does not load it stays: the method is refused by name when it is built.
    """
    if preset is None:
        return None
    try:
        presets = presets_of(method)
    except PgbenchError:
        return preset
    return preset if preset in presets else None


def check_preset(methods: Sequence[Asked], preset: str | None) -> tuple[Asked, ...]:
    """The methods; `ConfigError` for a preset that none of those by name has (a misspelt one)."""
    asked = [one for one in methods if isinstance(one, str)]
    if preset is None or not asked or any(preset_of(name, preset) for name in asked):
        return tuple(methods)
    having = {name: presets_of(name) for name in asked}
    known = dict.fromkeys(one for presets in having.values() for one in presets)
    who = f"method {asked[0]} has no" if len(asked) == 1 else "none of the methods asked for has a"
    listed = f"Presets are: {', '.join(known) or 'none'}."
    raise ConfigError(f"{who} preset {preset!r}", fix=near_miss(preset, known, listed))


def without_preset(methods: Sequence[str], preset: str | None) -> str | None:
    """One line that says which methods run with other settings; None where there is none."""
    lacking = [name for name in dict.fromkeys(methods) if preset_of(name, preset) is None]
    if preset is None or not lacking:
        return None
    return f"without preset {preset}, which they do not have: {', '.join(lacking)}"
