"""A fit that workers share: the same bytes, however many there are and whatever becomes of them."""

import json
import shutil

import pytest
from safetensors import safe_open

from persongen_bench.core.errors import RunError
from persongen_bench.loop import fit_part
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.engines.local import Local
from persongen_bench.loop.engines.ray_actors import Ray
from persongen_bench.loop.fit import fit_facts, fit_once, kept_fit
from persongen_bench.loop.fit_key import fit_place
from persongen_bench.loop.fit_part import FitPart, done_parts, is_whole, make_part, parts_for
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import WorldRef, load_world

TERMS = Terms("tasteworld", "prompt-free", ("taste-gap",), n_images=1, n_history=3)
INVERSION = {"n_steps": 1, "n_warmup_steps": 0, "batch_size": 2, "n_accumulation_steps": 1,
             "latents": "mode", "users_at_once": 2}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(tmp_path_factory.mktemp("parts")))
        patch.setattr(fit_part, "FEWEST", 2)
        options = {
            "n_users": 12,
            "n_panel": 5,
            "n_cold": 0,
            "n_items": 300,
            "n_ratings": 1200,
            "panel_ratings": 100,
        }
        yield load_world(WorldRef("tasteworld", "sandbox", options))


def config_of(world, name, seed=0, **options):
    choice = MethodChoice(name, options=options)
    ref = choice.ref(facts_of(choice), anchor=False)
    return run_config(world, TERMS, ref, seed=seed, code="c", threads=1)


def made(fit):
    """What a method saved, by name: bytes of files and of tensors, whose order is by chance."""
    found = {}
    for file in sorted(fit.rglob("*")):
        name = file.relative_to(fit).as_posix()
        if file.suffix == ".safetensors":
            with safe_open(file, framework="numpy") as tensors:
                found[name] = tensors.metadata()
                names = tensors.keys()
                found |= {f"{name}:{key}": tensors.get_tensor(key).tobytes() for key in names}
        elif file.is_file() and file.name not in ("fit.json", "checksums.json"):
            found[name] = file.read_bytes()
    return found


def fitted_afresh(world, config, execution):
    """Of a cache that does not know the fit."""
    fit = fit_once(config, world, execution)
    found, facts = made(fit), fit_facts(fit)
    shutil.rmtree(fit)
    return found, facts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"), [("textual-inversion", INVERSION), ("vlm-persona", {})]
)
def test_shared_by_workers_it_has_the_same_bytes(world, name, options):
    config = config_of(world, name, **options)
    assert len(parts_for(config, world, 2)) == 3
    alone, facts = fitted_afresh(world, config, Execution())
    shared, of_shared = fitted_afresh(world, config, Execution(2, engine=Local()))
    assert alone == shared
    assert len(alone) >= 1
    assert set(facts["roles"]) == set(of_shared["roles"])
    left = [path.name for path in fit_place(config, world).parent.glob("*.parts/*")]
    assert not left


@pytest.mark.slow
def test_shared_by_tasks_of_ray(world):
    pytest.importorskip("ray")
    config = config_of(world, "vlm-persona")
    alone, _ = fitted_afresh(world, config, Execution())
    shared, _ = fitted_afresh(world, config, Execution(2, engine=Ray()))
    assert alone == shared


def test_parts_are_made_once_and_any_division_that_is_whole_will_do(world):
    config = config_of(world, "vlm-persona", seed=7)
    with pytest.raises(RunError, match="not in the cache"):
        kept_fit(config, world)
    place = fit_place(config, world)
    n_users = [make_part(FitPart(config, k, 2), world) for k in (2, 1)]
    assert sum(n_users) == len(world.asked(config).users)
    marks = {folder: (folder / fit_part.FACTS).stat().st_mtime_ns for folder in done_parts(place)}
    make_part(FitPart(config, 1, 2), world)
    assert {f: (f / fit_part.FACTS).stat().st_mtime_ns for f in done_parts(place)} == marks
    make_part(FitPart(config, 1, 3), world)
    assert is_whole(place)
    fit = kept_fit(config, world)
    assert fit.is_dir()
    assert not done_parts(place)


def test_a_damaged_part_is_not_believed(world):
    config = config_of(world, "vlm-persona", seed=9)
    place = fit_place(config, world)
    for k in (1, 2):
        make_part(FitPart(config, k, 2), world)
    first, second = done_parts(place)
    (first / fit_part.FACTS).write_text(json.dumps({"seconds": "soon"}))
    assert list(done_parts(place)) == [second]
    assert not is_whole(place)
    for file in second.glob("*.jsonl"):
        file.write_bytes(b"\xff\x00{")
    with pytest.raises(RunError, match="not in the cache"):
        kept_fit(config, world)
    assert fit_once(config, world, Execution()).is_dir()


def test_a_fit_of_one_piece_has_no_parts(world):
    config = config_of(world, "mean-embedding")
    assert parts_for(config, world, 4) == []
    assert parts_for(config_of(world, "vlm-persona"), world, 1) == []


def test_users_of_all_parts_are_those_of_the_run(world):
    config = config_of(world, "vlm-persona")
    for n in (1, 2, 3, 7):
        users = [user for k in range(n) for user in FitPart(config, k + 1, n).users(world)]
        assert users == list(world.asked(config).users)
