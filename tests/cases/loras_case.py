"""A folder of small LoRAs with pictures, as the recipe writes them, but untrained."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from persongen_bench.core.roles import Adapter
from persongen_bench.stacks.sandbox.loras import build
from persongen_bench.stacks.sandbox.loras.examples import EXAMPLES
from persongen_bench.stacks.sandbox.loras.files import write_zoo
from persongen_bench.stacks.sandbox.loras.makers import Makers, ZooPlan
from persongen_bench.worlds.tasteworld.render import render

PLAN = ZooPlan(n_models=24, models_per_maker=2, held_out_share=0.5, kind_shares=(0.5, 0.25, 0.25))


def plans():
    makers = Makers(PLAN)
    return [makers.model(number) for number in range(len(makers))]


def adapter(model):
    """Of one layer; its numbers are the model's own."""
    rng = np.random.default_rng(model.seed)
    a = rng.standard_normal((model.rank, 6)).astype(np.float16)
    b = rng.standard_normal((4, model.rank)).astype(np.float16)
    layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    both = {f"{layer}.lora_A.weight": a, f"{layer}.lora_B.weight": b}
    return Adapter(both, alpha=float(model.rank))


def write(folder):
    """The LoRAs of `PLAN`; the examples are training pictures of each."""
    models = plans()
    pictures = [
        list(render(m.scenes[: len(EXAMPLES)], m.pictures[: len(EXAMPLES)].astype(np.uint64)))
        for m in models
    ]
    write_zoo(folder, [build._record(m) for m in models], [*map(adapter, models)], pictures)
    return folder


@cache
def folder():
    """Written once for a process."""
    return write(Path(mkdtemp(prefix="loras-")))
