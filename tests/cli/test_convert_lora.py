"""`pgbench convert lora`: the same change under other names, with a table of what it holds."""

import numpy as np
import pytest
from typer.testing import CliRunner

from persongen_bench.api.lora_files import convert_lora, known_base
from persongen_bench.cli.app import app
from persongen_bench.core.errors import ConfigError
from persongen_bench.util.lora.reading import read_lora
from tests.cases import lora_case as case
from tests.cases.refusals import refused

PLACE = "down_blocks.1.attentions.0.transformer_blocks.0"


@pytest.fixture
def pairs():
    layers = known_base("sdxl").layers
    return case.factors(
        {f"{PLACE}.{end}": layers[f"{PLACE}.{end}"] for end in ("attn1.to_q", "attn2.to_v")}
    )


def test_the_command_prints_layers_and_ranks(pairs, tmp_path):
    source = case.write(tmp_path / "in.safetensors", case.kohya(pairs, alpha=1.5))
    target = tmp_path / "out.safetensors"
    said = CliRunner().invoke(app, ["convert", "lora", str(source), str(target), "--rank", "2"])
    assert said.exit_code == 0, said.output
    for words in ("attn1.to_q", "attn2.to_v", "2 layers; fits sdxl"):
        assert words in said.output
    read = read_lora(target)
    assert read.ranks == (2,)
    full = case.change(pairs[f"{PLACE}.attn1.to_q"], 0.5)
    u, s, vt = np.linalg.svd(full)
    best = (u[:, :2] * s[:2]) @ vt[:2]
    np.testing.assert_allclose(read.layers[f"{PLACE}.attn1.to_q"].change, best, atol=1e-4)


def test_a_base_it_was_not_made_for_is_refused(pairs, tmp_path):
    source = case.write(tmp_path / "in.safetensors", case.kohya(pairs))
    made = convert_lora(source, tmp_path / "out.safetensors", base="sdxl")
    assert made.bases == ("sdxl",)
    with refused("in stack sd15 it is"):
        convert_lora(source, tmp_path / "out2.safetensors", base="sd15")
    assert not (tmp_path / "out2.safetensors").exists()


def test_a_place_that_cannot_be_written_is_one_line(pairs, tmp_path):
    source = case.write(tmp_path / "in.safetensors", case.kohya(pairs))
    with refused("this is a folder", error=ConfigError):
        convert_lora(source, tmp_path)
    with refused("is a file", error=ConfigError):
        convert_lora(source, source, to="peft")


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"to": "a1111"}, "to is"), ({"only": "vae"}, "only is"), ({"rank": 0}, "rank")],
)
def test_wrong_settings_are_one_line(settings, message, tmp_path):
    with refused(message, error=ConfigError):
        convert_lora(tmp_path / "x", tmp_path / "y", **settings)
