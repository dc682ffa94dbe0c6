"""What the judge is asked: captions under four headings, a rubric of 100 points, a JSON reply.

Headings, criteria, points and bands are those of paper 004, app. B.1; the sentences are ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

SUBJECT, FEATURES, STYLE, BACKGROUND = (
    "Primary subject", "Defining visual features", "Artistic style", "Background",
)  # fmt: skip
HEADINGS = (SUBJECT, FEATURES, STYLE, BACKGROUND)
PROMPT = "Prompt"
"""The only heading of a model, which is told by a prompt."""


@dataclass(frozen=True)
class Criterion:
    """What part of the points is given for what."""

    name: str
    points: int
    asks: str
    heading: str | None = None
    """Heading of a caption that tells of it; None: the whole caption."""


OVERALL = (
    Criterion("subject", 20, "is it of one category (person, animal, scene, object)?", SUBJECT),
    Criterion("artistic style", 15, "is it made in the same way (anime, photo, painting)?", STYLE),
    Criterion("palette and mood", 15, "are tones, light and contrast alike?", FEATURES),
    Criterion("background", 10, "is the setting the same (indoors, nature, city)?", BACKGROUND),
)
DETAIL = (
    Criterion("key features", 20, "hair and clothes, fur and shape, texture and light", FEATURES),
    Criterion("pose and expression", 10, "are they as in the profile?"),
    Criterion("fine details", 10, "composition and small elements"),
)
GROUPS = (("Overall similarity", OVERALL), ("Detail similarity", DETAIL))
CRITERIA = (*OVERALL, *DETAIL)
BANDS = (
    (90, "perfect match with all key preferences"),
    (70, "strong match with most preferences"),
    (50, "moderate match with some preferences"),
    (30, "weak match with few preferences"),
    (10, "very weak match with preferences"),
    (0, "no match with preferences"),
)
"""Least score of each band, of models."""

CAPTION_IMAGES = (
    "These are pictures that one person likes. Describe what they have in common, a line for "
    f"each of these headings: {'; '.join(HEADINGS)}. Under the first say what they are of; under "
    "the second name faces, clothes, colours, poses; under the third how they are made; under the "
    "last what is behind."
)
CAPTION_MODELS = (
    "These are prompts of image models that one person uses. Summarise in detail the features, "
    "themes and styles that they have in common.\n"
)
_REPLY = (
    "Reply with JSON and nothing else: a list with one object for each item, "
    '{"id": "its id", "similarity_score": a number from 0 to 100, "explanation": "a brief reason"}.'
)
PROFILE, ITEM = "Preference profile:", "Item "


def _images_task() -> str:
    lines = ["Score how similar each item is to a person's visual preference profile, in points."]
    for name, criteria in GROUPS:
        lines.append(f"{name} ({sum(one.points for one in criteria)}):")
        lines += [f"- {one.name} ({one.points}): {one.asks}" for one in criteria]
    return "\n".join(lines)


def _models_task() -> str:
    tops = [100, *(least - 1 for least, _ in BANDS[:-1])]
    bands = [f"- {least}-{top}: {said}" for (least, said), top in zip(BANDS, tops, strict=True)]
    task = (
        "Score how well the prompt of each item fits a person's style preferences. Compare the "
        "subject; the artistic style and its features; colour, composition and lighting."
    )
    return "\n".join([task, *bands])


IMAGES_TASK, MODELS_TASK = _images_task(), _models_task()


def band_of(score: float) -> str:
    """What a score of a model says."""
    return next(said for least, said in BANDS if score >= least)


@dataclass(frozen=True)
class Question:
    """One subset to score."""

    task: str
    profile: str
    item_ids: tuple[str, ...]
    captions: tuple[str, ...]
    """One an item; empty where the judge sees the pictures."""
    objection: str = ""
    """What was wrong with the first reply."""

    @property
    def head(self) -> str:
        """Everything before the items."""
        return f"{self.task}\n\n{PROFILE}\n{indented(self.profile)}\n"

    @property
    def tail(self) -> str:
        """Everything behind them."""
        refused = f"\nYour last reply was refused: {self.objection}" if self.objection else ""
        return f"\n{_REPLY}{refused}"

    def text(self) -> str:
        """The question in words."""
        pairs = zip(self.item_ids, self.captions, strict=True)
        items = [f"{named(item)}\n{indented(caption)}" for item, caption in pairs]
        return "\n".join([self.head, *items, self.tail])


def named(item_id: str) -> str:
    """The line that begins an item."""
    return f"{ITEM}{json.dumps(item_id)}"


def indented(text: str) -> str:
    """Words of others, such that no line of theirs can pass for one of ours."""
    return "\n".join(f"  {line.strip()}" for line in text.splitlines() if line.strip())


def under_headings(values: dict[str, Sequence[str]]) -> str:
    """A caption: a line a heading."""
    return "\n".join(f"{name}: {', '.join(said) or '-'}" for name, said in values.items())
