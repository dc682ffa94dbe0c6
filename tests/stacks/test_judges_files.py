"""Where the judges' files lie, that they are the published ones, and what happens if not."""

from __future__ import annotations

import math
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import constants
from judges_case import HPS_CONFIG, TRUNK, WideClip, folder, judges, noise, repinned
from published_case import FAST, tiny_folder
from typer.testing import CliRunner

from persongen_bench.api import models as model_files
from persongen_bench.cli.models import models_app
from persongen_bench.core.errors import ConfigError, UnknownNameError
from persongen_bench.core.roles import open_role
from persongen_bench.loop.role_record import same_weights
from persongen_bench.stacks.diffusion.hub_layout import WeightFile
from persongen_bench.stacks.judges import clip, files, hps, layouts
from persongen_bench.stacks.judges.checkpoint import fill, read_state
from persongen_bench.stacks.judges.roles import ROLES, Judges
from persongen_bench.stacks.published import configs
from persongen_bench.stacks.published.locate import MissingWeightsError, locate
from persongen_bench.stacks.published.stack import Sd15Stack, SdxlStack
from persongen_bench.stacks.published.verify import verify

PINNED = {f"{repo.folder}/{file.path}": file for repo, file in files.JUDGES.files()}
SIZED = [label for label in layouts._MODULES if PINNED[label].n_bytes is not None]
TOWER = "IP-Adapter/sdxl_models/image_encoder"
OF_ROLE = {
    "aesthetic": files.AESTHETIC_V2, "captioner": files.BLIP, "dino": files.DINO,
    "hps": files.HPS, "inception": files.INCEPTION, "judge_encoder": files.CLIP_336,
    "lpips": files.TRUNKS, "pickscore": files.PICKSCORE, "verifier_encoder": files.VIT_BIG_G,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small(tmp_path_factory, monkeypatch, tmp_path):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("PGBENCH_MODELS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hps, "architecture", lambda: HPS_CONFIG)


@pytest.fixture
def copy(tmp_path):
    """A folder of the judges that a test may change."""
    return Path(shutil.copytree(folder(), tmp_path / "judges"))


# --- the pins --------------------------------------------------------------------------------


@pytest.mark.parametrize("label", SIZED)
def test_the_architecture_gives_the_published_size(label, monkeypatch):
    monkeypatch.undo()
    expected, pinned = layouts.expected(label), PINNED[label].n_bytes
    width = 2 if label.startswith("HPSv2/") else 4
    numbers = width * sum(math.prod(tensor.shape) for tensor in expected)
    if label.startswith(TOWER):  # in half precision, with its positions
        tower = WeightFile("CLIPVisionModelWithProjection", configs.VIT_BIG_G, "F16", True)
        stored = {t.name: t.shape for t in tower.tensors if not t.name.endswith("position_ids")}
        assert {t.name: t.shape for t in expected} == stored
        assert tower.n_bytes == pinned
    elif label.endswith(".safetensors"):
        whole = WeightFile("CLIPModel", {}, "F32")
        ordered = tuple(sorted(expected, key=lambda tensor: tensor.name))
        whole.__dict__["tensors"] = ordered
        assert whole.n_bytes == pinned  # to the byte: header and numbers
    else:
        # torch.save adds names, shapes and an alignment to each tensor, and about 1 kB to all.
        assert 0 < pinned - numbers < 1000 + 500 * (len(expected) + 2)


def test_every_weight_file_is_described_and_all_but_two_were_compared():
    weights = [label for label in PINNED if not label.endswith((".json", ".txt"))]
    assert set(weights) == set(layouts._MODULES)
    unknown = {"HPSv2/HPS_v2_compressed.pt", "PickScore_v1/model.safetensors"}
    assert set(SIZED) == set(weights) - unknown


def test_pickscore_is_described_as_laions_vit_h():
    # PickScore was fine-tuned from laion/CLIP-ViT-H-14-laion2B-s32B-b79K, whose model.safetensors
    # has 3,944,552,236 bytes with the positions that transformers stored then.
    whole = WeightFile("CLIPModel", layouts.PICKSCORE, "F32", position_ids=True)
    assert whole.n_bytes == 3_944_552_236
    shapes = {t.name: t.shape for t in layouts.expected("PickScore_v1/model.safetensors")}
    assert shapes == {t.name: t.shape for t in whole.tensors if "position_ids" not in t.name}


def test_what_is_not_known_is_what_the_module_says():
    unpinned = {label for label, file in PINNED.items() if file.sha256 is None}
    assert unpinned == {
        "HPSv2/HPS_v2_compressed.pt", "PickScore_v1/config.json",
        "PickScore_v1/model.safetensors", "blip-image-captioning-base/config.json",
        f"{TOWER}/config.json",
    }  # fmt: skip
    for repo in files.JUDGES.repos:
        assert repo.license
        for file in repo.files:
            assert file.sha256 is None or len(file.sha256) == 64
            assert file.sha256 is not None or repo.url is None  # nothing else tells an URL's file
    for label in ("alexnet-owt-7be5be79.pth", "vgg16-397923af.pth"):
        pinned = PINNED[f"vision/{label}"].sha256
        assert pinned.startswith(label.rpartition("-")[2].removesuffix(".pth"))


# --- reading ---------------------------------------------------------------------------------


def test_roles_open_nothing_before_they_are_used(tmp_path):
    empty = Judges(locate(files.JUDGES, tmp_path), WideClip)
    for role in ROLES:
        empty.role(role)


@pytest.mark.parametrize("role", ROLES)
def test_missing_weights_are_one_line_with_the_file_and_the_command(copy, role):
    repo = OF_ROLE[role]
    shutil.rmtree(copy / repo.folder)
    manifest = repinned(folder())
    model = Judges(locate(manifest, copy), WideClip).role(role)
    with pytest.raises(MissingWeightsError) as caught:
        _ = model.signature
    message = str(caught.value)
    assert "\n" not in message
    for part in (repo.repo_id, str(copy), "pgbench models pull judges", "PGBENCH_MODELS"):
        assert part in message


@pytest.mark.parametrize("role", ROLES)
def test_e13_a_changed_weight_is_refused_and_a_checksum_is_signed(copy, role):
    place = next(p for p in locate(repinned(copy), copy).of([f"{OF_ROLE[role].folder}/"])
                 if p.path.suffix in (".pt", ".pth", ".bin", ".safetensors")
                 and "v2_" not in p.path.name)  # fmt: skip
    manifest = repinned(copy)
    before = Judges(locate(manifest, copy), WideClip).role(role).signature
    assert "sha256:" in before
    data = bytearray(place.path.read_bytes())
    data[len(data) // 2] ^= 1
    place.path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"sha256 [0-9a-f]{12}\.\.\., expected") as caught:
        _ = Judges(locate(manifest, copy), WideClip).role(role).signature
    assert place.path.name in str(caught.value)
    assert "pgbench models pull judges" in str(caught.value)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "lpips"])
def test_e19_other_weights_have_another_signature(copy, role):
    before = judges().role(role).signature
    assert judges(copy).role(role).signature == before  # the place does not matter
    for place in locate(repinned(copy), copy).of([f"{OF_ROLE[role].folder}/"]):
        if place.path.suffix in (".pt", ".pth", ".bin"):
            state = torch.load(place.path, weights_only=True)
            first = next(iter(state.get("state_dict", state).values()))
            first.view(-1)[0] += 1
            torch.save(state, place.path)
        elif place.path.suffix == ".safetensors":
            data = bytearray(place.path.read_bytes())
            data[-1] ^= 1
            place.path.write_bytes(data)
    assert judges(copy).role(role).signature != before


def test_e19_each_input_of_inception_has_its_own_signature():
    family = judges().role("inception")
    signatures = [family.variant(mode).signature for mode in family.variants]
    assert len(set(signatures)) == 3
    for mode, signature in zip(family.variants, signatures, strict=True):
        assert f"resize:299-{mode}|" in signature


@pytest.mark.parametrize(("change", "said"), [
    (lambda state: state.pop("fc.bias"), "lacks tensor fc.bias (1 in all)"),
    (lambda state: state.update(extra=torch.zeros(1)), "adds tensor extra (1 in all)"),
    (lambda state: state.update({"fc.bias": torch.zeros(7)}),
     "tensor fc.bias has shape (7,), expected (1008,)"),
])  # fmt: skip
def test_a_checkpoint_of_another_model_is_one_line(copy, change, said):
    path = copy / files.INCEPTION.folder / files.INCEPTION.files[0].path
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)
    with pytest.raises(ConfigError) as caught:
        judges(copy).role("inception").encode(noise(1))
    assert str(caught.value) == f"{path}: not the expected model: {said}"


@pytest.mark.parametrize(("role", "file"), [("dino", "model.safetensors"),
                                            ("judge_encoder", "pytorch_model.bin")])  # fmt: skip
def test_a_transformer_with_another_layout_is_one_line(copy, role, file):
    from safetensors.torch import load_file, save_file

    path = copy / OF_ROLE[role].folder / file
    reads, writes = ((load_file, save_file) if file.endswith("safetensors")
                     else (lambda p: torch.load(p, weights_only=True), torch.save))  # fmt: skip
    state = reads(path)
    name = next(k for k in state if k.endswith("fc1.weight"))
    state.pop(name)
    writes(state, path)
    with pytest.raises(ConfigError, match=rf"{file}: not the expected model: lacks tensor .*fc1"):
        judges(copy).role(role).encode(noise(1))


def test_a_checkpoint_with_code_is_refused(tmp_path):
    class Sly:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "run",))

    torch.save({"state_dict": Sly()}, tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=r"model\.pt: not a checkpoint of tensors"):
        read_state(tmp_path / "model.pt")
    assert not (tmp_path / "run").exists()


def test_a_file_without_its_key_or_that_is_none_is_one_line(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"model": {}}, path)
    with pytest.raises(ConfigError, match=r"expected the key 'state_dict', found \['model'\]"):
        read_state(path, inside="state_dict")
    torch.save({"state_dict": {"a": 3}}, path)
    with pytest.raises(ConfigError, match="expected a dictionary of tensors"):
        read_state(path, inside="state_dict")
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ConfigError, match="not a checkpoint of tensors"):
        read_state(path)


def test_filling_widens_half_precision(tmp_path):
    layer = torch.nn.Linear(2, 1)
    half = {"weight": torch.ones(1, 2).half(), "bias": torch.ones(1).half()}
    filled = fill(layer, half, tmp_path / "x")
    assert filled.weight.dtype == torch.float32
    assert not filled.training
    assert not filled.weight.requires_grad


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_e25_openais_clip_needs_quick_gelu(copy, activation):
    path = copy / files.CLIP_336.folder / "config.json"
    path.write_text(path.read_text().replace('"quick_gelu"', f'"{activation}"'))
    with pytest.raises(ConfigError, match=rf"hidden_act is '{activation}', .* need 'quick_gelu'"):
        _ = judges(copy).role("judge_encoder").signature


def test_e25_the_stacks_clip_needs_quick_gelu(tmp_path):
    place = Path(shutil.copytree(tiny_folder("sd15"), tmp_path / "sd15"))
    path = place / "clip-vit-large-patch14" / "config.json"
    path.write_text(path.read_text().replace('"quick_gelu"', '"gelu"'))
    with pytest.raises(ConfigError, match=r"config\.json: text_config\.hidden_act is 'gelu'"):
        Sd15Stack(place, FAST).role("clip")


def test_e25_the_image_tower_of_big_g_needs_gelu(copy):
    path = copy / files.VIT_BIG_G.folder / files.VIT_BIG_G.files[0].path
    path.write_text(path.read_text().replace('"gelu"', '"quick_gelu"'))
    with pytest.raises(ConfigError, match=r"config\.json: hidden_act is 'quick_gelu', .* 'gelu'"):
        _ = judges(copy).role("verifier_encoder").signature


def test_a_broken_configuration_is_one_line(copy):
    for role, reader in (("judge_encoder", "CLIP"), ("dino", "DINOv2"), ("captioner", "BLIP"),
                         ("verifier_encoder", "CLIP tower")):  # fmt: skip
        config = next(f.path for f in OF_ROLE[role].files if f.path.endswith("config.json"))
        (copy / OF_ROLE[role].folder / config).write_text("not json")
        with pytest.raises(
            ConfigError, match=rf"config\.json: not the configuration of a {reader}"
        ):
            _ = judges(copy).role(role).signature


# --- in a stack ------------------------------------------------------------------------------


def test_a_stack_works_without_any_judge():
    stack = Sd15Stack(tiny_folder("sd15"), FAST)
    assert not set(ROLES) & set(stack.roles)  # a named folder without the folder `judges`
    assert set(ROLES) < set(Sd15Stack(settings=FAST).roles)
    assert stack.role("clip").encode(noise(1)).shape == (1, 32)
    for role in ROLES:
        with pytest.raises(MissingWeightsError, match="pgbench models pull judges"):
            _ = stack.role(role).signature
    before = stack.signature
    place = Path(stack.places.root) / "judges"
    assert not place.exists()
    assert Sd15Stack(tiny_folder("sd15"), FAST).signature == before


def test_a_stack_finds_its_judges(tmp_path, monkeypatch):
    place = Path(shutil.copytree(tiny_folder("sd15"), tmp_path / "sd15"))
    (place / "judges").symlink_to(folder())
    bare = Sd15Stack(tiny_folder("sd15"), FAST).signature
    import persongen_bench.stacks.published.stack as module

    monkeypatch.setattr(module, "JUDGES", repinned(folder()))
    stack = Sd15Stack(place, FAST)
    assert stack.signature == bare  # a run that needs no judge does not depend on them
    assert set(ROLES) < set(stack.roles)
    larger = stack.role("clip").variant("336")
    assert larger.signature == stack.role("judge_encoder").signature
    assert larger.signature.startswith("openai-clip-336|in:u8|resize:28-bicubic-pil-crop")
    assert stack.role("clip").signature in stack.role("aesthetic").signature
    assert stack.role("hps") is stack.role("hps")


def test_the_tower_that_an_adapter_was_trained_on_is_known_again_by_its_weights(
    tmp_path, monkeypatch
):
    """On ``sdxl`` the role ``image_encoder`` is ViT-bigG as well: a method in it is marked."""
    import persongen_bench.stacks.published.stack as module

    place = Path(shutil.copytree(tiny_folder("sdxl"), tmp_path / "sdxl"))
    root = Path(shutil.copytree(folder(), place / "judges"))
    shutil.rmtree(root / "IP-Adapter")
    shutil.copytree(place / "IP-Adapter", root / "IP-Adapter")
    monkeypatch.setattr(module, "JUDGES", repinned(root))
    stack, other = SdxlStack(place, FAST), Sd15Stack(tiny_folder("sd15"), FAST)
    verifier = open_role(stack, "verifier_encoder")
    same = stack.role("image_encoder")
    assert same_weights(f"verifier@neumf-paper|{verifier.signature}", same.signature)
    assert not same_weights(verifier.signature, other.role("image_encoder").signature)
    np.testing.assert_allclose(verifier.encode(noise(2)), same.encode(noise(2)), atol=1e-5)
    assert open_role(other, "verifier_encoder") is other.role("image_encoder")  # has no judges


def test_no_connection_is_opened(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for role in ROLES:
        model = judges().role(role)
        assert model.describe(noise(1)) if role == "captioner" else model.encode(noise(1)).size


# --- the commands ----------------------------------------------------------------------------


def command(*arguments):
    return CliRunner().invoke(models_app, [str(a) for a in arguments])


def test_where_names_the_judges_and_their_sizes(tmp_path):
    done = command("where", "judges", "--folder", tmp_path)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert "  missing        3,714,759  sac+logos+ava1-l14-linearMSE.pth" in lines
    assert "  missing   size not known  HPS_v2_compressed.pt" in lines
    assert sum(line.startswith("  missing") for line in lines) == len(PINNED) == 18


def test_verify_checks_sizes_tensors_and_checksums(copy):
    manifest = repinned(copy)
    places = locate(manifest, copy)
    found = {check.place.label: check for check in verify(places)}
    ours = found[f"{files.INCEPTION.folder}/{files.INCEPTION.files[0].path}"]
    assert (ours.state, ours.detail) == ("ok", "size and sha256")
    # Right in size and checksum by this manifest, but narrower than the published networks.
    for label, name in (
        ("dinov2-large/model.safetensors", "encoder.layer.0"),
        ("clip-vit-large-patch14-336/pytorch_model.bin", "text_model.encoder.layers.10"),
        ("PickScore_v1/model.safetensors", "text_model.encoder.layers.10"),
        ("blip-image-captioning-base/pytorch_model.bin", "text_decoder.bert"),
        (f"{TOWER}/model.safetensors", "vision_model.encoder.layers.10"),
    ):
        assert found[label].state == "wrong"
        assert f"lacks tensor {name}" in found[label].detail
    path = copy / "improved-aesthetic-predictor" / files.AESTHETIC_V2.files[0].path
    path.write_bytes(b"x" * path.stat().st_size)
    found = {check.place.label: check for check in verify(places)}
    assert found[f"improved-aesthetic-predictor/{path.name}"].state == "wrong"
    assert found[f"{files.TRUNKS.folder}/{TRUNK}"].state == "ok"


def test_verify_says_what_is_not_pinned(copy):
    whole = repinned(copy)
    repos = tuple(
        replace(repo, files=tuple(replace(f, sha256=None, n_bytes=None) for f in repo.files))
        for repo in whole.repos
    )
    places = locate(replace(whole, repos=repos), copy)
    found = {check.place.label: check.detail for check in verify(places)}
    label = f"{files.AESTHETIC_V1.folder}/{files.AESTHETIC_V1.files[0].path}"
    assert found[label] == "there; neither size nor sha256 pinned"


def test_pull_fetches_from_both_places_and_checks_what_it_got(tmp_path, monkeypatch):
    manifest = repinned(folder())
    monkeypatch.setattr(model_files, "JUDGES", manifest)
    asked = []

    def from_hub(repo_id, *, revision, allow_patterns, local_dir):
        asked.append((repo_id, revision))
        for path in allow_patterns:
            (Path(local_dir) / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder() / repo_id.rpartition("/")[2] / path, Path(local_dir) / path)

    def from_url(url, target, digest):
        asked.append(url)
        assert len(digest) == 64
        shutil.copy(folder() / Path(target).parent.name / Path(target).name, target)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", from_hub)
    monkeypatch.setattr(torch.hub, "download_url_to_file", from_url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    places = model_files.pull("judges", tmp_path / "target")
    assert not places.missing
    github = "https://raw.githubusercontent.com/christophschuhmann/improved-aesthetic-predictor"
    commit = "6934dd81792f086e613a121dbce43082cb8be85e"
    assert f"{github}/{commit}/sac%2Blogos%2Bava1-l14-linearMSE.pth" in asked
    assert ("xswu/HPSv2", "697403c78157020a1ae59d23f111aa58ced35b0a") in asked
    asked.clear()
    model_files.pull("judges", tmp_path / "target")
    assert asked == []  # what is there is not fetched again


def test_a_failed_download_is_one_line(tmp_path, monkeypatch):
    def broken(url, target, digest):
        raise RuntimeError('invalid hash value (expected "21dd", got "0000")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", broken)
    monkeypatch.setattr(model_files, "JUDGES",
                        replace(files.JUDGES, repos=(files.AESTHETIC_V2,)))  # fmt: skip
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ConfigError, match=r"linearMSE\.pth failed .*invalid hash value"):
        model_files.pull("judges", tmp_path)


def test_files_off_the_hub_lie_in_our_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    places = locate(files.JUDGES)
    assert places.folder(files.TRUNKS) == tmp_path / "cache" / "models" / "vision"
    assert places.folder(files.HPS).parts[-4:-2] == ("hub", "models--xswu--HPSv2")
    monkeypatch.setenv("PGBENCH_MODELS", str(tmp_path))
    (tmp_path / "judges").mkdir()
    assert locate(files.JUDGES).folder(files.TRUNKS) == tmp_path / "judges" / "vision"


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        UnknownNameError, match=r"'sd3'\. Did you mean .* Choose sd15 or sdxl or judges"
    ):
        model_files.where("sd3", None)
    assert clip.CONTEXT == 77
