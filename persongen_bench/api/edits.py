"""Edited models against the unedited ones, from a folder of runs."""

from __future__ import annotations

from pathlib import Path

from persongen_bench.leaderboards.edit_gain import EditGain, edit_gains, gain_plot
from persongen_bench.leaderboards.ranking import gather


def gains(runs: str | Path = "runs") -> list[EditGain]:
    """What each run of the track ``model-editing`` gained over the unedited models.

    Raises `RunError` where there is no such run, or no unedited one beside it.
    """
    return edit_gains(gather(Path(runs))[0])


def plot_gains(rows: list[EditGain], option: str, path: str | Path) -> Path:
    """Draw the gain over the values of a numeric option, such as ``strength``."""
    gain_plot(rows, option, Path(path))
    return Path(path)
