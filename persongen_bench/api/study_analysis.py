"""Studies once people have answered: what they say, whom a study needs, where else it can run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.loop.store import RunDirectory, find_runs
from persongen_bench.stats.choice_power import Asked, people_needed, power
from persongen_bench.study.analysis.analyse import analyse
from persongen_bench.study.analysis.into_runs import write_into_runs
from persongen_bench.study.analysis.reading import gather
from persongen_bench.study.analysis.results import Analysis
from persongen_bench.study.exports import export_study
from persongen_bench.study.folder import StudyFolder

PEOPLE = (8, 12, 16, 24, 32, 48, 64, 96)
SHARES = (0.55, 0.60, 0.65, 0.70)


def analyze_study(
    study: str | Path, answers: Sequence[str | Path] = (), runs: str | Path | None = None
) -> Analysis:
    """What the answers to a study say, with whom its rules exclude.

    Args:
        study: its folder.
        answers: files that participants downloaded, besides what the server keeps.
        runs: folder of the runs that were judged: how their metrics go with what people chose.

    Raises:
        DataError: if the folder is no study or a file no answers.
        RunError: if a judged run cannot be read.
    """
    folder = StudyFolder(Path(study))
    public, key = folder.study, folder.key
    gathered = gather(folder, [Path(file) for file in answers])
    paths = [] if runs is None else list(judged_runs(Path(runs), key.runs).values())
    return analyse(public, key, gathered, [RunDirectory.open(path).results() for path in paths])


def into_runs(analysis: Analysis, runs: str | Path) -> list[Path]:
    """Write what people said into the runs that they judged; boards show it in extra columns.

    Whatever the runs held of the study is replaced; the runs that hold numbers of it now.

    Raises:
        ConfigError: if a judged run is not in the folder.
    """
    return write_into_runs(analysis, judged_runs(Path(runs), analysis.judged))


def judged_runs(folder: Path, run_ids: Sequence[str]) -> dict[str, Path]:
    """The directories of runs below a folder; those that do not read are passed over."""
    found: dict[str, Path] = {}
    wanted = set(run_ids) - {""}
    for path in find_runs(folder):
        try:
            run_id = RunDirectory.open(path).config.run_id
        except Exception:  # noqa: BLE001, S112  # a run of anybody; the judged ones are missed
            continue
        if run_id in wanted:
            found.setdefault(run_id, path)
    return found


def power_table(
    asked: Asked,
    shares: Sequence[float] = SHARES,
    people: Sequence[int] = PEOPLE,
    methods: int = 2,
) -> list[tuple[float, list[float], int | None]]:
    """Win share => the power with each number of people, and how many find it 8 times in 10.

    Args:
        asked: of each two methods.
        shares: win shares of one method against another.
        people: numbers of people.
        methods: how many the study compares: the test is made at `first_step`, as if no other two
            of them differed; where others do, Holm's later steps find a little more.

    Raises:
        ConfigError: if fewer than two methods are compared, or for what `power` refuses.
    """
    level = first_step(methods)
    return [
        (
            share,
            [power(asked, share, n, level) for n in people],
            people_needed(asked, share, alpha=level),
        )
        for share in shares
    ]


def first_step(methods: int) -> float:
    """0.05 over the number of pairs of methods: where Holm's adjustment tests the smallest p."""
    if methods < 2:
        raise ConfigError(f"{methods} methods: there is no pair", fix="Compare two or more.")
    return 0.05 / math.comb(methods, 2)


def export_for(study: str | Path, to: str, out: str | Path) -> list[Path]:
    """Write a study's trials for another tool into a folder; the files."""
    return export_study(StudyFolder(Path(study)), to, Path(out))
