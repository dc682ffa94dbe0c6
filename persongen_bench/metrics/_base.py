"""What simple metrics share: no argument, and a signature from card and encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self, TypeVar

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo, ScoreContext

Choice = TypeVar("Choice", bound=str)


SAID = {"verifier_encoder": "judge_encoder"}
"""Role => its name in signatures. The encoder of a verifier is called the judge's whichever role
it comes from: behind the name stands the model."""


class Plain:
    """A metric without an argument, computed in the space of its roles."""

    info: ClassVar[MetricInfo]
    details: ClassVar[str] = ""
    """What besides name, encoders and version fixes the number."""
    version: ClassVar[int] = 1

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """No argument is accepted."""
        if argument is not None:
            raise ConfigError(f"metric {cls.info.name} takes no argument, found @{argument}")
        return cls()

    def signature(self, context: ScoreContext) -> str:
        """Name, encoders, details, version."""
        return build_signature(self.info, context, self.details, self.version)


class AtCount:
    """A metric with a count behind the ``@``, such as ``precision@5``."""

    card: ClassVar[MetricInfo]
    """Its `info`, but for the count in the name."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.info = replace(self.card, name=f"{self.card.name}@{k}")

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """``@k`` with k >= 1."""
        return cls(parse_count(cls.card.name, argument))


def build_signature(info: MetricInfo, context: ScoreContext, details: str, version: int) -> str:
    """``name|in:u8|role:encoder signature|details|impl:version``."""
    encoders = [f"{SAID.get(role, role)}:{context.encoder_signature(role)}" for role in info.roles]
    parts = [info.name, "in:u8", *encoders, details, f"impl:{version}"]
    return "|".join(part for part in parts if part)


def parse_count(name: str, argument: str | None) -> int:
    """A positive whole number behind the ``@``."""
    if argument is None or not argument.isdecimal() or int(argument) < 1:
        raise ConfigError(
            f"metric {name} needs a count, found {argument!r}", fix=f"Write {name}@20."
        )
    return int(argument)


def parse_choice(name: str, argument: str | None, choices: Sequence[Choice], what: str) -> Choice:
    """The one of ``choices`` behind the ``@``; there is no default. ``what``: such as "a text"."""
    for choice in choices:
        if argument == choice:
            return choice
    raise ConfigError(
        f"metric {name} needs {what}, found {argument!r}",
        fix=f"Write {' or '.join(f'{name}@{choice}' for choice in choices)}.",
    )
