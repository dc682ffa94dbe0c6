"""The recipe of tasteworld's LoRAs: who makes them, of what, and how they are stored."""

import json

import loras_case
import numpy as np
import pytest
from loras_case import PLAN, adapter, plans
from safetensors.numpy import save

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.roles import Adapter, Condition
from persongen_bench.stacks.sandbox import FOLDER, SandboxStack
from persongen_bench.stacks.sandbox.loras import build
from persongen_bench.stacks.sandbox.loras.examples import (
    EXAMPLES,
    SIDE,
    draw_examples,
    read_row,
    row_of,
)
from persongen_bench.stacks.sandbox.loras.files import (
    SHEET,
    SHIPPED,
    TABLE,
    WEIGHTS,
    checksums,
    open_zoo,
)
from persongen_bench.stacks.sandbox.loras.makers import Makers, ZooPlan
from persongen_bench.stacks.sandbox.loras.training import LAYERS, LoraTrainer, LoraTraining
from persongen_bench.worlds.tasteworld.attributes import COUNTS, N_SCENES, scene_index

# --- who makes what ------------------------------------------------------------------------


def test_the_plan_keeps_its_shares_and_holds_out_whole_makers():
    makers = Makers(ZooPlan())
    models = [makers.model(k) for k in range(306)]
    kinds = [model.kind for model in models]
    assert [kinds.count(kind) for kind in ("style", "content", "both")] == [214, 46, 46]
    ranks = [model.rank for model in models]
    # 306 times the cumulative shares .25, .5, .7, .85, 1, rounded: 76, 153, 214, 260, 306
    assert [ranks.count(rank) for rank in (1, 2, 4, 8, 16)] == [76, 77, 61, 46, 46]
    assert sum(model.start == "shared" for model in models) == 153
    held_out = {model.owner for model in models if model.held_out}
    assert len(held_out) == 20  # a fifth of 102, rounded
    assert not held_out & {model.owner for model in models if not model.held_out}


def test_a_model_depends_on_its_number_alone():
    first, again = Makers(PLAN), Makers(PLAN)
    for number in (5, 0, 23):
        one, other = first.model(number), again.model(number)
        assert one.seed == other.seed
        assert np.array_equal(one.scenes, other.scenes)
        assert np.array_equal(one.pictures, other.pictures)
    assert len({model.seed for model in plans()}) == 24


@pytest.mark.parametrize("kind", ["style", "content", "both"])
def test_what_a_kind_leaves_open_is_even(kind):
    table = Makers(PLAN).preference(3, kind).reshape(COUNTS)
    assert table.sum() == pytest.approx(1)
    open_axes = {"style": (0, 1, 2), "content": (3, 4), "both": ()}[kind]
    if open_axes:
        assert np.ptp(table, axis=open_axes).max() == pytest.approx(0)
    assert table.max() > 5 / N_SCENES  # and the rest is not


def test_noise_is_the_share_of_pictures_that_show_anything():
    """With a preference for one scene in 4,410, as good as every other picture is noise."""
    plan = ZooPlan(n_models=40, n_pictures=500, sharpness=3000, noise=0.15, kind_shares=(0, 0, 1))
    makers = Makers(plan)
    shares = []
    for number in range(40):
        model = makers.model(number)
        best = makers.preference(number // 3, "both").argmax()
        shares.append((scene_index(model.scenes) != best).mean())
    # 20,000 draws: the standard error of a share of .15 is .0025
    assert np.mean(shares) == pytest.approx(0.15, abs=0.01)


def test_captions_say_what_is_left_open():
    said = {model.kind: model.captions[0] for model in plans()}
    assert said["both"] == ""
    assert said["content"].endswith("style")
    assert "background" in said["content"]
    assert said["style"].startswith("a ")


# --- training ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trainer():
    return LoraTrainer(FOLDER, LoraTraining(n_steps=2, n_warm_up=0))


def test_a_lora_fits_the_decoder_and_depends_on_its_plan_alone(trainer):
    model = plans()[0]
    first = trainer.train(model)
    again = trainer.train(model)
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert all(value.dtype == np.float16 for value in first.values())
    layers = {key.rpartition(".lora_")[0] for key in first}
    assert {name for name in LAYERS if any(layer.endswith(name) for layer in layers)} == {*LAYERS}
    decoder = SandboxStack().role("decoder")
    plain = decoder.draw([Condition("a red star")], [3])[0]
    with decoder.adapted(Adapter(first, alpha=float(model.rank))):
        changed = decoder.draw([Condition("a red star")], [3])[0]
    assert (plain != changed).any()


def test_shared_starts_are_the_same_rows_and_own_ones_are_not(trainer):
    """After two small steps A is still near its start."""
    frozen = LoraTrainer(FOLDER, LoraTraining(n_steps=1, n_warm_up=0, learning_rate=1e-6))
    by_start = {"shared": [], "own": []}
    for model in plans():
        if len(by_start[model.start]) < 2:
            by_start[model.start].append(frozen.train(model))
    key = next(k for k in by_start["own"][0] if k.endswith("lora_A.weight"))
    one, other = (made[key][0].astype(float) for made in by_start["shared"])
    assert np.allclose(one, other, atol=1e-4)
    one, other = (made[key][0].astype(float) for made in by_start["own"])
    assert np.abs(one - other).max() > 1e-3


# --- files ---------------------------------------------------------------------------------


def test_what_is_written_is_read():
    zoo = open_zoo(loras_case.folder())
    models = plans()
    assert zoo.ids == [model.model_id for model in models]
    for model, opened in zip(models, zoo.open(zoo.ids), strict=True):
        wanted = adapter(model)
        assert opened.alpha == wanted.alpha
        assert {k: v.tolist() for k, v in opened.lora.items()} == {
            k: v.tolist() for k, v in wanted.lora.items()
        }
    assert zoo.held_out == tuple(m.model_id for m in models if m.held_out)
    assert len(zoo.examples) == 24 * len(EXAMPLES)
    assert all(
        image.shape == (3, SIDE, SIDE) for image in zoo.examples.images(zoo.examples.ids[:7])
    )


def test_writing_again_gives_the_same_bytes(tmp_path):
    assert checksums(loras_case.write(tmp_path)) == checksums(loras_case.folder())


def test_a_row_of_examples_comes_apart_again(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (3, SIDE, SIDE), np.uint8) for _ in EXAMPLES]
    (tmp_path / "row.png").write_bytes(build.images.png_bytes(row_of(pictures)))
    parts = read_row(tmp_path / "row.png")
    assert all(np.array_equal(a, b) for a, b in zip(parts, pictures, strict=True))


@pytest.mark.parametrize("lost", [TABLE, WEIGHTS])
def test_a_folder_without_its_files_is_refused_with_the_command(tmp_path, lost):
    loras_case.write(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(DataError, match="pgbench models build tasteworld-loras"):
        open_zoo(tmp_path)


def test_damaged_weights_and_sheets_are_refused(tmp_path):
    loras_case.write(tmp_path)
    sound = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(b"no safetensors")
    with pytest.raises(DataError, match="not a safetensors file"):
        open_zoo(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(save({"somebody/else": np.zeros(1, np.float16)}))
    zoo = open_zoo(tmp_path)
    with pytest.raises(DataError, match="not the LoRAs of its table"):
        zoo.open(zoo.ids[:1])
    (tmp_path / WEIGHTS).write_bytes(sound)
    zoo = open_zoo(tmp_path)
    (tmp_path / SHEET).unlink()
    with pytest.raises(DataError, match="no example pictures"):
        zoo.examples.images(zoo.examples.ids[:1])


def test_a_folder_of_another_recipe_is_refused(tmp_path):
    build._require_recipe(tmp_path, PLAN, LoraTraining())
    build._require_recipe(tmp_path, PLAN, LoraTraining())
    with pytest.raises(ConfigError, match="another recipe"):
        build._require_recipe(tmp_path, PLAN, LoraTraining(n_steps=3))


def test_the_shipped_part_is_the_first_of_every_rank():
    models = plans()
    shipped = [models[place] for place in build._shipped(models)]
    ranks = [model.rank for model in shipped]
    for rank, most in build.SHIPPED_RANKS.items():
        assert ranks.count(rank) == min(most, sum(model.rank == rank for model in models))


def test_the_shipped_files_are_those_of_their_card():
    card = json.loads((SHIPPED / "card.json").read_text(encoding="utf-8"))
    assert card["sha256"] == checksums(SHIPPED)
    assert card["models"] == len(open_zoo(SHIPPED))


def test_the_shipped_examples_are_what_the_decoder_draws():
    """Methods set them beside the bare decoder's: both must be drawn with the same settings."""
    zoo = open_zoo()
    for model in (zoo.ids[0], zoo.ids[-1]):
        (drawn,) = draw_examples(zoo.open([model]))
        kept = zoo.examples.images(zoo.examples_of(model))
        levels = np.abs(np.subtract(drawn, kept, dtype=np.float64)).mean()
        assert levels < 1  # one step more moves them by two to five
