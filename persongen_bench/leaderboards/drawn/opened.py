"""Runs with their data and pictures, for figures that need more than a run's numbers."""

from __future__ import annotations

from functools import cached_property

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.progress import no_progress
from persongen_bench.leaderboards.drawn.tables import Asked, Drawn
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World, reopen_world


class PictureByPicture(Evaluation):
    """The same pictures, each a unit of its own: a metric of a unit's mean gives its value."""

    @cached_property
    def planned(self) -> pd.DataFrame:
        """As of the run, with the sample's id as its unit."""
        table = super().planned
        return table.assign(unit=table["sample_id"].astype(str))

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Ids of the delivered samples."""
        return tuple(self.samples["sample_id"].astype(str))


def world_of(drawn: Drawn, asked: Asked) -> World:
    """The data and the models of a table's runs; errors as `reopen_world`."""
    return reopen_world(next(iter(drawn.runs.values())).config, asked.data, no_progress)


def evaluation_of(run: RunResults, world: World) -> Evaluation:
    """A run's pictures as metrics see them; `ConfigError` where it drew none."""
    seen = Evaluation.of_run(RunDirectory(run.path, run.config), world)
    if (seen.samples["pixel_hash"] == "").all():
        raise ConfigError(f"run {run.path.name} has no pictures")
    return seen


def picture_values(run: RunResults, world: World, metric: str) -> pd.DataFrame:
    """Columns ``user`` and ``value`` by sample id, for every delivered picture of a run."""
    measured = parse_metric(metric)
    of_run = evaluation_of(run, world)
    seen = PictureByPicture(
        of_run.world, of_run.all_samples, of_run.requests, of_run.open_image, kind=of_run.kind,
        targets=of_run.targets, open_output=of_run.open_output,
    )  # fmt: skip
    values = measured.per_unit(seen).reindex(list(seen.units))
    users = seen.samples["user_id"].astype(str).to_numpy()
    return pd.DataFrame({"user": users, "value": values.to_numpy(dtype=float)}, index=values.index)
