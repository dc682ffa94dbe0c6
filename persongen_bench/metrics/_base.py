"""What simple metrics share: no argument, and a signature from card and encoder."""

from __future__ import annotations

from typing import ClassVar, Self

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo, ScoreContext


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


def build_signature(info: MetricInfo, context: ScoreContext, details: str, version: int) -> str:
    """``name|in:u8|role:encoder signature|details|impl:version``."""
    encoders = [f"{role}:{context.encoder_signature(role)}" for role in info.roles]
    parts = [info.name, "in:u8", *encoders, details, f"impl:{version}"]
    return "|".join(part for part in parts if part)


def parse_count(name: str, argument: str | None) -> int:
    """A positive whole number behind the ``@``."""
    if argument is None or not argument.isdecimal() or int(argument) < 1:
        raise ConfigError(
            f"metric {name} needs a count, found {argument!r}", fix=f"Write {name}@20."
        )
    return int(argument)
