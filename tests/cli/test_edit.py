"""`pgbench edit`: a LoRA file moved along what a run has learned; the run is a real one."""

from types import SimpleNamespace

import lora_case as case
import numpy as np
import pytest
from refusals import refused
from run_case import make_config
from safetensors.numpy import load_file
from typer.testing import CliRunner

import persongen_bench as pb
from persongen_bench.api.edits import _names, _require_known, edit_lora
from persongen_bench.cli.app import app
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, DataError, UnsupportedRequestError
from persongen_bench.core.output import ADAPTER
from persongen_bench.loop.schema import MethodRef
from persongen_bench.loop.store import RunDirectory
from persongen_bench.methods.w2w.config import W2WConfig
from persongen_bench.methods.w2w.method import W2W
from persongen_bench.stacks.sandbox.loras.files import open_zoo
from persongen_bench.testing.toy import toy_world
from persongen_bench.util.lora.reading import read_lora
from persongen_bench.util.lora.svd import truncated
from persongen_bench.util.lora.writing import write_lora

TINY = (
    "n_panel=2", "n_cold=2", "n_users=25", "n_items=600", "n_ratings=2500", "panel_ratings=120",
    "n_edited=1", "edited_rank=2",
)  # fmt: skip
ANNA, BEN = "person-0000", "person-0001"
"""Who is tested in data of this size."""


def pgbench(*words, status=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == status, done.output
    return done.output


def made(folder, *words):
    """A run of two people and one LoRA, by the LoRAs that ship."""
    data = [part for pair in TINY for part in ("--data-option", pair)]
    asked = ["--track", "model-editing", "-d", "tasteworld-models", *data, "--n-images", "1"]
    pgbench("run", *asked, "--no-beside", "--runs", folder, *words)
    (file,) = folder.rglob("run.json")
    return pb.Run.open(file.parent)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def run(cache, tmp_path_factory):
    return made(tmp_path_factory.mktemp("svd"), "--preset", "sandbox", "-m", "w2w")


@pytest.fixture(scope="module")
def raw_run(cache, tmp_path_factory):
    """Of value projections of rank 2, as they are; a direction needs no model to be drawn."""
    words = ("-m", "random-direction", "-o", "space=attn_v", "-o", "rank=2")
    return made(tmp_path_factory.mktemp("raw"), *words)


@pytest.fixture
def own(tmp_path):
    """A file of the LoRA that the runs were asked to edit."""
    config = registry.get("datasets", "tasteworld-models").Config
    asked = dict(pair.split("=") for pair in TINY)
    data = registry.get("datasets", "tasteworld-models").load(config.model_validate(asked), None)
    (adapter,) = open_zoo().open(list(data.models.held_out))
    path = tmp_path / "own.safetensors"
    path.write_bytes(ADAPTER.to_bytes(adapter))
    return path


def answered(run, user):
    """The weights that a run kept for a user."""
    (sample,) = run.samples.loc[run.samples["user_id"] == user, "sample_id"]
    return load_file(RunDirectory.open(run.path).output_path(sample))


def changes(path):
    return {name: layer.change for name, layer in read_lora(path).layers.items()}


def apart(one, other):
    assert one.keys() == other.keys()
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


# --- what is written --------------------------------------------------------------------------


@pytest.mark.slow
def test_one_direction_is_what_the_run_answered(run, own, tmp_path):
    """It opened the same weights from its data and moved them by 8, as its preset says."""
    target = tmp_path / "new" / "edited.safetensors"
    printed = pgbench("edit", own, "--run", run.path, "--toward", f"{ANNA}=8", "--output", target)
    got, want = load_file(target), answered(run, ANNA)
    assert got.keys() == want.keys()
    for name, array in want.items():
        assert got[name].dtype == array.dtype
        assert np.array_equal(got[name], array)
    assert f"{target}: " in printed.replace("\n", "")


@pytest.mark.slow
def test_the_strength_is_printed_in_every_unit(run, own, tmp_path):
    """As the run itself says of its strength of 8, of which others are a share."""
    two = edit_lora(own, run, {ANNA: 2.0, BEN: -4.0}, tmp_path / "a.safetensors")
    (eight,) = edit_lora(own, run.path, {ANNA: 8.0}, tmp_path / "b.safetensors").steps
    (request,) = run.samples.loc[run.samples["user_id"] == ANNA, "request_id"]
    notes = {o.request_id: o.note for o in RunDirectory.open(run.path).journal.explanations()}
    want = f"8 sd = alpha {eight.alpha:.3g}, raw alpha {eight.raw_alpha:.3g}"
    assert notes[request] == want
    assert [(step.user, step.strength) for step in two.steps] == [(ANNA, 2.0), (BEN, -4.0)]
    assert two.steps[0].alpha == pytest.approx(eight.alpha / 4)
    assert two.steps[0].raw_alpha == pytest.approx(eight.raw_alpha / 4)
    assert two.steps[1].alpha < 0 < two.steps[0].alpha
    words = ("--toward", f"{ANNA}=2", "--toward", f"{BEN}=-4", "--output", tmp_path / "c")
    printed = pgbench("edit", own, "--run", run.path, *words)
    for step in two.steps:
        assert f"{step.strength:g}" in printed
        assert f"{step.alpha:.4g}" in printed
        assert f"{step.raw_alpha:.4g}" in printed


@pytest.mark.slow
def test_a_step_and_its_opposite_are_no_step(run, own, tmp_path):
    target = tmp_path / "same.safetensors"
    words = ("--toward", f"{ANNA}=8", "--toward", f"{ANNA}=-8", "--output", target)
    pgbench("edit", own, "--run", run.path, *words)
    assert apart(changes(target), changes(own)) <= 1e-6


@pytest.mark.slow
def test_raw_factors_add_up_and_an_edited_file_can_be_edited_back(raw_run, own, tmp_path):
    """Their vector is the factors themselves, so that steps one after another are one step."""
    files = [tmp_path / f"{k}.safetensors" for k in range(4)]
    edit_lora(own, raw_run, {ANNA: 2.0, BEN: -3.0}, files[0])
    edit_lora(own, raw_run, {ANNA: 2.0}, files[1])
    edit_lora(files[1], raw_run, {BEN: -3.0}, files[2])
    edit_lora(files[1], raw_run, {ANNA: -2.0}, files[3])
    assert apart(changes(files[0]), changes(files[2])) <= 1e-6
    assert apart(changes(files[3]), changes(own)) <= 1e-6
    assert apart(changes(files[0]), changes(own)) > 1e-3


@pytest.mark.slow
def test_diffusers_loads_it_and_multiplies_by_one(run, own, tmp_path):
    target = tmp_path / "edited.safetensors"
    edit_lora(own, run, {ANNA: 2.0}, target)
    pipeline = registry.get("stacks", "sandbox")().role("decoder").pipeline
    pipeline.load_lora_weights(tmp_path, weight_name=target.name, adapter_name="edited")
    try:
        for path, change in changes(target).items():
            layer = pipeline.unet.get_submodule(path)
            got = layer.get_delta_weight("edited").detach().numpy()
            np.testing.assert_allclose(got.reshape(change.shape), change, atol=1e-6)
    finally:
        pipeline.unload_lora_weights()


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.slow
def test_an_unknown_user_is_told_who_there_is(run, own, tmp_path):
    target = tmp_path / "edited.safetensors"
    done = pgbench(
        "edit", own, "--run", run.path, "--toward", "zoe=2", "--output", target, status=2
    )
    assert done.count("\n") == 1
    assert f"no direction of user 'zoe'. It has those of {ANNA}, {BEN}." in done
    assert not target.exists()


@pytest.mark.slow
def test_a_rank_or_a_base_that_the_run_does_not_take(raw_run, own, tmp_path):
    cut = write_lora(truncated(read_lora(own), 1), tmp_path / "cut.safetensors")
    target = tmp_path / "edited.safetensors"
    with refused("have rank 2, not 1", "--rank 2", error=UnsupportedRequestError):
        edit_lora(cut, raw_run, {ANNA: 1.0}, target)
    foreign = case.write(tmp_path / "foreign.safetensors", case.kohya(case.factors()))
    with refused("which stack sandbox does not have|in stack sandbox it is", error=DataError):
        edit_lora(foreign, raw_run, {ANNA: 1.0}, target)
    assert not target.exists()


def stored(folder, method, **changes):
    ref = MethodRef(name=method, distribution="d", version="1", config={}, label=method, **changes)
    return RunDirectory.create(folder / "run", make_config(method=ref), []).path


@pytest.mark.parametrize(
    ("method", "more"), [("unedited", {}), ("random-item", {}), ("theirs", {"external": True})]
)
def test_a_run_that_edits_nothing(method, more, tmp_path):
    place = stored(tmp_path, method, **more)
    with refused(f"a run of {method} has no directions", "w2w", error=ConfigError):
        edit_lora(tmp_path / "x", place, {ANNA: 1.0}, tmp_path / "edited.safetensors")


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), 6000.0])
def test_a_strength_that_is_none(strength, tmp_path):
    """6000 is one in the papers' raw units."""
    place = stored(tmp_path, "w2w")
    with refused("strength toward 'zoe'", "standard deviations", error=ConfigError):
        edit_lora(tmp_path / "x", place, {"zoe": strength}, tmp_path / "edited.safetensors")


@pytest.mark.parametrize("pair", ["zoe", "zoe=", "=2", "zoe=much"])
def test_what_is_no_user_and_strength(pair, tmp_path):
    words = ("edit", tmp_path / "x", "--run", tmp_path, "--toward", pair, "--output", "y")
    done = pgbench(*words, status=2)
    assert "is not USER=STRENGTH" in done
    assert done.count("\n") == 1


def test_a_folder_is_no_file_to_write(tmp_path):
    with refused("this is a folder", error=ConfigError):
        edit_lora(tmp_path / "x", stored(tmp_path, "w2w"), {ANNA: 1.0}, tmp_path)


# --- who may be named ---------------------------------------------------------------------------


def named(method, hide=str):
    return _names(method, SimpleNamespace(veil=SimpleNamespace(user=hide)))


def fitted(**config):
    world, method = toy_world(), W2W(W2WConfig(**config))
    method.fit(world.train, world.context(0))
    return method


def test_one_direction_for_all_has_a_name_of_its_own():
    names = named(fitted(labels="texts", positive="hue 0", negative="hue 3", gate=""))
    assert names == {"everybody": ""}
    with refused("no direction of user 'user-0'", "those of everybody", error=ConfigError):
        _require_known({"user-0": 1.0}, names)


def test_people_of_a_run_with_pseudonyms_go_by_both_names():
    names = named(fitted(), hide=lambda user: f"p{user[-1]}")
    assert names["p3"] == names["user-3"] == "user-3"
    with refused("those of p0, p1, p2, p3, p4 and 1 more", error=ConfigError):
        _require_known({"zoe": 1.0}, names)
