"""Answers that participants downloaded and sent by other ways are taken in, by the same checks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular
from persongen_bench.study.answers import Answers
from persongen_bench.study.checking import check, parse
from persongen_bench.study.folder import StudyFolder, code_hash
from persongen_bench.study.records import Answer

MOST_BYTES = 1 << 24
"""Of a file."""


@dataclass(frozen=True)
class Taken:
    """What became of the answers of some files."""

    n_new: int = 0
    n_known: int = 0
    n_other: int = 0
    """Of trials that have another answer, which stays."""

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.n_new} answers taken in, {self.n_known} known before, "
            f"{self.n_other} to trials that have another answer"
        )


def take(folder: StudyFolder, files: Sequence[Path]) -> Taken:
    """Keep the answers of downloads.

    Raises:
        DataError: for a file that holds anything else than answers to this study by somebody who
            may answer; nothing of any file is kept then.
    """
    with Answers(folder.answers_file) as store:
        found = []
        for file in files:
            for number, document in enumerate(_documents(file)):
                try:
                    found.append(_checked(folder, store, document))
                except DataError as error:
                    raise DataError(f"{file}: answer {number}: {error}") from None
        kept = store.keep_all(found)
    return Taken(kept.count("new"), kept.count("known"), kept.count("other"))


def _checked(folder: StudyFolder, store: Answers, document: object) -> Answer:
    answer = parse(json.dumps(document))
    if not store.admits(answer.code):
        raise DataError("this code may not answer")
    check(answer, folder.study, folder.trials.get(code_hash(answer.code), {}))
    return answer


def _documents(file: Path) -> list[object]:
    try:
        document = json.loads(read_regular(file, "answers", MOST_BYTES))
        answers = document["answers"]
    except (ValueError, KeyError, TypeError, RecursionError):
        answers = None
    if not isinstance(answers, list):
        raise DataError(f"{file}: not the answers of a participant", fix="Ask for the file again.")
    return answers
