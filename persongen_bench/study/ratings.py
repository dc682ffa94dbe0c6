"""What participants like, as a data set that methods can learn from."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.study.answers import read_answers
from persongen_bench.study.folder import StudyFolder
from persongen_bench.util.files import folder_atomic
from persongen_bench.util.spreadsheet import cell


def write_ratings(folder: StudyFolder, out: Path) -> int:
    """Write the elicited likes and dislikes as the data set ``folder`` reads them.

    Users have the names by which a later study finds their codes; 1 is a like, 0 a dislike. Names
    that a spreadsheet would read as formulas begin with an apostrophe.

    Returns:
        How many ratings there are.

    Raises:
        DataError: if nobody has rated anything.
        ConfigError: if there is something of this name.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already", fix="Name a new folder.")
    asked = {truth.trial: truth for truth in folder.key.truths if truth.role == "elicit"}
    trials = {t.id: t for session in folder.study.sessions for t in session.trials}
    rated = [a for a in read_answers(folder) if a.trial in asked and a.rating]
    if not rated:
        raise DataError(f"{folder.path}: nobody has said a like or dislike yet")
    rows = [
        (asked[a.trial].user, asked[a.trial].samples[0], int(a.rating == "like"), a.kept_at)
        for a in rated
    ]
    items = {truth.samples[0]: trials[truth.trial].pictures[0] for truth in asked.values()}
    with folder_atomic(out) as place:
        (place / "images").mkdir()
        for code in items.values():
            shutil.copyfile(folder.path / "media" / f"{code}.png", place / "images" / f"{code}.png")
        listed = [(item, f"images/{code}.png") for item, code in sorted(items.items())]
        _write(place / "items.csv", ("item_id", "image"), listed)
        _write(place / "interactions.csv", ("user_id", "item_id", "rating", "timestamp"), rows)
    return len(rows)


def _write(file: Path, names: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    text = io.StringIO()
    cells = [[cell(value) for value in row] for row in rows]
    csv.writer(text, lineterminator="\n").writerows([names, *cells])
    file.write_text(text.getvalue(), encoding="utf-8")
