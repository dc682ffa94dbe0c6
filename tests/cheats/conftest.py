"""The package of cheats, installed beside a folder of toy data, once for all tests here."""

import cheats_case as case
import pytest

from persongen_bench.loop import run
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.metrics.taste.taste_gap import TasteGap

TERMS = Terms("catalogue", "prompt-free", ("taste-gap",), n_images=2, n_history=3)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the data, the cache and the runs lie while the package is installed."""
    root = tmp_path_factory.mktemp("cheats")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(root / "cache"))
        patch.syspath_prepend(case.install(root))
        case.forget()
        yield root
    case.forget()


@pytest.fixture(scope="module")
def make(place):
    """Make a run of a cheat by its name; of one name once."""
    world = load_world(WorldRef("folder", "pixels", {"like_threshold": 2}, place / "data"))
    made = {}

    def results(name, metrics=TERMS.metrics):
        if (name, metrics) not in made:
            terms = Terms("catalogue", "prompt-free", metrics, TERMS.n_images, TERMS.n_history)
            job = run.Job(world, terms, MethodChoice(f"cheat-tools/{name}"), seed=3)
            made[name, metrics] = run.run(job, place / "runs")
        return made[name, metrics]

    return results


@pytest.fixture(scope="module")
def honest(make):
    """The run of the method that the cheats are built on."""
    return make("honest")


@pytest.fixture(autouse=True)
def nothing_stays_patched():
    """What a cheat changes in this process is as it was after its test."""
    before = TasteGap.__dict__["per_unit"]
    yield
    TasteGap.per_unit = before
