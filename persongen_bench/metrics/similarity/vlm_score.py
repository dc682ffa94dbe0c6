"""VLM score: the points that a judge gives pictures by the rubric of ImageGem's VLM ranker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Protocol, Self, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature, parse_choice
from persongen_bench.metrics._space import rows_by_request, rows_by_unit
from persongen_bench.util.judging.judges import (
    Judge,
    PictureJudge,
    RubricJudge,
    TextJudge,
    seen_together,
)
from persongen_bench.util.judging.rubric import BACKGROUND, IMAGES_TASK, STYLE, SUBJECT, Question
from persongen_bench.util.judging.scoring import Judged, judged
from persongen_bench.util.judging.tags import TagSorter
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES

Who = Literal["rubric", "llm", "lmm"]
JUDGES: tuple[Who, ...] = ("rubric", "llm", "lmm")
ROLES: Mapping[Who, tuple[str, ...]] = {
    "rubric": ("captioner",), "llm": ("captioner", "llm"), "lmm": ("lmm",),
}  # fmt: skip
N_HISTORY = 5
"""Latest liked items that the profile is made of (H of paper 004, sec. 5.2.2)."""
MAX_NEW_TOKENS = 1024
PICTURE = "picture"
"""What every picture is called: the judge is told nothing else of it."""
WORDS = {
    SUBJECT: ATTRIBUTES["shape"],
    STYLE: ATTRIBUTES["style"],
    BACKGROUND: ATTRIBUTES["background"],
}
"""Tags of the sandbox's captioner by heading; all others are defining visual features."""


@final
class VlmScore:
    """Mean points, of 100, that a judge gives a user's images against what the user likes.

    The rubric is that of the VLM ranker (`vlm-ranker`; ImageGem, paper 004, sec. 4.2 and app. B.1):
    the last five items of the request's history become a profile under four headings, against which
    a picture earns 60 points for overall and 40 for detail similarity. Every image is judged alone,
    where the paper's candidates come in subsets, so that its points hang on no other.

    ``@lmm``: the role ``lmm`` sees profile and picture, as in the paper. ``@llm``: the role ``llm``
    reads the captioner's tags. ``@rubric``: no model; a fixed rule awards the points by how many of
    the history share each tag. A reply that is not the JSON asked for is asked for once more; then
    the image has no value, never 0, and the number of such replies stands beside the result.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="vlm-score",
        family="reference",
        direction="higher",
        range=(0.0, 100.0),
        unit="points",
        source="rubric: ImageGem, paper 004, app. B.1",
        shows_not="Taste: a copy of a liked picture earns most. The rule of `@rubric` has no eyes: "
        "what it says of the sandbox is no finding about VLMs.",
    )
    arguments: ClassVar[tuple[str, ...]] = ("rubric",)
    """Models are asked only where they are named: a question an image takes long."""
    example: ClassVar[str] = "rubric"

    def __init__(self, judge: Who) -> None:
        self.judge: Who = judge
        self.info = replace(
            self.card,
            name=f"{self.card.name}@{judge}",
            roles=ROLES[judge],
            failed_value=0.0 if judge == "rubric" else None,
        )

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """``rubric``, ``llm`` or ``lmm``."""
        return cls(parse_choice(cls.card.name, argument, JUDGES, "a judge"))

    def signature(self, context: ScoreContext) -> str:
        """Judge, captioner, and how they are asked."""
        tags = "" if self.judge == "lmm" else "|tags:tasteworld"
        return build_signature(self.info, context, f"history:{N_HISTORY}|asked:alone{tags}", 1)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean over the unit's images that have a value; NaN where none has, or without history."""
        values, _ = self._scored(context)
        means = {}
        for unit, rows in rows_by_unit(context):
            read = values[rows][~np.isnan(values[rows])]
            means[unit] = float(read.mean()) if len(read) else np.nan
        return pd.Series(means, dtype=float)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """How many replies could not be read, and why the last of them."""
        values, problems = self._scored(context)
        if not problems:
            return ()
        n = int(np.isfinite(values).sum()) + len(problems)
        return (f"{len(problems)} of {n} replies could not be read, no value ({problems[-1]})",)

    def _scored(self, context: ScoreContext) -> tuple[np.ndarray, tuple[str, ...]]:
        return context.memo(self.info.name, lambda: _scored(context, _look(self.judge, context)))


class _Look(Protocol):
    def profile(self, items: Sequence[str]) -> str: ...

    def judged(self, row: int, profile: str) -> Judged: ...


class _Told:
    """A judge that reads the captioner's tags."""

    def __init__(self, context: ScoreContext, judge: Judge) -> None:
        self._context, self._judge, self._sorter = context, judge, TagSorter(WORDS)
        self._said = [self._sorter.caption(one) for one in context.descriptions()]

    def profile(self, items: Sequence[str]) -> str:
        return self._sorter.profile(self._context.item_descriptions(items))

    def judged(self, row: int, profile: str) -> Judged:
        return judged(self._judge, [_question(profile, self._said[row])])


class _Seen:
    """A judge that looks at the pictures."""

    def __init__(self, context: ScoreContext) -> None:
        self._context, self._lmm = context, context.model("lmm")

    def profile(self, items: Sequence[str]) -> str:
        return seen_together(self._lmm, self._context.item_images(items), MAX_NEW_TOKENS)

    def judged(self, row: int, profile: str) -> Judged:
        judge = PictureJudge(self._lmm, lambda _: self._context.images([row]), MAX_NEW_TOKENS)
        return judged(judge, [_question(profile)])


def _look(judge: Who, context: ScoreContext) -> _Look:
    if judge == "lmm":
        return _Seen(context)
    reader = RubricJudge() if judge == "rubric" else TextJudge(context.model("llm"), MAX_NEW_TOKENS)
    return _Told(context, reader)


def _question(profile: str, *caption: str) -> Question:
    return Question(IMAGES_TASK, profile, (PICTURE,), caption)


def _scored(context: ScoreContext, look: _Look) -> tuple[np.ndarray, tuple[str, ...]]:
    """Points of every sample, NaN without a readable reply or a history; what was unreadable."""
    values = np.full(len(context.samples), np.nan)
    profiles: dict[tuple[str, ...], str] = {}
    problems = []
    for answered in rows_by_request(context):
        history = answered.request.history[-N_HISTORY:]
        if history and history not in profiles:
            profiles[history] = look.profile(history)
        for row in answered.rows.tolist() if history else ():
            said = look.judged(row, profiles[history])
            values[row] = said.scores.get(PICTURE, np.nan)
            problems += [said.problem] if said.problem else []
    return values, tuple(problems)
