"""The judges' networks against the libraries and formulas they come from, on small files."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch
from judges_case import (
    BLIP_WORDS,
    HPS_CONFIG,
    WideClip,
    blip_config,
    clip_config,
    folder,
    inception_state,
    judges,
    noise,
    vision_config,
)
from safetensors.torch import load_file
from transformers import (
    BlipForConditionalGeneration,
    CLIPModel,
    CLIPVisionModelWithProjection,
    Dinov2Model,
)

from persongen_bench.core.roles import Captioner, Head, TextEncoder, Variants, open_role
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.stacks.inception_input import inception_input
from persongen_bench.stacks.judges import clip, files, hps
from persongen_bench.stacks.judges.blip import MAX_TOKENS, keywords
from persongen_bench.stacks.judges.inception import open_inception
from persongen_bench.stacks.judges.pixels import SquarePixels
from persongen_bench.stacks.judges.roles import ROLES

TEXTS = ["a photo of a cat", "", ".", "a red heart on a blue background"]
LONG = "a very long caption with many words " * 30  # 210 words
DUALS = [("hps", "2.1"), ("hps", "2.0"), ("pickscore", None), ("judge_encoder", None)]


@pytest.fixture(autouse=True)
def _small(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(hps, "architecture", lambda: HPS_CONFIG)


def opened(role, variant=None):
    model = judges().role(role)
    return model.variant(variant) if variant else model


def cosine(a, b):
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
    return (unit[0] * unit[1]).sum(axis=1)


# --- words -----------------------------------------------------------------------------------


def test_the_tokenizer_is_openais():
    # The numbers that OpenAI's CLIP and every copy of its tokenizer give for this text.
    assert clip.tokens(["a photo of a cat"])[0, :7].tolist() == [
        49406, 320, 1125, 539, 320, 2368, 49407,
    ]  # fmt: skip
    assert len(clip.tokenizer()) == 49_408


def test_both_tokenizers_agree_up_to_what_fills_the_rest():
    ours, theirs = clip.tokens([*TEXTS, LONG]), hps.tokens([*TEXTS, LONG])
    for a, b in zip(ours, theirs, strict=True):
        length = b.tolist().index(49407) + 1
        assert a[:length].tolist() == b[:length].tolist()


@pytest.mark.parametrize("tokens", [clip.tokens, hps.tokens])
def test_e22_a_long_caption_keeps_its_end_mark(tokens):
    row = tokens([LONG])[0]
    assert len(row) == 77
    assert (row[0], row[-1]) == (49406, 49407)


@pytest.mark.parametrize(("role", "variant"), DUALS)
def test_e22_what_stands_behind_the_cut_does_not_matter(role, variant):
    a, b = opened(role, variant).encode_texts([LONG, LONG + "and another end"])
    np.testing.assert_array_equal(a, b)
    assert np.isfinite(a).all()


# --- CLIPs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "repo"), [("judge_encoder", files.CLIP_336),
                                            ("pickscore", files.PICKSCORE)])  # fmt: skip
def test_e23_features_are_the_models_projected_ones(role, repo):
    """transformers 5 answers with an object; what counts is what the whole model compares."""
    encoder, image = opened(role), noise(1, (28, 28))[0]
    place = folder() / repo.folder
    state = (load_file(place / "model.safetensors") if repo is files.PICKSCORE
             else torch.load(place / "pytorch_model.bin", weights_only=True))  # fmt: skip
    model = CLIPModel(clip_config("gelu" if role == "pickscore" else "quick_gelu")).eval()
    model.load_state_dict(state)
    pixels = torch.from_numpy(SquarePixels(28).pixels(image))[None]
    with torch.no_grad():
        whole = model(pixel_values=pixels, input_ids=torch.from_numpy(clip.tokens(TEXTS[:1])))
    for found, normal in (
        (encoder.encode([image]), whole.image_embeds),
        (encoder.encode_texts(TEXTS[:1]), whole.text_embeds),
    ):
        np.testing.assert_allclose(found / np.linalg.norm(found), normal.numpy(), atol=1e-6)
    found = cosine(encoder.encode([image]), encoder.encode_texts(TEXTS[:1]))[0]
    scaled = whole.logits_per_image.item() / model.logit_scale.exp().item()
    assert found == pytest.approx(scaled, abs=1e-6)


def test_the_verifiers_encoder_is_the_projected_image_tower():
    encoder, image = opened("verifier_encoder"), noise(1, (28, 28))[0]
    place = folder() / files.VIT_BIG_G.folder / "sdxl_models" / "image_encoder"
    state = {k: v.float() for k, v in load_file(place / "model.safetensors").items()
             if not k.endswith("position_ids")}  # fmt: skip
    tower = CLIPVisionModelWithProjection(vision_config()).eval()
    tower.load_state_dict(state)
    pixels = torch.from_numpy(SquarePixels(28).pixels(image))[None]
    with torch.no_grad():
        pooled = tower.vision_model(pixel_values=pixels).pooler_output
        expected = pooled @ state["visual_projection.weight"].T
    np.testing.assert_allclose(encoder.encode([image]), expected.numpy(), atol=1e-6)
    assert encoder.signature.startswith("openclip-vit-bigg-14|in:u8|resize:28-bicubic-pil-crop|")


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_hps_is_open_clips_model_with_the_files_weights(version):
    """As the authors' `score`: the diagonal of the normalised features' product."""
    encoder, images = opened("hps", version), noise(2, (28, 28))
    model = open_clip.CLIP(**HPS_CONFIG).eval()
    name = {"2.0": "HPS_v2_compressed.pt", "2.1": "HPS_v2.1_compressed.pt"}[version]
    checkpoint = torch.load(folder() / files.HPS.folder / name, weights_only=True)
    model.load_state_dict(checkpoint["state_dict"])
    pixels = torch.stack([torch.from_numpy(SquarePixels(28, "whole").pixels(i)) for i in images])
    with torch.no_grad():
        rows, words, _ = model(pixels, torch.from_numpy(hps.tokens(TEXTS[:2])))
    expected = (rows * words).sum(dim=1).numpy()
    found = cosine(encoder.encode(images), encoder.encode_texts(TEXTS[:2]))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found).max() < 1  # a cosine, not times the logit scale of 14


def test_e27_the_versions_of_hps_are_told_apart():
    family, image = judges().role("hps"), noise(1)
    new, old = family.variant("2.1"), family.variant("2.0")
    assert new.signature.startswith("hps-2.1|")
    assert old.signature.startswith("hps-2.0|")
    assert not np.allclose(new.encode(image), old.encode(image))
    np.testing.assert_array_equal(family.encode(image), new.encode(image))
    assert family.signature == new.signature


# --- features --------------------------------------------------------------------------------


def test_inception_is_torch_fidelitys():
    """An independent port of the same graph; random weights, the same for both."""
    reference = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    path = folder() / files.INCEPTION.folder / files.INCEPTION.files[0].path
    theirs = reference.FeatureExtractorInceptionV3("test", ["2048"], str(path))
    image = noise(1, (120, 90))[0]
    pixels = torch.from_numpy(inception_input(image, "tf-legacy"))[None]
    with torch.no_grad():
        ours = open_inception(path).images(pixels)
        (whole,) = theirs(torch.from_numpy(image)[None])
    assert whole.std() > 0.01
    # The two resize alike to 1e-4 of a grey level, and add in another order.
    torch.testing.assert_close(ours, whole, atol=2e-4, rtol=2e-4)


def test_inceptions_pools_are_tensorflows():
    """Without the three changes the features are others: the test above sees them."""
    from torchvision.models import Inception3

    path = folder() / files.INCEPTION.folder / files.INCEPTION.files[0].path
    plain = Inception3(1008, aux_logits=False, init_weights=False).eval()
    plain.load_state_dict(inception_state())
    plain.fc = torch.nn.Identity()
    pixels = torch.from_numpy(inception_input(noise(1)[0], "clean"))[None]
    with torch.no_grad():
        gap = (plain(pixels) - open_inception(path).images(pixels)).abs().max()
    assert gap > 0.01


def test_dino_is_the_normed_class_token():
    encoder, image = opened("dino"), noise(1, (224, 224))[0]
    model = Dinov2Model.from_pretrained(folder() / files.DINO.folder, local_files_only=True).eval()
    from persongen_bench.stacks.judges.dino import PREPARATION

    pixels = torch.from_numpy(PREPARATION.pixels(image))[None]
    with torch.no_grad():
        tokens = model(pixels).last_hidden_state  # behind the norm already
    np.testing.assert_allclose(encoder.encode([image])[0], tokens[0, 0].numpy(), atol=1e-6)


# --- aesthetics ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_e25_a_score_is_affine_in_the_unit_embedding(version):
    head = opened("aesthetic", version)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 768))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    weights = head.head.state_dict()
    slope, shift = torch.eye(768, dtype=torch.float64), torch.zeros(768, dtype=torch.float64)
    layers = {k.rpartition(".")[0] for k in weights}
    for layer in sorted(layers):  # fold the layers into one map, in float64
        name = f"{layer}." if layer else ""
        matrix = weights[f"{name}weight"].double()
        slope, shift = matrix @ slope, matrix @ shift + weights[f"{name}bias"].double()
    for rows in (a, b):
        expected = rows @ slope.numpy().T + shift.numpy()
        found = head.from_base(rows.astype(np.float32))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # f((a + b) / 2) = (f(a) + f(b)) / 2 where the middle is not stretched to length one again.
    middle = torch.from_numpy(((a + b) / 2).astype(np.float32))
    with torch.no_grad():
        found = head.head(middle).numpy()
    both = (head.from_base(a.astype(np.float32)) + head.from_base(b.astype(np.float32))) / 2
    np.testing.assert_allclose(found, both, atol=1e-5)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_e25_embeddings_are_scaled_to_length_one(version):
    head = opened("aesthetic", version)
    rows = np.random.default_rng(1).normal(size=(3, 768)).astype(np.float32)
    np.testing.assert_allclose(head.from_base(rows), head.from_base(20 * rows), atol=1e-5)
    with torch.no_grad():
        raw = head.head(torch.from_numpy(20 * rows)).numpy()
    assert np.abs(raw - head.from_base(rows)).max() > 0.1


def test_aesthetic_stands_on_the_role_clip():
    family, images = judges().role("aesthetic"), noise(3)
    head = family.variant("v1")
    assert isinstance(head, Head)
    assert head.base == "clip"
    np.testing.assert_array_equal(head.encode(images), head.from_base(WideClip().encode(images)))
    assert WideClip.signature in head.signature
    assert family.variants == ("v2", "v1")
    assert family.encode(images).shape == (3, 1)


# --- captions --------------------------------------------------------------------------------


def bands():
    """Wide pictures that differ at the edges alone, which a crop to the middle would lose."""
    images = [np.zeros((3, 30, 90), dtype=np.uint8) for _ in range(4)]
    images[1][0, :, :25] = 255
    images[2][1, :, -25:] = 255
    images[3][:, :, :25] = 255
    return images


def greedy(image):
    """The caption word by word: always the likeliest next one, until the end mark."""
    place = folder() / files.BLIP.folder
    model = BlipForConditionalGeneration(blip_config()).eval()
    model.load_state_dict(torch.load(place / "pytorch_model.bin", weights_only=True))
    pixels = torch.from_numpy(SquarePixels(32, "squash").pixels(image))[None]
    ids = [5]
    with torch.no_grad():
        while len(ids) <= MAX_TOKENS and ids[-1] != 3:
            logits = model(pixel_values=pixels, input_ids=torch.tensor([ids])).logits
            ids.append(int(logits[0, -1].argmax()))
    words = [BLIP_WORDS[k] for k in ids if not BLIP_WORDS[k].startswith("[")]
    return " ".join(words).replace(" ##", "")


def test_a_caption_is_the_models_greedy_one():
    captioner, images = opened("captioner"), bands()
    together = captioner.describe(images)
    assert [captioner.describe([image])[0] for image in images] == together
    assert [one.caption for one in together] == [greedy(image) for image in images]
    assert len({one.caption for one in together}) > 1  # the pictures reach the words
    for one in together:
        assert one.tags == keywords(one.caption)


def test_keywords_are_the_words_that_say_something():
    caption = "a red heart with two t-shirts on a red background"
    assert keywords(caption) == ("red", "heart", "t-shirts", "background")
    assert keywords("") == ()


# --- what all share --------------------------------------------------------------------------

ENCODERS = [(r, None) for r in ROLES if r not in ("captioner", "inception", "lpips")]


@pytest.mark.parametrize(("role", "variant"), ENCODERS)
def test_rows_stand_alone(role, variant):
    encoder, images = opened(role, variant), noise(5, (60, 50))
    whole = encoder.encode(images)
    assert whole.dtype == np.float32
    assert whole.shape == (5, encoder.embedding_size)
    assert np.isfinite(whole).all()
    assert encoder.encode([]).shape == (0, encoder.embedding_size)
    alone = np.concatenate([encoder.encode([image]) for image in images])
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(whole[::-1], encoder.encode(images[::-1]))
    assert len(np.unique(whole.round(5), axis=0)) == 5


def test_inceptions_rows_stand_alone():
    encoder, images = opened("inception", "clean"), noise(3, (60, 50))
    whole = encoder.encode(images)
    assert whole.shape == (3, 2048)
    np.testing.assert_array_equal(whole[2:], encoder.encode(images[2:]))


@pytest.mark.parametrize(("role", "variant"), DUALS)
def test_texts_stand_alone(role, variant):
    encoder = opened(role, variant)
    whole = encoder.encode_texts(TEXTS)
    assert whole.shape == (4, encoder.embedding_size)
    alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
    np.testing.assert_array_equal(whole, alone)
    assert encoder.encode_texts([]).shape == (0, encoder.embedding_size)
    assert len(np.unique(whole.round(5), axis=0)) == 4


def test_roles_keep_their_protocols():
    for role in ROLES:
        model = judges().role(role)
        assert isinstance(model, Captioner if role == "captioner" else ImageEncoder)
        assert isinstance(model, TextEncoder) == (role in ("hps", "judge_encoder", "pickscore"))
        several = ("aesthetic", "captioner", "hps", "inception", "lpips")
        assert isinstance(model, Variants) == (role in several)
    assert judges().role("inception").variants == ("clean", "tf-legacy", "pytorch")
    assert judges().role("lpips").variants == ("alex", "vgg")
    assert judges().role("captioner").variants == ("blip",)  # no lmm here


def test_open_role_gives_variants():
    class Stack:
        name = "judged"
        roles = ROLES

        def role(self, name):
            return judges().role(name)

    assert open_role(Stack(), "hps/2.0").signature.startswith("hps-2.0|")
    assert "tf-legacy" in open_role(Stack(), "inception/tf-legacy").signature
    assert open_role(Stack(), "aesthetic/v1").signature.startswith("laion-aesthetic-v1|")
