"""What no site is made of or written over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import LABEL, plain
from persongen_bench.leaderboards.refusals import some
from persongen_bench.loop.results import RunResults
from persongen_bench.site.gather import Table
from persongen_bench.util.files import usable_folder

MARK = "pgbench-site.txt"
"""In every site."""
PARTS = frozenset({"assets", "data", "downloads", "figures", "thumbs", "index.html", MARK})
"""What a site has at its top: a folder with the mark and nothing else may be replaced."""


def require_free(out: Path) -> None:
    """Raise `ConfigError` where a folder holds something that no site has."""
    usable_folder(out, "the folder of a site", "Name another one (--out).")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if names and (MARK not in names or not (out / MARK).is_file()):
        raise ConfigError(
            f"{out}: this folder holds something else than a site",
            fix="Name a new or an empty one (--out).",
        )
    if strange := sorted(names - PARTS):
        raise ConfigError(
            f"{out}: beside a site this folder holds {plain(some(strange), LABEL)}, which would be "
            "lost",
            fix="Name another one (--out), and copy the site from there.",
        )


def hidden(run: RunResults) -> bool:
    """Whether the people of a run have pseudonyms."""
    return run.config.pseudonyms is not None


def require_alike(tables: Sequence[Table]) -> None:
    """Raise `ConfigError` where equal pictures and values would tell who has which pseudonym."""
    runs = [run for table in tables for run in table.of_table]
    some_hidden = [run.path.name for run in runs if hidden(run)]
    if some_hidden and len(some_hidden) < len(runs):
        raise ConfigError(
            f"the people of {plain(some(some_hidden), LABEL)} have pseudonyms, those of other runs "
            "their names: beside one another they would tell who is who",
            fix="Make a site of either.",
        )
