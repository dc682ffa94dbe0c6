"""Where the files of a study lie (see `persongen_bench.study.records`), and how they are read."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular
from persongen_bench.study.records import Key, Study, Trial
from persongen_bench.util.files import write_atomic

C = TypeVar("C", bound=Config)
PRIVATE = "private"
MOST_BYTES = 1 << 29


def code_hash(code: str) -> str:
    """SHA-256 of a participant's code, as the public part names the session."""
    return hashlib.sha256(code.encode()).hexdigest()


def tidy(code: str) -> str:
    """A code as it is meant, of one that was typed; as the page does it."""
    return re.sub("[^a-z0-9]", "", code.lower())


@dataclass(frozen=True)
class StudyFolder:
    """A study on disk; reading raises `DataError` where a file is missing or not one of ours."""

    path: Path

    @property
    def private(self) -> Path:
        """What only the researcher may see."""
        return self.path / PRIVATE

    @property
    def answers_file(self) -> Path:
        """The database that `persongen_bench.study.answers` keeps."""
        return self.private / "answers.sqlite"

    @property
    def codes_file(self) -> Path:
        """A line per participant."""
        return self.private / "codes.txt"

    @property
    def study_file(self) -> Path:
        """What all participants are shown."""
        return self.private / "study.json"

    @property
    def hand_out_file(self) -> Path:
        """The key of the recruiter's link, once codes were handed out."""
        return self.private / "hand-out.txt"

    @cached_property
    def study(self) -> Study:
        """What participants are shown."""
        return _read(Study, self.study_file)

    @cached_property
    def key(self) -> Key:
        """The private half."""
        return _read(Key, self.private / "key.json")

    @cached_property
    def trials(self) -> dict[str, dict[str, Trial]]:
        """Hash of a participant's code => trial id => trial."""
        return {s.code: {trial.id: trial for trial in s.trials} for s in self.study.sessions}

    def codes(self) -> dict[str, str]:
        """Code => the user whom the participant is; empty where they are nobody in particular."""
        text = read_regular(self.codes_file, "codes", MOST_BYTES).decode()
        rows = (line.partition("\t") for line in text.split("\n") if line)
        return {code: user for code, _, user in rows}

    def write_codes(self, codes: Mapping[str, str]) -> None:
        """Replace them; no user's name may hold a line feed."""
        lines = "".join(f"{code}\t{user}\n" for code, user in codes.items())
        write_atomic(self.codes_file, lines.encode())
        self.codes_file.chmod(0o600)

    def hand_out_key(self) -> str:
        """What a recruiter's link must hold for who follows it to get a code; drawn at first."""
        if not self.hand_out_file.exists():
            write_atomic(self.hand_out_file, secrets.token_urlsafe(16).encode())
            self.hand_out_file.chmod(0o600)
        return read_regular(self.hand_out_file, "key", MOST_BYTES).decode().strip()


def _read(kind: type[C], file: Path) -> C:
    try:
        return kind.model_validate_json(read_regular(file, "study", MOST_BYTES))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{file}: {place}: {first['msg']}", fix="Make the study again: `pgbench study new`."
        ) from None
