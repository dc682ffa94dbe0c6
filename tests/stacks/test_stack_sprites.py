"""The sprites stack: what the shipped autoencoder can do, and that it can be rebuilt."""

import hashlib
import json

import numpy as np
import pytest
import torch

from persongen_bench.core.errors import ConfigError, MissingRoleError
from persongen_bench.core.stack import Decoder, ImageEncoder
from persongen_bench.stacks.sprites import BLOCK, SpritesStack, build, weights
from persongen_bench.stacks.sprites.data import draw_batch, sprite_split
from persongen_bench.stacks.sprites.model import EMBEDDING_SIZE, SpriteVae, look, put
from persongen_bench.stacks.sprites.quality import measure
from persongen_bench.stacks.sprites.train import TrainConfig, fit
from persongen_bench.testing.stacks import StackContract
from persongen_bench.worlds.sprite_taste import LEVEL, read


class TestContract(StackContract):
    stack = "sprites"


@pytest.fixture(scope="module")
def stack():
    return SpritesStack()


@pytest.fixture(scope="module")
def pictures():
    """500 sprites that no training step saw."""
    images = draw_batch(sprite_split().held_out, 500, np.random.default_rng(42))
    return list(images)


@pytest.fixture(scope="module")
def embeddings(stack, pictures):
    return stack.role("image_encoder").encode(pictures)


def decode(stack, rows):
    return stack.role("decoder").decode(rows, list(range(len(rows))))


# --- quality of the shipped weights -----------------------------------------------------


def test_reconstructions_keep_shape_and_colour(stack, pictures, embeddings):
    # Gate 0.98; measured 1.0 on the held-out sprites of the card.
    truth, seen = read(pictures), read(decode(stack, embeddings))
    right = (seen.shape == truth.shape) & (seen.colour == truth.colour) & seen.clear
    assert right.mean() >= 0.98


def test_reconstructions_keep_the_pixels(stack, pictures, embeddings):
    # Position and orientation are attributes of no taste, and yet must survive. A sprite of
    # about 140 pixels moved by one pixel has an IoU of 0.85; the card measures 0.99.
    drawn = np.stack(decode(stack, embeddings)).max(axis=1) >= LEVEL
    masks = np.stack(pictures).max(axis=1) >= LEVEL
    iou = (drawn & masks).sum(axis=(1, 2)) / (drawn | masks).sum(axis=(1, 2))
    assert iou.mean() >= 0.97


def test_neighbours_are_of_one_kind(stack, pictures, embeddings):
    # Cosine, as the precision of the controlled track looks for neighbours. Gate 0.97.
    known = list(draw_batch(sprite_split().train, 6000, np.random.default_rng(7)))
    others = stack.role("image_encoder").encode(known)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (embeddings, others)]
    near = (unit[0] @ unit[1].T).argmax(axis=1)
    mine, theirs = read(pictures), read(known)
    same = (theirs.shape[near] == mine.shape) & (theirs.colour[near] == mine.colour)
    assert same.mean() >= 0.97


def test_small_errors_of_a_prior_are_forgiven(stack, pictures, embeddings):
    # A generated embedding is off by a fifth of a standard deviation in every dimension.
    noise = np.random.default_rng(0).standard_normal(embeddings.shape)
    truth, seen = read(pictures), read(decode(stack, embeddings + 0.2 * noise))
    right = (seen.shape == truth.shape) & (seen.colour == truth.colour) & seen.clear
    assert right.mean() >= 0.98


def test_midpoints_of_one_kind_are_mostly_of_that_kind(stack, pictures, embeddings):
    # Two likes of one user half-way; measured 0.88 (chance among the four kinds is 0.25).
    truth = read(pictures)
    kind = truth.shape * 8 + truth.colour
    order = np.argsort(kind, kind="stable")
    first, second = order[:-1], order[1:]
    same = kind[first] == kind[second]
    middle = (embeddings[first[same]] + embeddings[second[same]]) / 2
    seen = read(decode(stack, middle))
    right = (seen.shape * 8 + seen.colour == kind[first[same]]) & seen.clear
    assert right.mean() >= 0.75


def test_embeddings_are_centred_and_scaled(embeddings):
    # 500 draws: a mean of unit variance has a standard error of 0.045, four of them are 0.18.
    assert np.abs(embeddings.mean(axis=0)).max() < 0.2
    assert 0.8 < embeddings.std(axis=0).max() < 1.2
    assert np.abs(embeddings).max() < 8


# --- roles ------------------------------------------------------------------------------


def test_roles_keep_their_protocols(stack):
    assert isinstance(stack.role("image_encoder"), ImageEncoder)
    assert isinstance(stack.role("decoder"), Decoder)
    assert stack.role("image_encoder").embedding_size == EMBEDDING_SIZE == 32  # section 3.2


def test_unknown_role_names_the_known_ones(stack):
    with pytest.raises(MissingRoleError, match="no 'clip', only decoder, image_encoder"):
        stack.role("clip")


def test_signature_holds_the_hash_of_the_weights(stack):
    data = (weights.FOLDER / weights.WEIGHTS).read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:16]
    signatures = [stack.signature, *(stack.role(name).signature for name in stack.roles)]
    assert all(digest in text for text in signatures)
    assert len(data) <= 2_000_000


def test_shipped_card_describes_the_shipped_weights():
    card = json.loads((weights.FOLDER / weights.CARD).read_text())
    assert card["weights_sha256"] == weights.sha256(weights.FOLDER)
    found = measure(weights.load(weights.FOLDER), sprite_split())
    for name, value in card["quality_on_held_out_sprites"].items():
        # Another processor may round a pixel or an embedding differently, and no more.
        assert found[name] == pytest.approx(value, abs=0.005), name


# --- batch invariance -------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, BLOCK - 1, BLOCK, BLOCK + 1, 137])
def test_encoding_is_bit_exact_in_any_subset_and_order(stack, pictures, embeddings, n):
    order = np.random.default_rng(n).permutation(len(pictures))[:n]
    found = stack.role("image_encoder").encode([pictures[i] for i in order])
    np.testing.assert_array_equal(found, embeddings[order])


@pytest.mark.parametrize("n", [1, BLOCK - 1, BLOCK, BLOCK + 1, 137])
def test_decoding_is_bit_exact_in_any_subset_and_order(stack, n):
    rows = np.random.default_rng(0).standard_normal((300, 32)).astype(np.float32)
    whole = decode(stack, rows)
    order = np.random.default_rng(n).permutation(300)[:n]
    for image, i in zip(decode(stack, rows[order]), order, strict=True):
        np.testing.assert_array_equal(image, whole[i])


def test_every_network_call_has_the_same_number_of_rows(monkeypatch):
    # Rounding to 8 bits hides most differences in the last bit of a decoder; not all of them.
    rows = []
    for name in ("embed", "draw"):
        call = getattr(SpriteVae, name)

        def counted(self, x, call=call):
            rows.append(len(x))
            return call(self, x)

        monkeypatch.setattr(SpriteVae, name, counted)
    images = decode(SpritesStack(), np.zeros((BLOCK + 3, 32), dtype=np.float32))
    SpritesStack().role("image_encoder").encode(images[:5])
    assert rows == [BLOCK] * 3


def test_nothing_in_nothing_out(stack):
    assert stack.role("image_encoder").encode([]).shape == (0, 32)
    assert decode(stack, np.zeros((0, 32), dtype=np.float32)) == []


def test_threads_and_global_generator_are_left_alone(stack, pictures):
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    decode(stack, stack.role("image_encoder").encode(pictures[:3]))
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)


# --- odd input --------------------------------------------------------------------------


def test_pictures_that_are_no_sprites_have_finite_embeddings(stack):
    rng = np.random.default_rng(0)
    odd = [
        np.zeros((3, 64, 64), dtype=np.uint8),
        np.full((3, 64, 64), 255, dtype=np.uint8),
        rng.integers(0, 256, (3, 120, 40)).astype(np.uint8),
    ]
    found = stack.role("image_encoder").encode(odd)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e3


def test_far_away_embeddings_still_give_pictures(stack):
    rows = np.random.default_rng(0).standard_normal((20, 32)).astype(np.float32) * 1e4
    for image in decode(stack, rows):
        assert image.shape == (3, 64, 64)
        assert image.dtype == np.uint8


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_no_numbers_are_refused(stack, bad):
    rows = np.zeros((3, 32), dtype=np.float32)
    rows[1, 4] = bad
    with pytest.raises(ValueError, match="embedding 1 holds NaN or an infinity"):
        decode(stack, rows)


@pytest.mark.parametrize(("rows", "seeds"), [((3, 31), 3), ((3, 32), 2)])
def test_wrong_shape_is_refused(stack, rows, seeds):
    with pytest.raises(ValueError, match="expected embeddings"):
        stack.role("decoder").decode(np.zeros(rows, dtype=np.float32), list(range(seeds)))


def test_missing_weights(tmp_path):
    with pytest.raises(ConfigError, match=r"no such weights file.*pgbench models build sprites"):
        SpritesStack(tmp_path)


def test_damaged_weights(tmp_path):
    (tmp_path / weights.WEIGHTS).write_bytes(b"not safetensors at all")
    with pytest.raises(ConfigError, match="not a safetensors file"):
        SpritesStack(tmp_path).role("decoder")


# --- the model --------------------------------------------------------------------------


def test_looking_finds_the_middle_of_the_light():
    # One lit pixel at row 10, column 40: centre of mass there, and the window shows it in its
    # middle. Places are in quarters of the image from its centre, (31.5, 31.5).
    pixels = torch.zeros(1, 3, 64, 64)
    pixels[0, 2, 10, 40] = 1
    view, place, tint = look(pixels)[0].split([31 * 31, 2, 3])
    assert view.reshape(31, 31)[15, 15] == 1
    assert view.sum() == 1
    torch.testing.assert_close(place, torch.tensor([(10 - 31.5) / 16, (40 - 31.5) / 16]))
    torch.testing.assert_close(tint, torch.tensor([-1.0, -1.0, 1.0]))


def test_putting_is_the_inverse_of_looking():
    # A stamp with one strong pixel in its middle, placed at row 20, column 33, in red.
    drawing = torch.full((1, 31 * 31 + 5), -20.0)
    drawing[0, 31 * 15 + 15] = 20
    drawing[0, -5:] = torch.tensor([(20 - 31.5) / 16, (33 - 31.5) / 16, 20.0, -20.0, -20.0])
    logits = put(drawing)[0]
    assert logits[0, 20, 33] == pytest.approx(10, abs=1e-3)
    assert (logits > 0).sum() == 1


def test_losses_are_those_of_the_libraries():
    # Against torch's own Bernoulli likelihood and Gaussian divergence.
    model = SpriteVae()
    pixels = torch.from_numpy(draw_batch(sprite_split().train, 5, np.random.default_rng(0))) / 255
    noise = torch.randn(5, 32, generator=torch.Generator().manual_seed(0))
    losses = model.losses(pixels, noise)
    mean, log_variance = model.posterior(pixels)
    posterior = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
    prior = torch.distributions.Normal(torch.zeros(32), torch.ones(32))
    kl = torch.distributions.kl_divergence(posterior, prior).sum(1).mean()
    logits = put(model.decoder(mean + noise * posterior.stddev))
    likelihood = torch.distributions.Bernoulli(logits=logits).log_prob(pixels).sum((1, 2, 3))
    torch.testing.assert_close(losses.kl, kl, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(losses.reconstruction, -likelihood.mean(), rtol=1e-4, atol=1e-3)


# --- rebuilding -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """The whole recipe at 300 of its 12,000 steps."""
    return build(tmp_path_factory.mktemp("rebuilt"), seed=3, steps=300)


@pytest.mark.slow
def test_rebuilding_learns(rebuilt):
    log = json.loads((rebuilt / weights.LOSSES).read_text())
    assert [row["step"] for row in log] == [100, 200, 300]
    assert log[-1]["reconstruction"] < 0.7 * log[0]["reconstruction"]


@pytest.mark.slow
def test_rebuilding_writes_a_stack_and_its_card(rebuilt, pictures):
    stack = SpritesStack(rebuilt)
    assert stack.signature != SpritesStack().signature
    assert len(decode(stack, stack.role("image_encoder").encode(pictures[:3]))) == 3
    card = json.loads((rebuilt / weights.CARD).read_text())
    assert card["training"]["seed"] == 3
    assert card["training"]["steps"] == 300
    assert card["weights_sha256"] == weights.sha256(rebuilt)


def test_training_is_deterministic_and_seeded():
    state = torch.random.get_rng_state()
    first, again, other = (fit(TrainConfig(seed=s, steps=20), sprite_split()) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first[1] == again[1] != other[1]
    weights_of = [model.state_dict() for model, _ in (first, again, other)]
    assert all(torch.equal(weights_of[0][name], weights_of[1][name]) for name in weights_of[0])
    assert not torch.equal(weights_of[0]["scale"], weights_of[2]["scale"])


def test_training_reports_progress():
    seen = []

    def progress(items, description, total=None):
        seen.append((description, total))
        return items

    fit(TrainConfig(steps=2), sprite_split(), progress)
    assert seen == [("training the sprite autoencoder", 2)]
