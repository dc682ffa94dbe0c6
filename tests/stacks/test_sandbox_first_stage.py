"""The sandbox's autoencoder: an exact linear encoder, and what its decoder keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from persongen_bench.stacks.sandbox import FOLDER, data, principal, vae_training
from persongen_bench.stacks.sandbox.places import PIPELINE
from persongen_bench.util.recipe import build


@pytest.fixture(scope="module")
def untrained():
    return vae_training.untrained()


def test_patches_are_taken_apart_in_channel_row_column_order():
    picture = np.arange(3 * 16 * 16, dtype=np.uint8).reshape(1, 3, 16, 16)
    found = principal.patches(picture, 8)
    assert found.shape == (1, 2, 2, 192)
    expected = picture[0, :, 8:, :8].reshape(-1) / 127.5 - 1
    np.testing.assert_allclose(found[0, 1, 0], expected, atol=1e-6)


def test_components_are_orthogonal_and_ordered_by_variance():
    _, pictures = data.held_out(300)
    basis = principal.principal_basis(pictures, 16)
    lengths = np.linalg.norm(basis.components, axis=1)
    directions = basis.components / lengths[:, None]
    np.testing.assert_allclose(directions @ directions.T, np.eye(16), atol=1e-6)
    latents = basis.latents(pictures)
    np.testing.assert_allclose(latents.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    # divided by the deviation, or by 0.6 where that is less
    assert latents.std(axis=(0, 2, 3)).max() < 1.01


def test_stock_encoder_computes_the_components(untrained):
    """Error against the matrix product: 0.002 in deviation when it was written (0.045 at most);
    latents have deviations of 0.66 to 1.19."""
    model, basis = untrained
    _, pictures = data.held_out(40)
    error = vae_training.encode(model, pictures).numpy() - basis.latents(pictures)
    assert error.std() < 0.005
    assert np.abs(error).max() < 0.1


def test_encoder_is_certain(untrained):
    model, _ = untrained
    _, pictures = data.held_out(2)
    with torch.inference_mode():
        spread = model.encode(data.pixels(pictures)).latent_dist.std
    assert spread.max() < 0.002  # exp(-14 / 2)


def test_too_many_components_for_the_groups_are_refused():
    _, pictures = data.held_out(100)
    basis = principal.principal_basis(pictures, 48)
    with pytest.raises(ValueError, match="cannot carry"):
        principal.install(vae_training.network(), basis, pictures)


def test_shipped_autoencoder_keeps_every_attribute():
    """Acceptance: at least 0.90 of the reader's accuracy on originals, for every attribute."""
    from diffusers import AutoencoderKL

    model = AutoencoderKL.from_pretrained(FOLDER / PIPELINE / "vae", local_files_only=True)
    found = vae_training.quality(model.float(), n=200)
    for name, original in found["originals"].items():
        assert found["reconstructions"][name] >= 0.9 * original, name
    assert found["legible"] >= 0.95
    assert found["psnr_db"] >= 28


@pytest.mark.slow
def test_reduced_training_lowers_the_error_and_saves_what_loads(tmp_path):
    """75 steps: the squared error falls to a third of its mean over the first 50."""
    import json

    from diffusers import AutoencoderKL

    build(vae_training.recipe(vae_training.PLAN.changed(steps=75)), tmp_path)
    losses = json.loads((tmp_path / "losses.json").read_text(encoding="utf-8"))
    assert losses[-1]["mse"] < 0.7 * losses[0]["mse"]
    model = AutoencoderKL.from_pretrained(tmp_path, local_files_only=True)
    assert model.config.scaling_factor == 1.0
