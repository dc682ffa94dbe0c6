"""What editing a model gained: the true taste of every picture less that of its unedited twin.

An edited and an unedited model draw a request's pictures from the same seeds, so that pictures pair
up one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from persongen_bench import stats
from persongen_bench.core.config import Config
from persongen_bench.core.errors import RunError
from persongen_bench.core.later import pd
from persongen_bench.core.output import ADAPTER
from persongen_bench.core.progress import no_progress
from persongen_bench.core.truth import KnownTaste
from persongen_bench.core.types import Image
from persongen_bench.leaderboards import matching
from persongen_bench.leaderboards.figures import figure_at, plain
from persongen_bench.leaderboards.rows import generator
from persongen_bench.leaderboards.strength_strips import UNEDITED
from persongen_bench.leaderboards.sweeps import settings_of
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import reopen_world

_CHUNK = 256
HEADER = ("method", "seed", "taste", "gain", "95% interval", "users", "surely up", "surely down")


class EditGain(Config):
    """One run against the unedited models."""

    label: str
    seed: int
    taste: float
    """Mean true taste of its pictures."""
    gain: float
    """Mean over users of the mean difference of their pairs."""
    low: float
    """Of the 95% interval over users."""
    high: float
    n_users: int
    up: float
    """Share of users whose own 95% interval, over their pairs, lies above 0."""
    down: float
    """The same below 0."""
    n_pairs: int
    """Pictures that both delivered."""


def edit_gains(runs: Sequence[RunResults]) -> list[EditGain]:
    """A row per run, by label and seed, each against the unedited run of its own protocol.

    Runs of other kinds are left out. `RunError` where no run is left, where their taste is not
    known, or where an unedited run is missing.
    """
    edits = [run for run in runs if RunDirectory(run.path, run.config).kind is ADAPTER]
    if not edits:
        raise RunError("no run here edits models", fix="Name a folder of model-editing runs.")
    rows: list[EditGain] = []
    for group in _by_protocol(edits):
        taste = reopen_world(group[0].config, None, no_progress).dataset.taste
        if taste is None:
            raise RunError(f"{group[0].path}: nobody's true taste is known in these data")
        base = [run for run in group if run.config.method.label == UNEDITED]
        if not base:
            raise RunError(
                f"{group[0].path}: there is no unedited run beside it",
                fix=f"Run the method {UNEDITED} with the same options.",
            )
        twin = taste_of(base[0], taste)
        rows += [_gain(run, taste_of(run, taste), twin) for run in group if run is not base[0]]
    return sorted(rows, key=lambda row: (row.label, row.seed))


def taste_of(run: RunResults, taste: KnownTaste) -> pd.DataFrame:
    """Of every delivered picture: columns ``user`` and ``value``, indexed by sample id."""
    directory = RunDirectory(run.path, run.config)
    rows = run.samples[run.samples["state"] == "ok"]
    users = rows["user_id"].astype(str).to_numpy()
    values = np.zeros(len(rows))
    for start in range(0, len(rows), _CHUNK):
        part = rows.iloc[start : start + _CHUNK]
        images: list[Image] = [
            directory.read_image(str(row.sample_id), str(row.pixel_hash))
            for row in part.itertuples()
        ]
        own = users[start : start + _CHUNK]
        names = sorted(set(own))
        columns = [names.index(user) for user in own]
        values[start : start + _CHUNK] = taste.utility(images, names)[range(len(part)), columns]
    return pd.DataFrame({"user": users, "value": values}, index=rows["sample_id"].astype(str))


def _gain(run: RunResults, own: pd.DataFrame, twin: pd.DataFrame) -> EditGain:
    both = own.join(twin["value"].rename("before"), how="inner")
    change = (both["value"] - both["before"]).groupby(both["user"])
    means = change.mean().to_numpy()
    found = stats.interval(means, generator("edit gain", means), bounds=(-1.0, 1.0))
    bounds = [_own_interval(values.to_numpy()) for _, values in change]
    return EditGain(
        label=run.config.method.label, seed=run.config.seed, taste=float(own["value"].mean()),
        gain=found.mean, low=found.low, high=found.high, n_users=found.n,
        up=float(np.mean([low > 0 for low, _ in bounds])),
        down=float(np.mean([high < 0 for _, high in bounds])), n_pairs=len(both),
    )  # fmt: skip


def _own_interval(change: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """95% interval of one user's mean difference over their pairs of pictures."""
    found = stats.interval(change, generator("own gain", change), bounds=(-1.0, 1.0))
    return found.low, found.high


def _by_protocol(runs: Sequence[RunResults]) -> Iterator[list[RunResults]]:
    groups: dict[str, list[RunResults]] = {}
    for run in runs:
        groups.setdefault(repr(matching.protocol(run)) + str(run.config.seed), []).append(run)
    yield from groups.values()


def lines(gains: Sequence[EditGain]) -> list[tuple[str, ...]]:
    """The rows under `HEADER`."""
    return [
        (
            row.label, str(row.seed), f"{row.taste:.3f}", f"{row.gain:+.3f}",
            f"[{row.low:+.3f}, {row.high:+.3f}]", str(row.n_users), f"{row.up:.0%}",
            f"{row.down:.0%}",
        )
        for row in gains
    ]  # fmt: skip


def gain_plot(gains: Sequence[EditGain], option: str, path: Path) -> None:
    """Gain over the value of one numeric option, a line per setting of the others.

    Raises `RunError` where no two runs differ in the option alone.
    """
    curves: dict[str, list[tuple[float, EditGain]]] = {}
    for row in gains:
        for family, value in settings_of(row.label):
            if option in family.partition("[")[2].rstrip("]").split(","):
                curves.setdefault(family, []).append((value, row))
    curves = {name: sorted(own, key=lambda one: one[0]) for name, own in curves.items()}
    if all(len(own) < 2 for own in curves.values()):
        raise RunError(f"no two runs differ in {option} alone", fix=f"Use --sweep {option}=...")
    with figure_at(path, (5.2, 3.4)) as figure:
        axes = figure.add_subplot()
        for name, own in curves.items():
            x = [value for value, _ in own]
            axes.plot(x, [row.gain for _, row in own], marker="o", label=plain(name))
            axes.fill_between(x, [r.low for _, r in own], [r.high for _, r in own], alpha=0.15)
        axes.axhline(0, color="#626b76", linewidth=0.8)
        axes.set_xlabel(option)
        axes.set_ylabel("true taste, edited minus unedited")
        axes.legend()
