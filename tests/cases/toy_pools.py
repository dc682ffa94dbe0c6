"""The toy world with fewer held-out likes per user than retrieval metrics ask for.

Run as a script it prints every registered metric's values, for comparison across processes.
"""

import json
from dataclasses import replace

from persongen_bench.core import registry
from persongen_bench.core.dataset import Split
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import Parametrised
from persongen_bench.testing.toy import N_USERS
from persongen_bench.testing.toy_scores import toy_score_context


def narrow_pools(n_images=4, accuracy=0.75):
    """`toy_score_context` with the last two pictures of every hue held out, not three."""
    context = toy_score_context(n_images, accuracy)
    data = context.world.dataset
    late = data.interactions["timestamp"] >= 6 * N_USERS
    split = Split("narrow", 0, data.interactions[~late], data.interactions[late])
    views = {"train": data.train_view(split), "test": data.test_view(split)}
    return replace(context, world=replace(context.world, split=split, **views))


def example(name):
    """A registered metric with its example argument, or none, or 2."""
    cls = registry.get("metrics", name)
    arguments = [cls.example] if isinstance(cls, Parametrised) else [None, "2"]
    for argument in arguments:
        try:
            return cls.parse(argument or None)
        except ConfigError:
            continue
    raise AssertionError(f"{name}: no argument of {arguments} parses; set its `example`")


def of_pictures():
    """Names of the metrics that read images, which the toy's method makes; the others, of lists,
    are tested on lists."""
    return [n for n in registry.entries("metrics") if example(n).info.reads == "image"]


def values_as_text(names):
    """Every value of every metric to the last bit, in hexadecimal floats."""
    context = toy_score_context()
    return {
        name: {str(u): float(v).hex() for u, v in example(name).per_unit(context).items()}
        for name in names
    }


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)  # as in conftest.py
    print(json.dumps(values_as_text(of_pictures())))  # noqa: T201
