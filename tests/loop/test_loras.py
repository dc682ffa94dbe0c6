"""A LoRA in the decoder is part of a run: of its identity, of what it is gone on with."""

import numpy as np
import pytest

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.progress import no_progress
from persongen_bench.core.track import open_track
from persongen_bench.loop import loras, making
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.documents import parse
from persongen_bench.loop.fit_key import code_of
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import WorldRef, load_world, reopen_world
from persongen_bench.util import provenance
from tests.cases import lora_case as case
from tests.cases.refusals import refused

SHAPES = {"mid_block.attentions.0.transformer_blocks.0.attn1.to_v": (160, 160)}
DATA = {"n_panel": 2, "n_cold": 1, "n_users": 4, "n_items": 600, "n_ratings": 700}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))


def ref(lora=None):
    return WorldRef("tasteworld", "sandbox", DATA, lora=lora)


def config_of(world):
    terms = Terms("tasteworld", "prompt-free", (), 1, 1)
    choice = MethodChoice("random-item")
    return run_config(
        world, terms, choice.ref(facts_of(choice), anchor=False), seed=0, code="x", threads=1
    )


@pytest.fixture
def file(tmp_path):
    return case.write(tmp_path / "style.safetensors", case.kohya(case.factors(SHAPES), alpha=2))


def test_a_run_with_a_lora_is_another_run_and_its_file_holds_no_path(file):
    plain, world = load_world(ref()), load_world(ref(file))
    ours, with_lora = config_of(plain), config_of(world)
    assert ours.stack.lora is None
    assert with_lora.stack.lora == world.lora
    assert with_lora.stack.lora in with_lora.stack.signature
    assert ours.run_id != with_lora.run_id
    assert "style" not in with_lora.model_dump_json()
    assert parse(RunConfig, with_lora.model_dump(mode="json"), file).run_id == with_lora.run_id


def test_it_is_gone_on_with_from_the_cache_wherever_the_file_went(file):
    config = config_of(load_world(ref(file)))
    moved = file.rename(file.with_name("moved.safetensors"))
    again = reopen_world(config, None, no_progress)
    assert config_of(again).run_id == config.run_id
    loras.kept(config.stack.lora).unlink()
    with refused("the cache does not have", "--lora FILE", error=ConfigError):
        reopen_world(config, None, no_progress)
    assert config_of(reopen_world(config, None, no_progress, moved)).run_id == config.run_id


def test_a_changed_file_is_refused(file, tmp_path):
    config = config_of(load_world(ref(file)))
    other = case.write(tmp_path / "o.safetensors", case.kohya(case.factors(SHAPES, seed=1)))
    with refused("the stack of this run changed", error=ConfigError):
        reopen_world(config, None, no_progress, other)


def test_the_same_change_under_other_names_is_the_same_run(file, tmp_path):
    down, up = next(iter(case.factors(SHAPES).values()))
    same = {next(iter(SHAPES)): (down, up * np.float32(2 / 3))}
    peft = case.write(tmp_path / "p.safetensors", case.dotted(same, "unet."))
    assert load_world(ref(file)).lora == load_world(ref(peft)).lora


def test_the_code_of_the_stack_counts_and_that_which_changes_it(file):
    """A run's code hash covers both the stack's module and `stacks.with_lora`."""
    plain, world = load_world(ref()), load_world(ref(file))
    choice = MethodChoice("random-item")
    facts, method = facts_of(choice), choice.build()
    with_lora, without = (code_of(facts, w, "prompt-free") for w in (world, plain))
    alone = provenance.code_of(method, world.stack, open_track("prompt-free"), making)
    assert len({with_lora, without, alone}) == 3


def test_a_wrong_file_is_one_line(tmp_path):
    foreign = case.kohya(case.factors({next(iter(SHAPES)): (1280, 1280)}))
    with refused("in stack sandbox it is", error=DataError):
        load_world(ref(case.write(tmp_path / "sdxl.safetensors", foreign)))
