"""Names of layers: those of the original models lead to the layers that diffusers' code says."""

from types import SimpleNamespace

import pytest
from diffusers.loaders.lora_conversion_utils import (
    _convert_unet_lora_key,
    _maybe_map_sgm_blocks_to_diffusers,
)

from persongen_bench.api.lora_files import group_of, known_base
from persongen_bench.util.lora.names import module_path

ATTENTION = ("to_q", "to_k", "to_v", "to_out_0")
LAYERS = (
    *(f"attn{k}_{name}" for k in (1, 2) for name in ATTENTION), "ff_net_0_proj", "ff_net_2",
)  # fmt: skip
DEPTHS = {  # SDXL, sgm configuration sd_xl_base.yaml: transformer_depth [1, 2, 10]
    **{f"input_blocks_{k}_1": 2 for k in (4, 5)}, **{f"input_blocks_{k}_1": 10 for k in (7, 8)},
    "middle_block_1": 10,
    **{f"output_blocks_{k}_1": 10 for k in (0, 1, 2)},
    **{f"output_blocks_{k}_1": 2 for k in (3, 4, 5)},
}  # fmt: skip
ORIGINAL = [
    f"{place}_transformer_blocks_{k}_{layer}"
    for place, depth in DEPTHS.items() for k in range(depth) for layer in LAYERS
]  # fmt: skip
RESNETS = {
    "input_blocks_0_0": "conv_in",
    "input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
    "input_blocks_2_0_emb_layers_1": "down_blocks.0.resnets.1.time_emb_proj",
    "input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
    "input_blocks_4_0_skip_connection": "down_blocks.1.resnets.0.conv_shortcut",
    "middle_block_2_out_layers_3": "mid_block.resnets.1.conv2",
    "output_blocks_2_2_conv": "up_blocks.0.upsamplers.0.conv",
    "output_blocks_8_0_out_layers_3": "up_blocks.2.resnets.2.conv2",
    "time_embed_0": "time_embedding.linear_1",
    "label_emb_0_2": "add_embedding.linear_2",
    "out_2": "conv_out",
}
"""By hand from sgm's `openaimodel.UNetModel` and diffusers' conversion script of SDXL."""


@pytest.fixture(scope="module")
def sdxl():
    return known_base("sdxl")


def test_every_attention_layer_of_sdxl_has_an_original_name(sdxl):
    paths = {module_path(f"lora_unet_{name}") for name in ORIGINAL}
    assert paths == {path for path in sdxl.layers if "transformer_blocks" in path}


def test_the_libraries_own_conversion_says_the_same():
    names = [f"lora_unet_{name}.lora_down.weight" for name in ORIGINAL]
    mapped = _maybe_map_sgm_blocks_to_diffusers(
        dict.fromkeys(names), SimpleNamespace(layers_per_block=2)
    )
    theirs = {_plain(_convert_unet_lora_key(name)) for name in mapped}
    assert theirs == {module_path(f"lora_unet_{name}") for name in ORIGINAL}


def _plain(name):
    name = name.replace(".processor", "").removesuffix(".weight")
    name = name.removesuffix(".down").removesuffix(".lora").removesuffix("_lora")
    return f"{name}.0" if name.endswith("to_out") else name


@pytest.mark.parametrize("name", RESNETS)
def test_other_layers_by_hand(name, sdxl):
    assert module_path(f"lora_unet_{name}") == RESNETS[name]
    assert RESNETS[name] in sdxl.layers


@pytest.mark.parametrize("stack", ["sd15", "sdxl"])
def test_underscores_lead_back_to_every_layer(stack):
    for path in known_base(stack).layers:
        assert module_path(f"lora_unet_{path.replace('.', '_')}") == path
        assert module_path(f"unet.{path}") == path


def test_numbers_of_a_vector_are_those_of_the_paper(sdxl):
    """notes, 5.2: 1,451,520 for all attention of SDXL at rank 1, feed-forward 1,164,800."""
    sizes = {
        path: sum(shape[:2]) for path, shape in sdxl.layers.items() if "transformer_blocks" in path
    }
    attention = sum(size for path, size in sizes.items() if ".attn" in path)
    assert (attention, sum(sizes.values()) - attention) == (1_451_520, 1_164_800)
    assert group_of("up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v") == "attn2.to_v"
