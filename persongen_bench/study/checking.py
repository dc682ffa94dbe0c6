"""Whether something that was sent is an answer to what was asked."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, ValidationError

from persongen_bench.core.errors import DataError
from persongen_bench.study.records import REMARKS, Answer, Choice, Study, Trial

MOST_COMMENT = 4000
"""Characters of a comment."""
MOST_SAID = 64
"""Characters of anything else."""


class Sent(Answer):
    """An answer as participants send it."""

    study: str = Field(max_length=MOST_SAID)
    code: str = Field(max_length=MOST_SAID)
    trial: str = Field(max_length=MOST_SAID)
    order: tuple[int, ...] = Field(default=(), max_length=MOST_SAID)
    comment: str = Field(default="", max_length=MOST_COMMENT)
    milliseconds: float = Field(ge=0, le=1e12, allow_inf_nan=False)
    said_at: str = Field(max_length=MOST_SAID)
    kept_at: str = Field(default="", max_length=0)


def parse(document: bytes | str) -> Answer:
    """What was sent, of the right shape; `DataError` says what is wrong, in the page's words."""
    try:
        sent = Sent.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "answer"
        raise DataError(f"{place[:MOST_SAID]}: {first['msg'][:200]}") from None
    return Answer(**sent.model_dump())


def check(answer: Answer, study: Study, trials: Mapping[str, Trial]) -> None:
    """Raise `DataError` unless it answers one of a session's trials, in full.

    Args:
        answer: what was sent.
        study: that it should belong to.
        trials: of the participant's session, by id.
    """
    if answer.study != study.id:
        raise DataError("this is an answer to another study")
    said = {name for name in ("choice", "order", "rating") if getattr(answer, name)}
    if answer.trial == REMARKS:
        _require(not said, "remarks hold a comment alone")
        return
    trial = trials.get(answer.trial)
    if trial is None:
        raise DataError("the session has no such trial")
    wanted = {"pair": "choice", "rank": "order", "elicit": "rating"}[trial.kind]
    _require(said == {wanted}, f"the trial asks for {wanted} alone")
    _require(trial.kind != "pair" or _allowed(answer.choice, study), "the study has no such choice")
    places = list(range(len(trial.pictures)))
    _require(trial.kind != "rank" or sorted(answer.order) == places, "not an order of the pictures")


def _allowed(choice: Choice | None, study: Study) -> bool:
    return choice in study.choices


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DataError(otherwise)
