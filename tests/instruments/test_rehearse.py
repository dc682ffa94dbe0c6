"""`pgbench rehearse` with narrow networks of the published layout, through the whole loop."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from persongen_bench.cli.rehearse import lines, rehearse_app
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, RunError, UnknownNameError
from persongen_bench.instruments.rehearsal import rehearse as rehearsal
from persongen_bench.instruments.rehearsal.rehearse import MARK, METRICS, Rehearsal, rehearse
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
from persongen_bench.stacks.published.files import MANIFESTS
from tests.cases.refusals import refused


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_the_whole_loop_runs_and_leaves_nothing(cache):
    report = rehearse(Rehearsal(n_users=2, n_images=2, tiny=True))
    assert report.facts["n_images"] == 4
    for measured in ("write_seconds", "loop_seconds", "encode_seconds", "seconds_per_image_p50",
                     "peak_memory_mb", "cpu_seconds", "bytes_per_user"):  # fmt: skip
        assert report.facts[measured] > 0
    # Two people, 64 float32 numbers each, and two small headers.
    assert 64 * 4 < report.facts["bytes_per_user"] < 64 * 4 + 200
    assert list(cache.glob("pgbench-*")) == []
    assert not (cache / "cache").exists()


def test_every_file_is_named_with_its_size_and_no_quality_number_is():
    done = CliRunner().invoke(rehearse_app, ["--tiny"])
    assert done.exit_code == 0
    for repo, file in MANIFESTS["sd15"].files():
        line = next(x for x in done.stdout.splitlines() if x.endswith(f"{repo.folder}/{file.path}"))
        assert line.split()[0] == f"{file.n_bytes:,}"
    assert f"{MANIFESTS['sd15'].n_bytes:,}" in done.stdout
    assert not any(metric in done.stdout for metric in (*METRICS, "taste", "permutation"))
    assert "rehearsal" not in registry.entries("boards")


@pytest.mark.slow
def test_sdxl_is_rehearsed_too():
    report = rehearse(Rehearsal(stack="sdxl", tiny=True))
    assert report.facts["n_images"] == 1
    assert "sdxl(" in report.facts["signature"]
    assert any(line.split()[:2] == ["not", "known"] for line in lines(report))


def test_a_folder_is_kept_and_used_again(tmp_path):
    folder = tmp_path / "kept"
    first = rehearse(Rehearsal(tiny=True, folder=folder))
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert json.loads((folder / MARK).read_text()) == {"stack": "sd15", "tiny": True}
    second = rehearse(Rehearsal(tiny=True, folder=folder))
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == times
    assert second.facts["signature"] == first.facts["signature"]
    with pytest.raises(ConfigError, match="holds the weights of"):
        rehearse(Rehearsal(stack="sdxl", tiny=True, folder=folder))


def test_weights_that_are_there_are_never_written_over(tmp_path):
    folder = tmp_path / "real"
    (folder / "stable-diffusion-v1-5").mkdir(parents=True)
    (folder / "stable-diffusion-v1-5" / "model_index.json").write_text("real")
    with pytest.raises(ConfigError, match=r"not empty and without random-weights\.json"):
        rehearse(Rehearsal(tiny=True, folder=folder))
    assert [p.read_text() for p in folder.rglob("*") if p.is_file()] == ["real"]


def test_half_written_weights_are_removed(tmp_path, monkeypatch):
    def fail(folder, *args, **kwargs):
        (folder / "some.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(rehearsal, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        rehearse(Rehearsal(tiny=True, folder=tmp_path / "kept"))
    assert not (tmp_path / "kept").exists()


def test_a_picture_that_is_not_made_fails_the_rehearsal(monkeypatch):
    def fail(self, embeddings, seeds):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(DiffusionDecoder, "decode", fail)
    with pytest.raises(RunError, match="1 of 1 pictures failed: RuntimeError: out of memory"):
        rehearse(Rehearsal(tiny=True))


def test_an_unknown_stack_is_refused():
    with pytest.raises(UnknownNameError, match="no published stack is called 'sd3'"):
        rehearse(Rehearsal(stack="sd3"))


def test_a_lora_is_drawn_with_or_refused(tmp_path):
    from persongen_bench.instruments.rehearsal.rehearse import STACKS
    from persongen_bench.stacks.with_lora import base_of
    from tests.cases import lora_case as case

    folder = tmp_path / "weights"
    rehearse(Rehearsal(tiny=True, folder=folder))
    path = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    shape = base_of(STACKS["sd15"](folder)).layers[path]
    good = case.write(tmp_path / "l.safetensors", case.kohya(case.factors({path: shape})))
    assert rehearse(Rehearsal(tiny=True, folder=folder, lora=good)).facts["n_images"] == 1
    wide = case.kohya(case.factors({path: (1280, 1280)}))
    with refused("in stack sd15 it is"):
        bad = case.write(tmp_path / "w.safetensors", wide)
        rehearse(Rehearsal(tiny=True, folder=folder, lora=bad))
