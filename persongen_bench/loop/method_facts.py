"""What the loop knows of a configured method: words and numbers, none of its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from persongen_bench.core.method import (
    Explains,
    FitsInParts,
    Method,
    NewcomerMethod,
    Selectable,
    Wrapper,
    reads_validation,
    unfair_reason,
)
from persongen_bench.util import provenance


@dataclass(frozen=True)
class MethodFacts:
    """A method with its configuration, as `describe` finds it."""

    name: str
    """In the registry."""
    config: Mapping[str, Any]
    """The whole configuration, as JSON."""
    makes: str
    roles: tuple[str, ...]
    modules: tuple[str, ...]
    """Where its code is, and that of what it wraps."""
    unfiled: tuple[str, ...] = ()
    """Hashes of its classes that lie in no file."""
    privileged: bool = False
    unfair: str = ""
    reads_validation: bool = False
    selectable: bool = False
    """Whether it has a validation loss (`core.method.Selectable`)."""
    explains: bool = False
    fits_in_parts: bool = False
    """Whether workers can share its fit (`core.method.FitsInParts`)."""
    generate_fields: tuple[str, ...] = ()
    adapts: bool = False
    """Whether it takes in newcomers as it is configured."""
    unadapted: Mapping[str, Any] | None = None
    """The configuration with what only `adapt` reads at its defaults; None: it never adapts."""
    heads: tuple[Mapping[str, Any], ...] = ()
    """Options of each of the ways in which it takes in newcomers."""
    base: MethodFacts | None = None
    """Of the method that it wraps."""

    @property
    def fitted_config(self) -> dict[str, Any]:
        """What of the configuration a fit reads."""
        return {k: v for k, v in self.config.items() if k not in self.generate_fields}

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of_document(cls, raw: Mapping[str, Any]) -> MethodFacts:
        """What `document` gave; raises `TypeError` or `ValueError` for anything else."""
        base = None if raw["base"] is None else cls.of_document(raw["base"])
        lists = ("roles", "modules", "unfiled", "generate_fields")
        texts = {name: tuple(map(str, raw[name])) for name in lists}
        return cls(**{**raw, **texts, "base": base, "heads": tuple(map(dict, raw["heads"]))})


def describe(method: Method, name: str) -> MethodFacts:
    """The facts of a configured method that the registry knows as ``name``."""
    code = provenance.coded(method)
    config = method.config.model_dump(mode="json")
    wrapped = (
        describe(method.base, str(method.config.base)) if isinstance(method, Wrapper) else None
    )
    return MethodFacts(
        name=name,
        config=config,
        makes=str(method.makes),
        roles=tuple(method.roles),
        modules=tuple(sorted(code.modules)),
        unfiled=tuple(sorted(code.unfiled)),
        privileged=bool(method.privileged),
        unfair=unfair_reason(method),
        reads_validation=reads_validation(method),
        selectable=isinstance(method, Selectable),
        explains=isinstance(method, Explains),
        fits_in_parts=isinstance(method, FitsInParts) and bool(method.fits_in_parts),
        generate_fields=tuple(sorted(method.generate_fields)),
        base=wrapped,
        **_of_newcomers(method, config),
    )


def _of_newcomers(method: Method, config: dict[str, Any]) -> dict[str, Any]:
    fields = type(method).Config.model_fields
    if not isinstance(method, NewcomerMethod):
        return {}
    defaults = {name: fields[name].default for name in method.adapt_fields if name in config}
    return {
        "adapts": bool(method.adapts),
        "unadapted": {**config, **defaults},
        "heads": tuple(map(dict, method.heads)),
    }
