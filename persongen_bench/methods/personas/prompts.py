"""Personas to prompts: Algorithm 1 of REBECA (001, app. G.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal, final

from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Condition
from persongen_bench.methods._items import no_history
from persongen_bench.methods.personas.config import PersonaConfig
from persongen_bench.methods.personas.descriptions import DescriptionBook
from persongen_bench.methods.personas.keywords import Persona, write_persona
from persongen_bench.methods.personas.opinions import Opinions

FALLBACK_KEYWORDS = ("nature", "landscape", "portrait", "cityscape", "animals")
FALLBACK_STYLE = "high quality, detailed, natural lighting"
FIXED_NEGATIVES = ("low quality", "blurry", "deformed", "overexposed", "underexposed")
"""The three rows of Table 5, for personas that say too little (001, app. G.3)."""
MOST_KEYWORDS = 2
"""The k-th image names ``1 + k % 2`` keywords."""

Negatives = Literal["user", "fixed", "both"]


@final
class PersonaPrompts:
    """The personas of all users, and the prompt that each of their samples is drawn from."""

    def __init__(self, personas: Mapping[str, Persona], negatives: Negatives) -> None:
        self.personas = dict(personas)
        self._negatives = negatives

    def prompt(self, sample: Sample) -> Condition | Failure:
        """Words for one sample, from its user's persona and its own index and generator.

        A user without a persona, who had no likes, is a failure.
        """
        persona = self.personas.get(sample.request.user_id)
        if persona is None:
            return no_history(sample)
        chosen = chosen_keywords(persona.positive, sample.index) or _fallback(sample)
        text = f"{', '.join(chosen)}. {persona.text or FALLBACK_STYLE}"
        return Condition(text, ", ".join(self._negative_terms(persona)))

    def _negative_terms(self, persona: Persona) -> tuple[str, ...]:
        if self._negatives == "both":
            return FIXED_NEGATIVES + persona.negative
        own = persona.negative if self._negatives == "user" else ()
        return own or FIXED_NEGATIVES

    def document(self) -> dict[str, Any]:
        """The personas as JSON values; `personas_from` reads them."""
        return {user: asdict(persona) for user, persona in self.personas.items()}


def personas_from(document: Mapping[str, Any]) -> dict[str, Persona]:
    """What `PersonaPrompts.document` wrote."""
    return {
        user: Persona(entry["text"], tuple(entry["positive"]), tuple(entry["negative"]))
        for user, entry in document.items()
    }


def personas_of(
    held: Mapping[str, Opinions], book: DescriptionBook, config: PersonaConfig
) -> dict[str, Persona]:
    """A persona for every user with likes."""
    return {
        user: write_persona(book.of(opinion.likes), book.of(opinion.dislikes), config)
        for user, opinion in held.items()
        if opinion.likes
    }


def chosen_keywords(positive: tuple[str, ...], index: int) -> tuple[str, ...]:
    """One keyword for even images, two for odd ones, going round the list; none of none."""
    n = min(1 + index % MOST_KEYWORDS, len(positive))
    return tuple(positive[(index + k) % len(positive)] for k in range(n))


def _fallback(sample: Sample) -> tuple[str, ...]:
    return (FALLBACK_KEYWORDS[sample.rng().integers(len(FALLBACK_KEYWORDS))],)
