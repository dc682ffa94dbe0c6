"""Tags of liked and disliked images to keywords and a persona."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from persongen_bench.core.types import Description
from persongen_bench.methods.personas.config import PersonaConfig

LONGEST_TAG = 20
META_WORDS = frozenset(
    {"an", "the", "object", "objects", "attribute", "attributes", "style", "styles", "color"}
    | {"colors", "colour", "colours", "caption", "image", "images", "photo", "photograph"}
    | {"picture", "keyword", "keywords", "positive", "negative", "tag", "tags", "tagging", "engine"}
)
"""Words about pictures as such, or left over from an instruction: they say nothing of taste."""
_ONE_OR_TWO_WORDS = re.compile(r"[a-z0-9]+(?: [a-z0-9]+)?")


@dataclass(frozen=True)
class Persona:
    """A user in words."""

    text: str = ""
    positive: tuple[str, ...] = ()
    """Keywords, the most telling first."""
    negative: tuple[str, ...] = ()


def clean_tag(tag: str) -> str | None:
    """A tag in lower case with plain blanks; None: too long, too short, or about no content.

    Tags of 2 to 20 letters or digits in one or two words are kept.
    """
    text = " ".join(re.sub(r"[-/_]", " ", tag.lower()).split())
    fits = 2 <= len(text) <= LONGEST_TAG and _ONE_OR_TWO_WORDS.fullmatch(text)
    return text if fits and text not in META_WORDS else None


def count_tags(descriptions: Iterable[Description]) -> Counter[str]:
    """On how many images each clean tag stands."""
    counts: Counter[str] = Counter()
    for description in descriptions:
        counts.update({tag for tag in map(clean_tag, description.tags) if tag is not None})
    return counts


def log_odds(
    likes: Mapping[str, int], dislikes: Mapping[str, int], alpha: float
) -> dict[str, float]:
    """Natural log of a tag's share of all liked tags over its share of all disliked ones.

    Both shares are smoothed: ``(count + alpha) / (total + alpha * vocabulary)``, where the
    vocabulary are the tags of either side. Above 0: the tag speaks for a like.
    """
    tags = likes.keys() | dislikes.keys()
    sides = [(side, sum(side.values()) + alpha * len(tags)) for side in (likes, dislikes)]
    return {
        tag: math.log((likes.get(tag, 0) + alpha) / sides[0][1])
        - math.log((dislikes.get(tag, 0) + alpha) / sides[1][1])
        for tag in tags
    }


def keywords(
    likes: Mapping[str, int], dislikes: Mapping[str, int], config: PersonaConfig
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The positive and the negative keywords, the most telling first; ties by count, by name."""
    odds = log_odds(likes, dislikes, config.alpha)
    positive = {tag for tag, n in likes.items() if n >= config.min_count}
    negative = {tag for tag, n in dislikes.items() if n >= config.min_count}
    if config.shared_tags == "drop":
        positive -= negative
    else:
        positive = {tag for tag in positive if odds[tag] > 0}
        negative = {tag for tag in negative if odds[tag] < 0}
    for_likes = sorted(positive, key=lambda tag: (-odds[tag], -likes[tag], tag))
    for_dislikes = sorted(negative, key=lambda tag: (odds[tag], -dislikes[tag], tag))
    return tuple(for_likes[: config.n_keywords]), tuple(for_dislikes[: config.n_keywords])


def write_persona(
    liked: Iterable[Description], disliked: Iterable[Description], config: PersonaConfig
) -> Persona:
    """The persona of a user who liked and disliked these images."""
    positive, negative = keywords(count_tags(liked), count_tags(disliked), config)
    return Persona(persona_text(positive, negative, config), positive, negative)


def persona_text(
    positive: tuple[str, ...], negative: tuple[str, ...], config: PersonaConfig
) -> str:
    """The text of a persona; empty where there is nothing to say."""
    likes = ", ".join(positive[: config.n_persona_keywords])
    avoids = ", ".join(negative[: config.n_persona_keywords])
    if config.wording == "keywords":
        return cut(likes, config.max_persona_characters)
    said = [f"Likes {likes}."] if likes else []
    said += [f"Avoids {avoids}."] if avoids else []
    return cut(" ".join(said), config.max_persona_characters)


def cut(text: str, n_characters: int) -> str:
    """At most ``n_characters``: up to the last full stop that fits, else up to the last word."""
    text = " ".join(text.split())
    if len(text) <= n_characters:
        return text
    kept = text[:n_characters]
    if "." in kept:
        return kept[: kept.rindex(".") + 1]
    whole = kept if text[n_characters] == " " else kept.rpartition(" ")[0] or kept
    return whole.rstrip(" ,;")
