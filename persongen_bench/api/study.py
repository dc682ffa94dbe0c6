"""Studies with people: made, served, and what participants said or took back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.regular_files import read_regular
from persongen_bench.study import answers, ratings, taking
from persongen_bench.study.folder import StudyFolder
from persongen_bench.study.plan import Plan
from persongen_bench.study.policy import Serving as Serving
from persongen_bench.util.spreadsheet import cell

if TYPE_CHECKING:  # a server needs no pictures
    from persongen_bench.study.material import Material

MOST_TEXT = 1 << 16
"""Bytes of a text that participants read."""


@dataclass(frozen=True)
class Shown:
    """Where the pictures of a study come from."""

    runs: Sequence[Path] = ()
    folder: Path | None = None
    """``METHOD/USER/*``, in place of runs."""
    items: Path | None = None
    """A folder of pictures to elicit likes by, in place of the data set's."""
    data: Path | None = None
    """Where the data of the runs lie, where that is not known."""
    methods: Sequence[str] = ()
    """Names or labels of the methods to take from the runs, as patterns; empty: all."""
    likes_only: bool = False
    """Nothing is judged: participants are asked what they like."""

    def material(self) -> Material:
        """The material; raises `ConfigError` where nothing is named, or too much."""
        from persongen_bench.study import sources

        if self.runs and self.folder is not None:
            raise ConfigError("runs and a folder are named", fix="Name one of them.")
        if self.runs:
            from persongen_bench.study.from_runs import from_runs  # loads what runs need

            found = from_runs(self.runs, self.data, self.methods)
        elif self.folder is not None:
            found = sources.from_folder(self.folder)
        elif self.items is not None:
            found = sources.nothing()
        else:
            raise ConfigError(
                "a study of nothing", fix="Name runs, --folder DIR, or --elicit-only --items DIR."
            )
        if self.items is not None:
            found = sources.with_items(found, self.items)
        return replace(found, methods=(), cases=(), runs=()) if self.likes_only else found


def study_plan(said: Mapping[str, object], consent: Path | None = None) -> Plan:
    """A plan from what was said; None is what was not. ``consent``: a file with the text."""
    from persongen_bench.loop.choice import make_config

    given = {name: value for name, value in said.items() if value is not None}
    if consent is not None:
        given["consent"] = read_regular(consent, "consent", MOST_TEXT).decode(errors="replace")
    plan: Plan = make_config(Plan, given, "study")
    return plan


def new_study(
    shown: Shown,
    plan: Plan,
    out: Path,
    codes_of: Path | None = None,
    progress: Progress = no_progress,
) -> StudyFolder:
    """Make a study.

    Args:
        shown: where its pictures come from.
        plan: its settings.
        out: a new folder.
        codes_of: an earlier study; the people who took part in it keep their codes, and nobody
            else takes part.
        progress: bars.

    Raises:
        PgbenchError: where the material does not suffice; nothing is written then.
    """
    from persongen_bench.study.design import design
    from persongen_bench.study.sealing import seal
    from persongen_bench.study.writing import write_study

    if codes_of is not None and plan.person == "third":
        raise ConfigError(
            "codes of an earlier study stand for people, and third persons are nobody of them",
            fix="Say --first-person, or leave --codes away.",
        )
    material = shown.material()
    known: dict[str, str] = {}
    if codes_of is not None:
        people = {user: code for code, user in StudyFolder(codes_of).codes().items()}
        known = {str(cell(user)): code for user, code in people.items()} | people  # as ratings say
        material = _only(material, known, codes_of)
    return write_study(seal(material, plan, design(material, plan), known), material, out, progress)


def _only(material: Material, users: dict[str, str], study: Path) -> Material:
    cases = tuple(case for case in material.cases if case.user in users)
    if not cases:
        raise ConfigError(
            f"nothing was made for anybody who took part in {study}",
            fix="Name runs on its ratings (`pgbench study ratings`).",
        )
    return replace(material, cases=cases)


def serve_study(
    study: Path,
    host: str,
    port: int,
    ready: Callable[[str], None],
    serving: Serving = Serving(),  # noqa: B008  # frozen
) -> None:
    """Serve a study until it is interrupted.

    Args:
        study: its folder.
        host: to listen on.
        port: likewise; 0: any that is free.
        ready: is given the address when the first client may come.
        serving: whom it believes, and what it hands out.

    Raises:
        ConfigError: where the libraries are not installed, the address cannot be had, or codes
            should be handed out that stand for people.
        DataError: where there is no study.
    """
    if any(find_spec(name) is None for name in ("starlette", "uvicorn")):
        raise ConfigError(
            "the server of studies is not installed",
            fix='Install it: pip install "persongen-bench[study]".',
        )
    from persongen_bench.study.serving import listen, serve

    folder = StudyFolder(study)
    if serving.hands_out and folder.study.person == "first" and folder.key.methods:
        raise ConfigError(
            "codes stand for people in this study, and are handed out to nobody else",
            fix="Give every participant their own code.",
        )
    with listen(host, port) as place:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{place.getsockname()[1]}/"
        serve(folder, place, lambda: ready(address), serving)


def recruiting_link(study: Path, address: str) -> str:
    """The address that Prolific sends people to who are given a code; keep it to yourself."""
    key = StudyFolder(study).hand_out_key()
    return f"{address}?key={key}&PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}"


def withdraw(study: Path, code: str) -> int:
    """Delete everything of a participant; how many answers there were."""
    return answers.withdraw(StudyFolder(study), code)


def take(study: Path, files: Sequence[Path]) -> taking.Taken:
    """Take in answers that participants downloaded."""
    return taking.take(StudyFolder(study), files)


def write_ratings(study: Path, out: Path) -> int:
    """Write the elicited likes as a data set; how many there are."""
    return ratings.write_ratings(StudyFolder(study), out)
