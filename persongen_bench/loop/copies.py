"""What was found of copies among a run's pictures, as it lies in the run directory.

A document beside the others (``copies.json``) and a line per picture (``copies.parquet``). A run of
before, or of answers that are no pictures, has none of the second; without the first it was not
searched.
"""

from __future__ import annotations

from pathlib import Path

from persongen_bench.core.config import Config
from persongen_bench.core.later import pd
from persongen_bench.loop import documents
from persongen_bench.loop.documents import SCHEMA_VERSION
from persongen_bench.util.files import write_atomic

DOCUMENT, LINES = "copies.json", "copies.parquet"
ALPHA = 1e-3
"""A row is marked by chance no more often than this."""
LEAST_SHARE = 0.02
"""Fewer copies than this share of the pictures mark nothing: a method that draws typical pictures
meets a few by chance, and they move no number."""
COLUMNS = (
    "sample_id", "held_out_difference", "training_difference", "held_out_cosine",
    "training_cosine", "copy_of",
)  # fmt: skip


class Repeats(Config):
    """How many pictures of a run repeat one of a set, and how many would by chance."""

    n_images: int
    """Pictures of the run that repeat one."""
    n_repeated: int
    """Different pictures of the set that are repeated."""
    n_null: int
    """Pictures of the data that were searched likewise, none of which can be a copy of the set."""
    n_null_repeats: int
    """Those of them that repeat one all the same."""
    p_value: float
    """Of as many different pictures repeated, if the run's were like those."""


class Copies(Config):
    """What was searched and found; numbers are None where there was nothing to search."""

    schema_version: int = SCHEMA_VERSION
    nothing: str = ""
    """Why nothing was searched; empty: it was."""
    n_images: int = 0
    n_held_out: int = 0
    """Held-out pictures that were compared with: those no method may see."""
    n_training: int = 0
    limit: float = 0.0
    """Difference in grey levels up to which a picture repeats another one."""
    held_out: Repeats | None = None
    training: Repeats | None = None
    judge: str = ""
    """Signature of the model in whose space cosines were taken; empty: there is none."""

    def share(self, repeats: Repeats | None) -> float:
        """Of the pictures; 0 where nothing was searched."""
        return repeats.n_images / self.n_images if repeats and self.n_images else 0.0

    def marked(self, repeats: Repeats | None) -> bool:
        """Whether there are more copies than chance gives, and enough of them to matter."""
        if repeats is None:
            return False
        return repeats.p_value <= ALPHA and self.share(repeats) >= LEAST_SHARE

    @property
    def of_held_out(self) -> bool:
        """Whether the run shows held-out pictures: it is not ranked then."""
        return self.marked(self.held_out)

    @property
    def of_training(self) -> bool:
        """Whether the run shows training pictures, which is said and costs no place."""
        return self.marked(self.training)


def write_copies(path: Path, copies: Copies, lines: pd.DataFrame | None) -> None:
    """Write both files of the run in ``path``; ``lines``: with `COLUMNS`, None: there are none."""
    if lines is None:
        (path / LINES).unlink(missing_ok=True)
    else:
        write_atomic(path / LINES, lines[list(COLUMNS)].to_parquet(index=False))
    write_atomic(path / DOCUMENT, copies.model_dump_json(indent=1).encode())


def read_copies(path: Path) -> Copies | None:
    """What was found in the run in ``path``; None: it was not searched."""
    file = path / DOCUMENT
    return documents.read(Copies, file) if file.exists() else None
