"""Small runs of pictures on a small tasteworld, for the tests of the site; nothing is generated."""

import importlib
import sys
from pathlib import Path

import numpy as np

from persongen_bench.core.request import Request, plan_samples
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.site.script import read_script

WORLD = {
    "n_panel": 4, "n_cold": 0, "n_users": 8, "n_items": 60, "n_ratings": 240, "panel_ratings": 30,
}  # fmt: skip
LABELS = ("mean-embedding", "random-item", "rebeca[guidance_scale=3]")
N_IMAGES = 3
BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


def _drawing():
    """The benchmark's module, which draws runs."""
    if BENCHMARKS not in sys.path:
        sys.path.append(BENCHMARKS)
    return importlib.import_module("_site_runs")


def small_world():
    return load_world(WorldRef("tasteworld", "sandbox", WORLD))


def draw_runs(folder, world, labels=LABELS, users=None, **changes):
    """A run for each label; ``users``: in place of the world's, of data that nobody can open."""
    drawing = _drawing()
    images = world.dataset.catalog.images(world.dataset.catalog.ids[:7])
    for k, label in enumerate(labels):
        config = drawing.config_of(world, label, N_IMAGES, changes.get("seed", 0))
        config = config.model_copy(update=changes)
        if users is None:
            samples = world.asked(config).samples
        else:
            data = config.dataset.model_copy(update={"revision": "drawn"})
            config = config.model_copy(update={"dataset": data})
            asked = [Request(user, n_images=N_IMAGES) for user in sorted(users)]
            samples = plan_samples(config.protocol(), asked)
        kept = drawing.keep_pictures(folder / "kept" / str(k), images, np.random.default_rng(k))
        drawing.draw_run(folder / "runs" / f"run-{k}", config, samples, kept)
    return folder / "runs"


def document(site, name, model=None):
    """Content of ``data/<name>.js``, as its model where one is given."""
    _, content = read_script((site / "data" / f"{name}.js").read_bytes())
    return content if model is None else model.model_validate(content)


def whole(site):
    """Every file of a site by its address."""
    files = (path for path in site.rglob("*") if path.is_file())
    return {str(path.relative_to(site)): path.read_bytes() for path in files}
