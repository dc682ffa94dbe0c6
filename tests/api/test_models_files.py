"""`pgbench models pull | where | verify` on a miniature of the published files.

`pulled` makes a stack whose published sizes and checksums are those of the miniature, so that
every answer can be had; what `snapshot_download` would send is copied from there.
"""

from __future__ import annotations

import inspect
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from published_case import tiny_folder
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from persongen_bench.api import models as model_files
from persongen_bench.cli.models import models_app
from persongen_bench.core.errors import ConfigError, UnknownNameError
from persongen_bench.stacks.published import verify as verify_module
from persongen_bench.stacks.published.blueprints import TINY
from persongen_bench.stacks.published.files import MANIFESTS, SD15
from persongen_bench.stacks.published.locate import MissingWeightsError, locate
from persongen_bench.stacks.published.verify import verify
from persongen_bench.util.files import file_sha256

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
N_FILES = 21  # of sd15: 12 of the pipeline, 3 of the IP-Adapter, 6 of CLIP


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PGBENCH_MODELS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def pulled(tmp_path, monkeypatch):
    """A folder of sd15, and the manifest that it fulfils."""
    folder = Path(shutil.copytree(tiny_folder("sd15"), tmp_path / "models"))
    monkeypatch.setitem(MANIFESTS, "sd15", repinned(folder))
    monkeypatch.setitem(verify_module.FULL, "sd15", TINY["sd15"])
    return folder


def repinned(folder):
    repos = []
    for repo in SD15.repos:
        found = [
            replace(f, n_bytes=path.stat().st_size, sha256=file_sha256(path))
            for f in repo.files
            if (path := folder / repo.folder / f.path)
        ]
        repos.append(replace(repo, files=tuple(found)))
    return replace(SD15, repos=tuple(repos))


def states(folder, **options):
    checks = verify(locate(MANIFESTS["sd15"], folder), **options)
    return {check.place.label: (check.state, check.detail) for check in checks}


def label(path):
    return f"{SD15.repos[0].folder}/{path}"


# --- verify ----------------------------------------------------------------------------------


def test_whole_files_are_right(pulled):
    found = states(pulled)
    assert len(found) == N_FILES
    assert set(found.values()) == {("ok", "size and sha256")}
    assert set(states(pulled, checksums=False).values()) == {("ok", "size; sha256 not computed")}


def test_a_changed_byte_is_found_by_its_checksum_alone(pulled):
    path = pulled / label(UNET)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    state, detail = states(pulled)[label(UNET)]
    assert state == "wrong"
    assert detail.startswith(f"sha256 {file_sha256(path)[:12]}")
    assert states(pulled, checksums=False)[label(UNET)][0] == "ok"


def test_a_cut_file_is_found_by_its_size(pulled):
    path = pulled / label(UNET)
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    assert states(pulled)[label(UNET)] == ("wrong", f"{whole - 1:,} bytes, expected {whole:,}")


def test_another_model_in_the_right_place_is_found_by_its_tensors(pulled, monkeypatch):
    path = pulled / label("text_encoder/model.fp16.safetensors")
    values = load_file(path)
    values["text_model.final_layer_norm.weights"] = values.pop("text_model.final_layer_norm.weight")
    save_file(values, path, metadata={"format": "pt"})
    monkeypatch.setitem(MANIFESTS, "sd15", repinned(pulled))
    state, detail = states(pulled)[label("text_encoder/model.fp16.safetensors")]
    assert (state, detail) == (
        "wrong", "lacks tensor text_model.final_layer_norm.weight (1 in all)"
    )  # fmt: skip


def test_what_is_not_pinned_is_said_to_be_unpinned(pulled, monkeypatch):
    whole = MANIFESTS["sd15"]
    first, *rest = whole.repos[0].files
    for file, said in (
        (replace(first, sha256=None), "size; sha256 not pinned"),
        (replace(first, sha256=None, n_bytes=None), "there; neither size nor sha256 pinned"),
    ):
        repo = replace(whole.repos[0], files=(file, *rest))
        monkeypatch.setitem(MANIFESTS, "sd15", replace(whole, repos=(repo, *whole.repos[1:])))
        assert states(pulled)[label(first.path)] == ("ok", said)


def test_the_miniature_does_not_pass_for_the_published_model():
    found = {check.place.label: check for check in verify(locate(SD15, tiny_folder("sd15")))}
    assert found[label(UNET)].state == "wrong"
    assert found[label(UNET)].detail.endswith("expected 1,719,125,304")
    assert found[label("scheduler/scheduler_config.json")].state == "ok"  # its text is published


# --- the commands ----------------------------------------------------------------------------


def command(*arguments):
    return CliRunner().invoke(models_app, [str(a) for a in arguments])


def test_where_prints_every_file(pulled):
    (pulled / label(UNET)).unlink()
    done = command("where", "sd15", "--folder", pulled)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert sum(line.startswith("  found") for line in lines) == N_FILES - 1
    size = MANIFESTS["sd15"].repos[0].files[9].n_bytes
    assert f"  missing {size:>16,}  {UNET}" in lines
    assert lines[-1].endswith(f"; 1 missing, {size:,} bytes")
    for repo in SD15.repos:
        assert f"{repo.repo_id} at {repo.revision} ({repo.license})" in lines
    assert "safety checker is off" in done.stdout
    assert "taken off the hub" in done.stdout  # why the mirror


def test_where_names_the_published_sizes_where_nothing_is_there():
    done = command("where", "sdxl")
    lines = done.stdout.splitlines()
    assert f"  missing    5,135,149,760  {UNET}" in lines
    assert "  missing   size not known  sdxl_models/image_encoder/config.json" in lines
    assert lines[-1].startswith("27 files, 13,045,717,731 bytes; 27 missing")


def test_verify_prints_and_tells_by_its_status(pulled):
    done = command("verify", "sd15", "--folder", pulled)
    assert done.exit_code == 0
    assert (
        done.stdout.splitlines()[-1] == "21 of 21 files are right; 0 without a published checksum"
    )
    (pulled / label(UNET)).unlink()
    done = command("verify", "sd15", "--folder", pulled, "--no-checksums")
    assert done.exit_code == 1
    assert f"missing {label(UNET)}: not there" in done.stdout.splitlines()


def test_an_unknown_stack_is_named_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"'sd3'\. Did you mean .*Choose sd15 or sdxl"):
        model_files.where("sd3", None)


# --- pull ------------------------------------------------------------------------------------


class Hub:
    """Stands for the hub: copies what is asked for, and takes only arguments the library takes."""

    signature = inspect.signature(huggingface_hub.snapshot_download)

    def __init__(self, source, monkeypatch):
        self.source, self.calls, self.deliver = source, [], True
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self)

    def __call__(self, *args, **kwargs):
        asked = self.signature.bind(*args, **kwargs).arguments
        self.calls.append(asked)
        repo = next(r for r in SD15.repos if r.repo_id == asked["repo_id"])
        stored = f"models--{repo.repo_id.replace('/', '--')}/snapshots/{asked['revision']}"
        target = asked.get("local_dir") or Path(constants.HF_HUB_CACHE) / stored
        for path in asked["allow_patterns"] if self.deliver else ():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.source / repo.folder / path, target / path)


def test_pull_fetches_the_pinned_files_and_no_others(pulled, tmp_path, monkeypatch):
    hub = Hub(pulled, monkeypatch)
    places = model_files.pull("sd15", tmp_path / "new")
    assert places.missing == ()
    asked = {call["repo_id"]: (call["revision"], set(call["allow_patterns"])) for call in hub.calls}
    assert asked == {r.repo_id: (r.revision, {f.path for f in r.files}) for r in SD15.repos}


def test_pull_goes_to_the_cache_where_no_folder_is_named(pulled, monkeypatch):
    Hub(pulled, monkeypatch)
    places = model_files.pull("sd15", None)
    assert not places.local
    assert locate(MANIFESTS["sd15"]).missing == ()


def test_pull_goes_where_the_variable_says(pulled, tmp_path, monkeypatch):
    Hub(pulled, monkeypatch)
    monkeypatch.setenv("PGBENCH_MODELS", str(tmp_path / "all"))
    assert model_files.pull("sd15", None).root == tmp_path / "all" / "sd15"


def test_pull_asks_only_for_what_is_missing_or_cut(pulled, tmp_path, monkeypatch):
    part = Path(shutil.copytree(pulled, tmp_path / "part"))
    (part / label(UNET)).write_bytes(b"cut")
    (part / label("model_index.json")).unlink()
    hub = Hub(pulled, monkeypatch)
    model_files.pull("sd15", part)
    assert [set(call["allow_patterns"]) for call in hub.calls] == [{UNET, "model_index.json"}]
    model_files.pull("sd15", part)
    assert len(hub.calls) == 1  # nothing left to ask for


def test_an_answer_without_files_is_not_taken_for_a_download(pulled, tmp_path, monkeypatch):
    # Offline, the library returns the folder there is with no more than a log line.
    Hub(pulled, monkeypatch).deliver = False
    with pytest.raises(MissingWeightsError, match="and 20 more"):
        model_files.pull("sd15", tmp_path / "new")


def test_a_failed_download_is_one_line(pulled, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise ConnectionError("no\nroute")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(ConfigError) as caught:
        model_files.pull("sd15", tmp_path / "new")
    assert "\n" not in str(caught.value)
    assert "stable-diffusion-v1-5: the download failed (ConnectionError: no route)" in str(
        caught.value
    )


def test_offline_is_offline(pulled, tmp_path, monkeypatch):
    hub = Hub(pulled, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model_files.pull("sd15", pulled)  # everything is there: nothing to refuse
    with pytest.raises(ConfigError, match="21 files are missing, and HF_HUB_OFFLINE"):
        model_files.pull("sd15", tmp_path / "new")
    assert hub.calls == []


def test_too_little_room_is_found_before_the_download(pulled, tmp_path, monkeypatch):
    hub = Hub(pulled, monkeypatch)
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10, 9, 1))
    with pytest.raises(ConfigError, match=r"are needed, 0\.0 GB are free"):
        model_files.pull("sd15", tmp_path / "new")
    assert hub.calls == []
