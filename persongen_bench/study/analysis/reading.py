"""Reads answers, wherever they come from; what is no answer is counted and left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular
from persongen_bench.study.answers import Answers, read_answers
from persongen_bench.study.folder import StudyFolder, code_hash
from persongen_bench.study.records import Answer

MOST_BYTES = 1 << 28
"""Of a file of answers."""


@dataclass(frozen=True)
class Gathered:
    """Answers in the order in which they came."""

    answers: tuple[Answer, ...]
    malformed: int
    """Entries that are no answer."""
    withdrawn: int = 0
    """Answers of codes that the database admits no more."""


def gather(folder: StudyFolder, files: Sequence[Path] = ()) -> Gathered:
    """The answers that the server keeps, then those in files that participants downloaded.

    A file is a JSON array of answers, an object with one under ``answers``, or a line per answer.
    Whoever withdrew does not come back by a file: where there is a database, answers of codes that
    it does not admit are left out.

    Raises:
        DataError: if a file is none of these, or there is neither a database nor a file.
    """
    kept = list(read_answers(folder)) if folder.answers_file.exists() or not files else []
    sent: list[Answer] = []
    malformed = 0
    for file in files:
        for entry in _entries(file):
            try:
                sent.append(Answer.model_validate(entry))
            except ValidationError:
                malformed += 1
    gone = _withdrawn(folder, {answer.code for answer in sent})
    kept += [answer for answer in sent if answer.code not in gone]
    return Gathered(tuple(kept), malformed, sum(answer.code in gone for answer in sent))


def _withdrawn(folder: StudyFolder, codes: Iterable[str]) -> set[str]:
    """Those of the codes that have a session, and that the database does not admit."""
    if not folder.answers_file.exists():
        return set()
    known = [code for code in codes if code_hash(code) in folder.trials]
    with Answers(folder.answers_file) as answers:
        return {code for code in known if not answers.admits(code)}


def _entries(file: Path) -> Iterable[object]:
    data = read_regular(file, "answers", MOST_BYTES)
    try:
        text = data.decode("utf-8-sig")
        try:
            document = json.loads(text)
        except ValueError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise DataError(
            f"{file}: neither a JSON document nor a line of JSON per answer",
            fix="Ask the participant for the file again.",
        ) from None
    if isinstance(document, dict) and "answers" in document:
        document = document["answers"]
    return document if isinstance(document, list) else [document]
