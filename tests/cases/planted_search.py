"""A method whose best options are known: its validation loss is a formula of them."""

import json
import math
from typing import ClassVar

import persongen_bench as pb
from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.random_item import RandomItem

BEST = {"rate": 0.001, "depth": 4}
"""Where `loss_of` is 0."""


def loss_of(rate, depth):
    """A bowl around `BEST`; no number at rates above 1, as where training diverges."""
    if rate > 1:
        return math.nan
    return (math.log10(rate) + 3) ** 2 + (depth - 4) ** 2 / 10


class PlantedConfig(pb.Config):
    """Three options."""

    rate: float = 0.01
    """Step size."""
    depth: int = 2
    """Even."""
    shade: int = 0
    """Read by `generate` alone."""
    target: str = "noise"
    """What the loss is of."""


class Planted(RandomItem):
    """Answers at random; counts its fits, and says how well each would do."""

    Config = PlantedConfig
    presets: ClassVar = {"paper": {"depth": 6}}
    generate_fields: ClassVar = frozenset({"shade"})
    loss_fields: ClassVar = frozenset({"target"})
    n_fits = 0
    n_answers = 0

    def __init__(self, config=None):
        self.config = config or PlantedConfig()
        self.loss = math.nan

    def fit(self, train, context):
        if self.config.depth % 2:
            raise ConfigError(f"depth={self.config.depth} is odd", fix="Make it even.")
        Planted.n_fits += 1
        self.loss = loss_of(self.config.rate, self.config.depth)
        super().fit(train, context)

    def generate(self, samples):
        Planted.n_answers += len(samples)
        return super().generate(samples)

    def save(self, folder):
        super().save(folder)
        (folder / "loss.json").write_text(json.dumps(self.loss))

    def load(self, folder, stack, train):
        super().load(folder, stack, train)
        self.loss = json.loads((folder / "loss.json").read_text())

    def validation_loss(self):
        return self.loss
