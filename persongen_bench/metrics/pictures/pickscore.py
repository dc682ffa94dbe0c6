"""PickScore: preference as learned from Pick-a-Pic."""

from __future__ import annotations

from typing import ClassVar, final

from persongen_bench.core.metric import MetricInfo
from persongen_bench.metrics.pictures._preference import (
    SHOWS_NOT,
    OfPreference,
    Words,
    parse_words,
)

ROLE = "pickscore"


@final
class Pickscore(OfPreference):
    """Mean raw cosine of a user's images and a text in PickScore's space; in [-1, 1], about 0.2.

    Kirstain et al. 2023. Three scales are in print: the cosine (ImageGem, paper 004, table 4), the
    cosine times the logit scale of about 100 ("20 to 22"), and its softmax over candidates, which
    is a win rate. Here it is the cosine. The argument is the text: ``empty`` ("."), ``generic``
    (REBECA's sentence) or ``prompt``, the request's instruction.
    """

    arguments: ClassVar[tuple[str, ...]] = ("prompt", "generic")
    example: ClassVar[str] = "generic"

    def __init__(self, words: Words) -> None:
        self.words = words
        self.info = MetricInfo(
            name=f"pickscore@{words}",
            family="quality",
            direction="higher",
            range=(-1.0, 1.0),
            unit="cosine",
            source="Kirstain et al. 2023; ImageGem, paper 004, table 4",
            roles=(ROLE,),
            failed_value=-1.0,
            shows_not=SHOWS_NOT,
        )

    @classmethod
    def parse(cls, argument: str | None) -> Pickscore:
        """``empty``, ``generic`` or ``prompt``; there is no default."""
        return cls(parse_words("pickscore", argument))
