"""CLIP encoders against the transformers library called directly, one picture at a time."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusion_case import (
    EMBEDDING,
    SIDE,
    seeded,
    tiny_clip,
    tiny_image_encoder,
    tokenizer,
    vision_config,
)
from transformers import CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from persongen_bench.core.errors import DataError
from persongen_bench.core.images import to_pil
from persongen_bench.core.roles import TextEncoder
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.stacks.diffusion.image_encoder import (
    DEVIATION,
    MEAN,
    ClipImageEncoder,
    Normalisation,
    Placement,
    crop_square,
)

TEXTS = ["a large red star on a night background", "", "blue", "heart " * 100]


def pictures(n=3, shape=(SIDE, SIDE), seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (3, *shape), dtype=np.uint8) for _ in range(n)]


def processed(image, size=SIDE):
    """transformers' own preprocessing, with its defaults for CLIP but for the size."""
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    )
    return processor(to_pil(image), return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("shape", [(64, 64), (32, 32), (100, 80), (80, 131), (97, 65), (64, 300)])
def test_the_preprocessing_is_transformers(shape):
    image = pictures(1, shape)[0]
    mean, deviation = np.array(MEAN)[:, None, None], np.array(DEVIATION)[:, None, None]
    expected = processed(image)[0].numpy() * deviation + mean
    np.testing.assert_allclose(crop_square(image, SIDE) / 255, expected, atol=1e-5)


def test_image_embeddings_are_the_models_unnormalised():
    encoder = tiny_image_encoder()
    model = seeded(6, lambda: CLIPVisionModelWithProjection(vision_config(EMBEDDING))).eval()
    images = pictures(2) + pictures(1, (90, 70))
    with torch.no_grad():
        alone = [model(pixel_values=processed(image)).image_embeds[0] for image in images]
    found = encoder.encode(images)
    np.testing.assert_allclose(found, torch.stack(alone).numpy(), atol=1e-5)
    assert np.abs(np.linalg.norm(found, axis=1) - 1).min() > 0.05


def test_the_dual_encoder_is_the_models():
    """transformers 5 returns an object; the projected vector is its ``pooler_output``."""
    encoder, image = tiny_clip(), pictures(1)[0]
    model = encoder._tower.model
    with torch.no_grad():
        whole = model(
            pixel_values=processed(image),
            **tokenizer()(TEXTS[:1], padding="max_length", max_length=77, return_tensors="pt"),
        )
    for found, normal in (
        (encoder.encode([image]), whole.image_embeds),
        (encoder.encode_texts(TEXTS[:1]), whole.text_embeds),
    ):
        length = np.linalg.norm(found)
        assert abs(length - 1) > 0.05
        np.testing.assert_allclose(found / length, normal.numpy(), atol=1e-5)


def test_a_text_does_not_depend_on_its_neighbours():
    encoder = tiny_clip()
    together = encoder.encode_texts(TEXTS * 5)
    alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
    np.testing.assert_array_equal(together, np.tile(alone, (5, 1)))
    assert len(np.unique(alone.round(4), axis=0)) == len(TEXTS)


def test_a_text_beyond_the_context_is_cut():
    a, b = tiny_clip().encode_texts(["heart " * 100, "heart " * 80 + "star"])
    np.testing.assert_array_equal(a, b)


def test_an_image_does_not_depend_on_its_neighbours():
    images = pictures(20)
    for encoder in (tiny_image_encoder(), tiny_clip()):
        together = encoder.encode(images)
        alone = np.concatenate([encoder.encode([image]) for image in images])
        np.testing.assert_array_equal(together, alone)


def test_shapes_protocols_and_signatures():
    vision, clip = tiny_image_encoder(), tiny_clip()
    assert isinstance(vision, ImageEncoder)
    assert isinstance(clip, ImageEncoder)
    assert isinstance(clip, TextEncoder)
    assert clip.encode_texts([]).shape == (0, 20)
    assert vision.encode([]).shape == (0, EMBEDDING)
    assert clip.encode_texts(["a"]).dtype == np.float32
    for encoder, name in ((vision, "clip-image-encoder"), (clip, "clip-dual-encoder")):
        for text in (name, "resize:64-bicubic", "centre-crop", "float32", "tiny-random"):
            assert text in encoder.signature
    model = seeded(6, lambda: CLIPVisionModelWithProjection(vision_config(EMBEDDING)))
    half = ClipImageEncoder(model, "w", Placement(dtype=torch.bfloat16))
    assert "bfloat16" in half.signature
    assert half.encode(pictures()).dtype == np.float32


def test_a_bad_image_is_named():
    with pytest.raises(DataError, match="expected uint8"):
        tiny_image_encoder().encode([np.zeros((3, 8, 8))])


def test_the_normalisation_is_that_of_the_folder(tmp_path):
    assert Normalisation.of(tmp_path) == Normalisation(MEAN, DEVIATION)
    said = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 0.5]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    found = Normalisation.of(tmp_path)
    assert found == Normalisation((0.5, 0.5, 0.5), (0.25, 0.5, 0.5))
    model = seeded(6, lambda: CLIPVisionModelWithProjection(vision_config(EMBEDDING)))
    encoder = ClipImageEncoder(model, "w", Placement(normalisation=found))
    image = pictures(1)[0]
    # By hand: (p - 0.5) / deviation, on the scale [0, 1].
    pixels = (torch.from_numpy(image) / 255 - 0.5) / torch.tensor([0.25, 0.5, 0.5])[:, None, None]
    with torch.no_grad():
        expected = encoder._tower.model(pixel_values=pixels[None]).image_embeds.numpy()
    np.testing.assert_allclose(encoder.encode([image]), expected, atol=1e-5)
    assert encoder.signature != ClipImageEncoder(model, "w").signature
