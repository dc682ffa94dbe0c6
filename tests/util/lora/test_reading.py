"""LoRA files of every naming: right to 1e-6, or refused in one line; never silently nothing."""

import json
import zipfile

import numpy as np
import pytest

from persongen_bench.core.errors import DataError
from persongen_bench.util.lora.reading import read_lora
from persongen_bench.util.lora.writing import from_adapter, to_adapter, write_lora
from tests.cases import lora_case as case
from tests.cases.lora_case import ATTENTION, BASE, BLOCK, LAYERS, LINEAR
from tests.cases.refusals import refused

PAIRS = case.factors()
LINEAR_PAIRS = {path: PAIRS[path] for path in LINEAR}
ATTENTION_PAIRS = {path: PAIRS[path] for path in ATTENTION}
Q = f"{BLOCK}.transformer_blocks.0.attn1.to_q"
KOHYA_Q = f"lora_unet_{Q.replace('.', '_')}"
MIXED = {
    path: pair
    for k, path in enumerate(LAYERS)
    for pair in [case.factors({path: LAYERS[path]}, 1 + k)[path]]
}
DIFFUSERS_META = {"lora_adapter_metadata": json.dumps({"unet.r": 3, "unet.lora_alpha": 6})}
HALF = {path: tuple(part.astype(np.float16) for part in pair) for path, pair in PAIRS.items()}
ORIGINAL = {
    "input_blocks_1_1_transformer_blocks_0_attn1_to_q": Q,
    "input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
    "input_blocks_1_1_proj_in": f"{BLOCK}.proj_in",
}


def original(head, dots):
    """The blocks' numbers of the original models."""
    named = {}
    for name, path in ORIGINAL.items():
        said = head + (
            name.replace("_blocks_", "_blocks.", 1).replace("_1_", ".1.", 1) if dots else name
        )
        down, up = PAIRS[path]
        named |= {f"{said}.lora_down.weight": down, f"{said}.lora_up.weight": up}
    return named


COMFY = {
    f"diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.lora_{side}.weight": part
    for side, part in zip(("A", "B"), PAIRS[Q], strict=True)
}
GOOD = {
    "kohya": (case.kohya(PAIRS), PAIRS, 1.0, None),
    "kohya-alpha": (case.kohya(PAIRS, alpha=1.5), PAIRS, 0.5, None),
    "kohya-ranks-differ": (case.kohya(MIXED), MIXED, 1.0, None),
    "kohya-fp16": (case.kohya(HALF, alpha=6), HALF, 2.0, None),
    "kohya-negative-alpha": (case.kohya(PAIRS, alpha=-3), PAIRS, -1.0, None),
    "lycoris": (case.kohya(PAIRS, 3, head="lycoris_"), PAIRS, 1.0, None),
    "original-kohya": (
        original("lora_unet_", False),
        {p: PAIRS[p] for p in ORIGINAL.values()},
        1.0,
        None,
    ),
    "comfy": (COMFY, {Q: PAIRS[Q]}, 1.0, None),
    "peft": (case.dotted(PAIRS, "base_model.model."), PAIRS, 1.0, None),
    "peft-named": (
        case.dotted(PAIRS, "base_model.model.", ".lora_A.default.weight", ".lora_B.default.weight"),
        PAIRS,
        1.0,
        None,
    ),
    "diffusers": (case.dotted(PAIRS, "unet."), PAIRS, 1.0, None),
    "diffusers-metadata": (case.dotted(PAIRS, "unet."), PAIRS, 2.0, DIFFUSERS_META),
    "diffusers-linear-layer": (
        case.dotted(
            LINEAR_PAIRS, "unet.", ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"
        ),
        LINEAR_PAIRS,
        1.0,
        None,
    ),
    "diffusers-dots": (
        case.dotted(LINEAR_PAIRS, "unet.", ".lora.down.weight", ".lora.up.weight"),
        LINEAR_PAIRS,
        1.0,
        None,
    ),
    "diffusers-processors": (case.processors(ATTENTION_PAIRS), ATTENTION_PAIRS, 1.0, None),
    "diffusers-processors-bare": (
        case.processors(ATTENTION_PAIRS, head=""),
        ATTENTION_PAIRS,
        1.0,
        None,
    ),
    "bare-paths": (case.dotted(PAIRS, ""), PAIRS, 1.0, None),
    "one-layer": (case.kohya({Q: PAIRS[Q]}), {Q: PAIRS[Q]}, 1.0, None),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_gives_the_change_of_weights_it_says(name, tmp_path):
    tensors, pairs, scale, metadata = GOOD[name]
    read = read_lora(case.write(tmp_path / "lora.safetensors", tensors, metadata), BASE)
    assert set(read.layers) == set(pairs)
    for path, layer in read.layers.items():
        assert layer.up.dtype == layer.down.dtype == np.float32
        assert layer.shape == LAYERS[path]
        assert layer.rank == len(pairs[path][0])
        np.testing.assert_allclose(layer.change, case.change(pairs[path], scale), atol=1e-6)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    read = read_lora(case.write_bf16(tmp_path / "lora.safetensors", case.kohya(PAIRS)), BASE)
    for path, layer in read.layers.items():
        rounded = tuple(case.bf16(part)[0] for part in PAIRS[path])
        np.testing.assert_allclose(layer.change, case.change(rounded), atol=1e-6)


def test_a_linear_layer_may_be_written_as_a_convolution_and_the_other_way(tmp_path):
    down, up = PAIRS[Q]
    flat_down, flat_up = (part[:, :, 0, 0] for part in PAIRS[f"{BLOCK}.proj_in"])
    pairs = {
        Q: (down[..., None, None], up[..., None, None]),
        f"{BLOCK}.proj_in": (flat_down, flat_up),
    }
    read = read_lora(case.write(tmp_path / "lora.safetensors", case.kohya(pairs)), BASE)
    assert read.layers[Q].shape == (8, 8)
    assert read.layers[f"{BLOCK}.proj_in"].shape == (8, 8, 1, 1)


def test_text_encoders_are_left_out_on_purpose_only(tmp_path):
    tensors = case.kohya(PAIRS) | {
        f"{case.TEXT}.lora_down.weight": np.ones((2, 4), np.float32),
        f"{case.TEXT}.lora_up.weight": np.ones((4, 2), np.float32),
    }
    file = case.write(tmp_path / "lora.safetensors", tensors)
    with refused("2 tensors belong to a text encoder", "--only unet", error=DataError):
        read_lora(file, BASE)
    read = read_lora(file, BASE, only="unet")
    assert set(read.layers) == set(PAIRS)
    assert read.notes[0] == "left out 2 tensors of text encoders"


@pytest.mark.parametrize("root", [False, True])
def test_pefts_folder_says_its_alpha_beside_the_weights(root, tmp_path):
    case.write(tmp_path / "adapter_model.safetensors", case.dotted(PAIRS, "base_model.model."))
    config = {"lora_alpha": 9, "use_rslora": root, "alpha_pattern": {"attn1.to_q": 3}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    read = read_lora(tmp_path, BASE)
    divisor = np.sqrt(3) if root else 3
    for path, layer in read.layers.items():
        scale = (3 if path == Q else 9) / divisor
        np.testing.assert_allclose(layer.change, case.change(PAIRS[path], scale), atol=1e-5)


@pytest.mark.parametrize("naming", ["diffusers", "kohya", "peft"])
def test_what_is_written_reads_as_it_was(naming, tmp_path):
    lora = read_lora(case.write(tmp_path / "a.safetensors", case.kohya(MIXED, alpha=2)), BASE)
    place = tmp_path / ("folder" if naming == "peft" else "b.safetensors")
    write_lora(lora, place, naming)
    again = read_lora(place, BASE)
    assert again.digest == lora.digest


def test_an_adapter_and_back(tmp_path):
    lora = read_lora(case.write(tmp_path / "a.safetensors", case.kohya(PAIRS, alpha=2)), BASE)
    assert from_adapter(to_adapter(lora)).digest == lora.digest


def without(tensors, end):
    return {name: array for name, array in tensors.items() if not name.endswith(end)}


def with_one(value, name=f"{KOHYA_Q}.lora_up.weight"):
    tensors = case.kohya(PAIRS, alpha=3)
    return tensors | {name: np.asarray(value, dtype=tensors[name].dtype)}


NAN = np.where(np.eye(8, 3) > 0, np.nan, 0)
OTHER_Q = {Q: case.factors({Q: (16, 16)})[Q]}
BAD = {
    "dora": (case.kohya(PAIRS) | {f"{KOHYA_Q}.dora_scale": np.ones((8, 1), np.float32)}, "DoRA"),
    "dora-peft": (
        case.dotted(PAIRS, "unet.") | {f"unet.{Q}.lora_magnitude_vector": np.ones(8, np.float32)},
        "DoRA",
    ),
    "loha": ({f"{KOHYA_Q}.hada_w1_a": np.ones((8, 2), np.float32)}, "LoHa"),
    "lokr": ({f"{KOHYA_Q}.lokr_w1": np.ones((2, 2), np.float32)}, "LoKr"),
    "tucker": (
        case.kohya(PAIRS) | {f"{KOHYA_Q}.lora_mid.weight": np.ones((3, 3, 3, 3), np.float32)},
        "Tucker",
    ),
    "full-difference": ({f"{KOHYA_Q}.diff": np.ones((8, 8), np.float32)}, "full differences"),
    "bias": (
        case.dotted(PAIRS, "unet.") | {f"unet.{Q}.lora_B.bias": np.ones(8, np.float32)},
        "biases",
    ),
    "flux": (
        {
            "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": np.ones(
                (2, 8), np.float32
            )
        },
        "FLUX",
    ),
    "flux-kohya": (
        {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": np.ones((2, 8), np.float32)},
        "FLUX",
    ),
    "no-up": (
        without(case.kohya(PAIRS), f"{KOHYA_Q[-5:]}.lora_up.weight"),
        "the up matrix is missing",
    ),
    "no-down": (
        without(case.kohya(PAIRS), f"{KOHYA_Q[-5:]}.lora_down.weight"),
        "the down matrix is missing",
    ),
    "alpha-alone": ({f"{KOHYA_Q}.alpha": np.ones((), np.float32)}, "is missing"),
    "ranks": (with_one(np.ones((8, 4))), "the ranks differ"),
    "nan": (with_one(NAN), "NaN"),
    "alpha-0": (with_one(0, f"{KOHYA_Q}.alpha"), "alpha is 0"),
    "alpha-vector": (with_one([1, 2], f"{KOHYA_Q}.alpha"), "expected one number"),
    "rank-0": (
        case.kohya({Q: (np.ones((0, 8), np.float32), np.ones((8, 0), np.float32))}),
        "no factors",
    ),
    "three-dimensions": (with_one(np.ones((8, 3, 1))), "no factors"),
    "kernel-in-up": (
        with_one(
            np.ones((8, 3, 3, 3)), f"lora_unet_{BLOCK.replace('.', '_')}_proj_in.lora_up.weight"
        ),
        "kernel",
    ),
    "twice": (case.kohya(PAIRS) | case.dotted(PAIRS, "unet."), "the same factor"),
    "other-base": (case.kohya(OTHER_Q), "in the small base it is (8, 8)"),
    "unknown-layer": (case.kohya(case.factors({"up_blocks.3.conv1": (8, 8)})), "does not have"),
    "checkpoint": (
        {"model.diffusion_model.input_blocks.1.1.proj_in.weight": np.ones((8, 8), np.float32)},
        "no tensor of a LoRA",
    ),
    "embedding": ({"emb_params": np.ones((2, 8), np.float32)}, "new words"),
    "no-tensors": ({}, "no LoRA of a UNet"),
    "zeros": (
        case.kohya({p: (d, np.zeros_like(u)) for p, (d, u) in PAIRS.items()}),
        "changes nothing",
    ),
    "whole-numbers": (
        {name: np.ones_like(a, dtype=np.int32) for name, a in case.kohya(PAIRS).items()},
        "whole numbers",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_plain_lora_is_refused_in_one_line(name, tmp_path):
    tensors, message = BAD[name]
    file = case.write(tmp_path / "lora.safetensors", tensors)
    with refused("lora.safetensors", message, error=DataError):
        read_lora(file, BASE)


def zip_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", b"\0" * 10_000_000)


def cut(path):
    case.write(path, case.kohya(PAIRS))
    path.write_bytes(path.read_bytes()[:-50])


FILES = {
    "truncated.safetensors": (cut, "not a safetensors file"),
    "garbage.safetensors": (
        lambda p: p.write_bytes(bytes(range(256)) * 20),
        "not a safetensors file",
    ),
    "huge-header.safetensors": (lambda p: p.write_bytes(b"\xff" * 64), "not a safetensors file"),
    "empty.safetensors": (lambda p: p.write_bytes(b""), "empty"),
    "page.safetensors": (lambda p: p.write_text("<!doctype html><html>"), "web page"),
    "bomb.safetensors": (zip_bomb, "zip archive"),
    "pickle.safetensors": (lambda p: p.write_bytes(b"\x80\x02}q\x00."), "pickle"),
    "lora.pt": (lambda p: p.write_bytes(b"\x80\x02}q\x00."), "hold pickle"),
    "lora.ckpt": (zip_bomb, "hold pickle"),
    "folder": (lambda p: p.mkdir(), "a folder with 0"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_safetensors_file_is_refused_in_one_line(name, tmp_path):
    make, message = FILES[name]
    make(tmp_path / name)
    with refused(name, message, error=DataError):
        read_lora(tmp_path / name, BASE)


def test_a_missing_file_is_refused(tmp_path):
    with refused("no such LoRA file", error=DataError):
        read_lora(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"lora_alpha": "many"}, "expected numbers"),
        ({"alpha_pattern": {"(a+)+b": 3}}, "not a name"),
        ([1], "holds no settings"),
    ],
)
def test_settings_beside_the_weights_that_nobody_can_follow(config, message, tmp_path):
    case.write(tmp_path / "adapter_model.safetensors", case.dotted(PAIRS, "base_model.model."))
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with refused(message, error=DataError):
        read_lora(tmp_path, BASE)


def test_a_type_of_number_that_nobody_asked_for(tmp_path):
    file = tmp_path / "lora.safetensors"
    header = json.dumps(
        {"a.lora_A.weight": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
    )
    header += " " * (-len(header) % 8)
    file.write_bytes(len(header).to_bytes(8, "little") + header.encode() + b"\0\0")
    with refused("F8_E4M3", error=DataError):
        read_lora(file)
