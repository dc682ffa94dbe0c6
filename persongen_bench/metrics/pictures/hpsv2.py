"""HPSv2: the Human Preference Score."""

from __future__ import annotations

from typing import ClassVar, final

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo
from persongen_bench.metrics.pictures._preference import (
    SHOWS_NOT,
    WORDS,
    OfPreference,
    Words,
    parse_words,
)

VERSIONS = ("2.0", "2.1")


@final
class Hpsv2(OfPreference):
    """Mean raw cosine of a user's images and a text in HPSv2's space; in [-1, 1], about 0.2-0.3.

    Wu et al. 2023. The published tables print it times 100; it is not multiplied by the model's
    logit scale. The argument is ``VERSION-TEXT``: version 2.0 (the default of the authors' package)
    or 2.1 (the one of their tables), which do not compare; the text ``empty`` (REBECA's "."),
    ``generic`` (REBECA's sentence, paper 001, sec. 4.4) or ``prompt``, the request's instruction.
    On the stack ``sandbox`` one stand-in plays both versions: there 2.0 and 2.1 are one number.
    """

    arguments: ClassVar[tuple[str, ...]] = ("2.1-generic", "2.1-prompt", "2.0-generic", "2.0-empty")
    example: ClassVar[str] = "2.1-generic"

    def __init__(self, version: str, words: Words) -> None:
        self.words = words
        self.info = MetricInfo(
            name=f"hpsv2@{version}-{words}",
            family="quality",
            direction="higher",
            range=(-1.0, 1.0),
            unit="cosine",
            source="Wu et al. 2023; REBECA, paper 001, sec. 4.4, fig. 5 and 12",
            roles=(f"hps/{version}",),
            failed_value=-1.0,
            shows_not=SHOWS_NOT,
        )

    @classmethod
    def parse(cls, argument: str | None) -> Hpsv2:
        """``2.1-generic`` and the like; neither part has a default."""
        version, _, words = (argument or "").partition("-")
        if version not in VERSIONS or words not in WORDS:
            raise ConfigError(
                f"metric hpsv2 needs a version and a text, found {argument!r}",
                fix="Write hpsv2@VERSION-TEXT with 2.0 or 2.1 and empty, generic or prompt.",
            )
        return cls(version, parse_words("hpsv2", words))
