"""A fit is found again by all that changes it, and by nothing else; it says what it used."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from persongen_bench.core import registry
from persongen_bench.core.errors import RunError
from persongen_bench.core.types import content_hash
from persongen_bench.datasets.splits import per_user
from persongen_bench.loop import sound_fit
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.fit import fit_facts, fit_once, kept_fit
from persongen_bench.loop.fit_home import fit_context
from persongen_bench.loop.fit_key import code_of, fit_key
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.schema import StackRef
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.stacks import sound_weights
from persongen_bench.testing.toy import toy_world, write_folder
from persongen_bench.util.sealed import seal_folder

TERMS = Terms("catalogue", "prompt-free", ("taste-gap",), n_images=2, n_history=3)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(folder / "cache"))
        data = write_folder(toy_world(), folder / "data")
        options = {"like_threshold": 2}
        yield load_world(WorldRef("folder", "pixels", options, data, split="temporal"))


def config_of(world, name, code="c", **options):
    choice = MethodChoice(name, options=options)
    ref = choice.ref(facts_of(choice), anchor=False)
    return run_config(world, TERMS, ref, seed=0, code=code, threads=1)


def key(world, name="random-item", **changes):
    config = config_of(world, name).model_copy(update=changes)
    return fit_key(config, world)


def with_parts(world, **parts):
    """The world with other rows in some parts of its split."""
    return replace(world, split=replace(world.split, **parts))


def fewer(rows, column, value):
    """Without the first row of this id."""
    return rows.drop(index=rows.index[rows[column] == value][0])


def held_out_by_several(world):
    """An item that several people are tested on: it stays hidden when one row of it goes."""
    counts = world.split.test["item_id"].value_counts()
    return sorted(counts.index[counts > 1])[0]


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"code": "d"}, {"threads": 2},
     {"stack": StackRef(name="pixels", signature="other")}],
)  # fmt: skip
def test_what_changes_a_fit_makes_another(world, changes):
    assert key(world, **changes) != key(world)


@pytest.mark.parametrize(
    "changes", [{"n_images": 7}, {"metrics": ("novelty",)}, {"board": "b"}, {"created": "now"}]
)
def test_what_does_not_shares_it(world, changes):
    assert key(world, **changes) == key(world)


def test_another_training_row_is_another_fit(world):
    less = with_parts(world, train=fewer(world.split.train, "user_id", "user-0"))
    assert less.train.users == world.train.users
    assert key(less) != key(world)


def test_only_what_sees_the_held_out_part_is_fitted_again_for_it(world):
    item = held_out_by_several(world)
    less = with_parts(world, test=fewer(world.split.test, "item_id", item))
    assert less.test.users == world.test.users
    assert less.train.hash == world.train.hash
    assert key(less) == key(world)
    assert key(less, "oracle") != key(world, "oracle")


def test_other_people_to_ask_for_are_another_fit(world):
    test = world.split.test
    others = with_parts(world, test=test[test["user_id"] != "user-0"])
    assert others.test.users == world.test.users[1:]
    assert others.train.hash == world.train.hash
    assert key(others) != key(world)


def test_held_out_data_is_for_the_privileged_only(world):
    plain, anchor = (fit_context(world, 0, privileged=who) for who in (False, True))
    assert plain.held_out is None
    assert anchor.held_out.hash == world.test.hash


@pytest.fixture
def tuned(world):
    """Two rows of everybody in each held-out part; methods may see those of one."""
    return replace(world, split=per_user(2, 2)(world.dataset.interactions, 0))


@pytest.fixture
def reader(monkeypatch):
    """`random-item` as a method that reads the validation rows."""
    cls = registry.get("methods", "random-item")
    monkeypatch.setattr(cls, "reads_validation", True, raising=False)
    return cls


def test_the_key_of_a_fit_that_reads_no_validation_row_is_what_it_was(tuned):
    """The formula before there were such methods; validation rows do not enter it."""
    config = config_of(tuned, "random-item")
    cls = registry.get("methods", "random-item")
    values = {k: v for k, v in config.method.config.items() if k not in cls.generate_fields}
    known = content_hash(
        tuned.train.hash, None, tuned.asked(config).users, "random-item", values,
        config.stack.signature, 0, "c", 1,
    )  # fmt: skip
    assert key(tuned) == known
    assert key(with_parts(tuned, validation=tuned.split.validation[:-1])) == known


def test_other_validation_rows_are_another_fit_of_what_reads_them_alone(tuned, world, reader):
    less = with_parts(tuned, validation=tuned.split.validation[:-1])
    assert less.train.hash == tuned.train.hash
    assert key(less) != key(tuned)
    assert key(less, "nearest-item") == key(tuned, "nearest-item")
    assert key(with_parts(tuned, tuning=False)) != key(tuned)


def test_a_wrapper_reads_what_its_base_reads(tuned, reader):
    less = with_parts(tuned, validation=tuned.split.validation[:-1])

    def wrapped(where):
        return fit_key(config_of(where, "wrong-user", base="random-item"), where)

    assert wrapped(less) != wrapped(tuned)


@pytest.mark.usefixtures("unwalled")
def test_a_fit_is_given_the_validation_rows_it_declares(tuned, reader, tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    given = []
    fit = reader.fit
    monkeypatch.setattr(
        reader, "fit", lambda self, train, c: (given.append(c.validation), fit(self, train, c))[1]
    )
    for declares in (True, False):
        monkeypatch.setattr(reader, "reads_validation", declares)
        fit_once(config_of(tuned, "random-item"), tuned, Execution())
    assert given[0].hash == tuned.validation.hash
    assert given[1] is None


def test_people_without_a_training_row_are_not_among_those_to_fit_for(world):
    asked = SimpleNamespace(users=(*world.train.users, "somebody new"))
    assert fit_context(world, 0, privileged=False, asked=asked).users == world.train.users


def test_a_wrapper_has_used_what_its_base_has_used(world, tmp_path, monkeypatch):
    """`nearest-item` searches in the image space, and `wrong-user` never asks for it itself."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    roles = {}
    for name, options in (("nearest-item", {}), ("wrong-user", {"base": "nearest-item"})):
        facts = facts_of(MethodChoice(name, options=options))
        code = code_of(facts, world, TERMS.track)
        config = config_of(world, name, code, **options)
        roles[name] = fit_facts(fit_once(config, world, Execution()))["roles"]
    assert roles["nearest-item"] == {"image_encoder": world.stack.role("image_encoder").signature}
    assert roles["wrong-user"] == roles["nearest-item"]


@pytest.mark.usefixtures("unwalled")
@pytest.mark.parametrize("number", [float("nan"), float("inf"), None])
def test_a_fit_with_a_number_that_is_none_is_refused_and_not_kept(
    world, number, tmp_path, monkeypatch
):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    cls = registry.get("methods", "nearest-item")
    fit = cls.fit

    def diverged(self, train, context):
        fit(self, train, context)
        if number is not None:
            self._embeddings[0, 0] = number

    monkeypatch.setattr(cls, "fit", diverged)
    config = config_of(world, "nearest-item")
    if number is None:
        assert fit_once(config, world, Execution()).is_dir()
        return
    with pytest.raises(
        RunError, match=r"nearest-item saved .*: .embeddings. of embeddings.safetensors holds NaN"
    ):
        fit_once(config, world, Execution())
    assert not list((tmp_path / "fits").glob("*/*.safetensors"))


@pytest.mark.usefixtures("unwalled")
def test_a_kept_fit_with_a_number_that_is_none_is_made_again(world, tmp_path, monkeypatch, caplog):
    """Of before fits were looked at, or changed together with its checksum."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    config = config_of(world, "nearest-item")
    folder = fit_once(config, world, Execution())
    file = folder / "embeddings.safetensors"
    sound = load_file(file)
    for number in (float("nan"), float("-inf")):
        bad = {name: rows.clone() for name, rows in sound.items()}
        bad["embeddings"][-1, -1] = number
        save_file(bad, file)
        seal_folder(folder)
        with pytest.raises(RunError, match="is not in the cache"):
            kept_fit(config, world)
        assert fit_once(config, world, Execution()) == kept_fit(config, world) == folder
        assert torch.equal(load_file(file)["embeddings"], sound["embeddings"])
    caplog.clear()
    assert fit_once(config, world, Execution()) == folder
    assert caplog.text == ""


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "float8_e4m3fn"])
def test_numbers_of_every_type_are_looked_at(dtype, tmp_path, monkeypatch):
    """The only NaN stands last, in the last of several blocks."""
    monkeypatch.setattr(sound_weights, "BLOCK", 4)
    numbers = torch.arange(11.0)
    kept = {"n": numbers.long(), "w": numbers.to(getattr(torch, dtype))}
    save_file(kept, tmp_path / "a.safetensors")
    sound_fit.check_weights(tmp_path, "m")
    numbers[-1] = float("nan")
    (tmp_path / "base").mkdir()
    save_file({"w": numbers.to(getattr(torch, dtype))}, tmp_path / "base" / "b.safetensors")
    with pytest.raises(RunError, match=r"'w' of base/b.safetensors holds NaN"):
        sound_fit.check_weights(tmp_path, "m")
