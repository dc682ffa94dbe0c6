"""A home without a wall around any method, and what a worker in it makes of samples."""

from collections import Counter
from types import SimpleNamespace

from persongen_bench.loop.engines.station import Worker
from persongen_bench.loop.wall.answers import Answered


class HomeOf:
    """What a maker makes, as a home says it."""

    def __init__(self, maker, used=None):
        self._maker, self.used = maker, used or {}
        self.refused, self.peak_mb, self.wall = [], 0.0, "none"

    def make(self, asked, samples):
        before = Counter(asked.references.opened)
        made = self._maker.make(samples)
        return Answered(made, [], asked.references.opened - before)


def made_by(maker, samples, run):
    """Outcomes of samples, whose answers lie in ``run`` then."""
    asked = SimpleNamespace(
        named=lambda ids: list(samples), references=SimpleNamespace(opened=Counter())
    )
    world = SimpleNamespace(asked=lambda config: asked)
    worker = Worker(run, world, HomeOf(maker))
    return worker.make([sample.sample_id for sample in samples]).outcomes
