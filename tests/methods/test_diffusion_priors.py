"""Training, sampling and life cycle of the diffusion priors, on a world of four planted clusters.

An image is its embedding: 3 x 2 x 2 pixels hold 12 numbers, so encoder and decoder are exact up
to rounding and every failure is the prior's.
"""

import dataclasses
import json
import os

import numpy as np
import pandas as pd
import pytest
import torch

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, RunError, UnsupportedRequestError
from persongen_bench.core.method import FitContext
from persongen_bench.core.progress import no_progress
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.core.types import Catalog
from persongen_bench.methods import _checkpoint as checkpoint
from persongen_bench.methods.prior import conditions, diffusion, sampling, training
from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.layers import NULL_RATING, PriorNetwork, fourier_features
from persongen_bench.methods.prior.ratings import RatingTensors, epoch_rows, hold_out, tabulate
from persongen_bench.methods.rebeca import Rebeca, RebecaNoUser
from persongen_bench.methods.rebeca_v1 import RebecaV1

SIZE = 12
USERS = tuple("abcd")
_AXES = np.random.default_rng(7).standard_normal((4, SIZE))
CENTRES = (3.0 * _AXES / np.linalg.norm(_AXES, axis=1, keepdims=True)).astype(np.float32)

TINY = {
    "ratings_per_user": 20,
    "n_validation": 5,
    "batch_size": 16,
    "max_epochs": 4,
    "sampler": "ddim",
    "n_inference_steps": 5,
    "hidden_size": 8,
    "n_heads": 2,
    "n_layers": 1,
}
LEARNER = {
    **TINY,
    "hidden_size": 32,
    "n_layers": 2,
    "ratings_per_user": 200,
    "batch_size": 64,
    "max_epochs": 80,
    "learning_rate": 3e-3,
    "learning_rate_schedule": "cosine",
    "n_inference_steps": 20,
    "guidance_scale": 3.0,
}
V1_LEARNER = {
    "n_user_tokens": 1,
    "normalization": "standard",
    "beta_schedule": "squaredcos_cap_v2",
    "clip_range": 4.0,
    "ratings_per_user": 300,
    "batch_size": 128,
    "max_epochs": 200,
    "learning_rate": 6e-3,
    "guidance_scale": 3.0,
}
METHODS = {"rebeca": Rebeca, "rebeca-no-user": RebecaNoUser, "rebeca-v1": RebecaV1}
every_method = pytest.mark.parametrize("name", METHODS)


class PixelCoder:
    """Encoder and decoder in one: pixel = 128 + 30 e."""

    signature = "pixel-coder"
    embedding_size = SIZE

    def encode(self, images):
        flat = np.stack([image.reshape(-1) for image in images]).astype(np.float32)
        return (flat - 128) / 30

    def decode(self, embeddings, seeds):
        assert len(embeddings) == len(seeds)
        pixels = np.clip(np.rint(128 + 30 * embeddings), 0, 255).astype(np.uint8)
        return [row.reshape(3, 2, 2) for row in pixels]


class CoderStack:
    name, roles, signature = "coder", ("image_encoder", "decoder"), "coder-1"

    def role(self, name):
        assert name in self.roles
        return PixelCoder()


def world(n_items=400, seed=0):
    """User k likes cluster k with probability .95 and any other with .05; all rate all."""
    rng = np.random.default_rng(seed)
    cluster = np.arange(n_items) % 4
    vectors = CENTRES[cluster] + 0.5 * rng.standard_normal((n_items, SIZE)).astype(np.float32)
    ids = [f"i{k:03d}" for k in range(n_items)]
    likes = rng.random((4, n_items)) < np.where(cluster == np.arange(4)[:, None], 0.95, 0.05)
    rows = pd.DataFrame(
        {
            "user_id": np.repeat(USERS, n_items),
            "item_id": np.tile(ids, 4),
            "rating": likes.reshape(-1).astype(float),
            "liked": likes.reshape(-1),
            "timestamp": np.nan,
        }
    )
    items = pd.DataFrame({"cluster": cluster}, index=pd.Index(ids, name="item_id"))
    return View(Catalog(items, source=None), rows.sample(frac=1, random_state=seed)), vectors


VIEW, VECTORS = world()


def context(seed=0, checkpoints=None, progress=no_progress):
    def features(role, view):
        assert (role, view) == ("image_encoder", VIEW)
        return VECTORS

    return FitContext(CoderStack(), seed, features, checkpoints, progress)


def method(name, **options):
    cls = METHODS[name]
    tokens = {} if name == "rebeca-v1" else {"n_tokens": 4}
    return cls(cls.Config(**{**TINY, **tokens, **options}))


def fitted(name, seed=0, checkpoints=None, **options):
    made = method(name, **options)
    made.fit(VIEW, context(seed, checkpoints))
    return made


def weights(made):
    return made._fitted.network.state_dict()


def same_weights(one, other):
    return all(torch.equal(a, weights(other)[key]) for key, a in weights(one).items())


def plan(n_images=3, users=USERS):
    return plan_samples({"test": 1}, [Request(user, (), n_images) for user in users])


# --- ratings ------------------------------------------------------------------------------


def test_table_maps_items_users_and_likes():
    ratings = tabulate(VIEW)
    row = 17
    found = VIEW.interactions.iloc[row]
    assert VIEW.catalog.ids[ratings.item[row]] == found["item_id"]
    assert VIEW.users[ratings.user[row]] == found["user_id"]
    assert ratings.rating[row] == int(found["liked"])
    assert len(ratings) == 1600


def test_epoch_draws_per_user_without_replacement():
    user = torch.tensor([0] * 50 + [1] * 7 + [2] * 300)
    rows = epoch_rows(user, 20, torch.Generator().manual_seed(0))
    assert torch.bincount(user[rows]).tolist() == [20, 7, 20]  # min(20, n_u) each
    assert len(rows.unique()) == len(rows)
    again = epoch_rows(user, 20, torch.Generator().manual_seed(1))
    assert not torch.equal(rows.sort().values, again.sort().values)


def test_epoch_draw_is_uniform_over_a_users_rows():
    user = torch.tensor([0, 1, 0, 0, 1, 0])
    g = torch.Generator().manual_seed(0)
    counts = torch.stack([torch.bincount(epoch_rows(user, 1, g), minlength=6) for _ in range(4000)])
    share = counts.float().mean(0)
    # User 0 has 4 rows, user 1 has 2: 1/4 and 1/2; 5 standard errors of 4000 draws are .04.
    torch.testing.assert_close(share, torch.tensor([1, 2, 1, 1, 2, 1]) / 4, atol=0.04, rtol=0)


def test_epoch_without_a_cap_is_a_permutation():
    rows = epoch_rows(torch.zeros(30, dtype=torch.int64), None, torch.Generator().manual_seed(0))
    assert sorted(rows.tolist()) == list(range(30))
    assert rows.tolist() != list(range(30))


def test_validation_is_at_most_a_fifth_of_a_users_rows():
    user = torch.tensor([0] * 100 + [1] * 10 + [2] * 3)
    whole = RatingTensors(torch.arange(113), user, torch.zeros(113, dtype=torch.int64))
    train, held = hold_out(whole, 10, torch.Generator().manual_seed(0))
    assert torch.bincount(held.user, minlength=3).tolist() == [10, 2, 0]
    assert sorted([*train.item.tolist(), *held.item.tolist()]) == list(range(113))


# --- conditions ---------------------------------------------------------------------------


# Two independent draws at .15 are both null on .15 ** 2 = .0225 of the rows, one draw for both
# on .15. Five standard errors of 200,000 rows: .0017 and .004.
@pytest.mark.parametrize(
    ("dropout", "joint", "tolerance"),
    [("reference", 0.0225, 0.0017), ("standard", 0.15, 0.004)],
)
def test_condition_dropout_rates(dropout, joint, tolerance):
    n = 200_000
    batch = RatingTensors(*(torch.zeros(n, dtype=torch.int64) for _ in range(3)))
    config = PriorConfig(dropout=dropout)
    kept = conditions.drop_conditions(batch, 9, config, torch.Generator().manual_seed(0))
    no_user, no_rating = kept.user == 9, kept.rating == NULL_RATING
    assert no_user.float().mean() == pytest.approx(0.15, abs=0.004)
    assert no_rating.float().mean() == pytest.approx(0.15, abs=0.004)
    assert (no_user & no_rating).float().mean() == pytest.approx(joint, abs=tolerance)


def test_without_users_every_row_is_null():
    batch = RatingTensors(*(torch.zeros(100, dtype=torch.int64) for _ in range(3)))
    config = PriorConfig(use_user=False)
    kept = conditions.drop_conditions(batch, 9, config, torch.Generator().manual_seed(0))
    assert (kept.user == 9).all()
    assert (kept.rating == 0).any()


def test_time_frequencies():
    time = torch.tensor([0, 1, 7])
    reference, standard = (fourier_features(time, kind) for kind in ("reference", "standard"))
    # Sines of 128 log-spaced frequencies first, then cosines. The first frequency is 1 in both;
    # the last is 1e4 as released and 1e-4 by the usual convention.
    assert reference.shape == (3, 256)
    for features, last in ((reference, 1e4), (standard, 1e-4)):
        assert features[0].tolist() == [0.0] * 128 + [1.0] * 128
        assert features[2, 0] == pytest.approx(np.sin(7.0), abs=1e-6)
        assert features[1, 127] == pytest.approx(np.sin(last), abs=2e-3)
        middle = last ** (64 / 127)
        assert features[1, 64] == pytest.approx(np.sin(middle), abs=1e-4)


# --- noise and sampling -------------------------------------------------------------------


def test_noise_schedule_is_the_squared_cosine():
    # Nichol and Dhariwal 2021: beta_t = min(1 - f(t + 1) / f(t), .999), f(t) = cos^2 of
    # (t / T + .008) / 1.008 * pi / 2.
    f = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
    expected = np.cumprod(1 - np.minimum(1 - f[1:] / f[:-1], 0.999))
    schedule = diffusion.noise_schedule(PriorConfig())
    np.testing.assert_allclose(schedule.alphas_cumprod.numpy(), expected, rtol=1e-3, atol=1e-9)
    assert schedule.config.clip_sample is False


class GaussianDenoiser(PriorNetwork):
    """The exact denoiser where user u's embeddings are N(mean_u, .5 ** 2) in every dimension.

    The null user's are N(0, .5 ** 2). E[x0 | x] = m + s2 sqrt(a) / (s2 a + 1 - a) (x - sqrt(a) m).
    """

    def __init__(self, config, means, size=2):
        super().__init__(size, len(means))
        self.means = torch.tensor([*means, 0.0])
        self.schedule, self.prediction = diffusion.noise_schedule(config), config.prediction
        self.calls = []

    def forward(self, x, time, user, rating):
        self.calls.append((len(x), user, rating))
        a, mean = self.schedule.alphas_cumprod[time][:, None], self.means[user][:, None]
        clean = mean + 0.25 * a.sqrt() / (0.25 * a + 1 - a) * (x - a.sqrt() * mean)
        noise = (x - a.sqrt() * clean) / (1 - a).sqrt()
        return diffusion.target(self.schedule, self.prediction, clean, noise, time)


def gaussian_draws(user=0, n=600, **options):
    config = PriorConfig(**{"guidance_scale": 1.0, **options})
    network = GaussianDenoiser(config, [2.0, -1.0])
    seeds = np.arange(n, dtype=np.int64) * 7919
    return sampling.sample_embeddings(network, config, np.full(n, user), seeds), network


# With the exact denoiser the draws follow the data: mean 2, deviation .5. Of 1200 numbers five
# standard errors are .07 and .05; the few-step samplers add their discretisation.
@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
@pytest.mark.parametrize(("sampler", "steps"), [("ddpm", 250), ("ddim", 100), ("dpm", 50)])
def test_samplers_draw_from_a_known_gaussian(monkeypatch, sampler, steps, prediction):
    monkeypatch.setattr(sampling, "ROWS", 600)
    schedule = "linear" if prediction == "epsilon" else "squaredcos_cap_v2"
    drawn, _ = gaussian_draws(
        sampler=sampler, n_inference_steps=steps, prediction=prediction, beta_schedule=schedule
    )
    assert drawn.mean() == pytest.approx(2.0, abs=0.1)
    assert drawn.std() == pytest.approx(0.5, abs=0.06)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.2  # dimensions are independent


# Under the laplace schedule a signal of a = .0316 is left at the last step, whose distribution is
# N(.356, .976) where the samplers start from N(0, 1), and the steps near the ends are coarse. With
# the exact denoiser mean and deviation follow a linear recursion (Ho et al. 2020, eq. 7; Song et
# al. 2021, eq. 12), which gives (1.984, .452) for 250 ancestral steps, that forget the start, and
# (1.847, .430) for 100 of DDIM, (1.855, .408) for 50, and DPM's last step is one of DDIM.
@pytest.mark.parametrize(
    ("sampler", "steps", "mean", "deviation"),
    [("ddpm", 250, 1.984, 0.452), ("ddim", 100, 1.847, 0.430), ("dpm", 50, 1.855, 0.408)],
)
def test_samplers_draw_under_the_laplace_schedule(monkeypatch, sampler, steps, mean, deviation):
    monkeypatch.setattr(sampling, "ROWS", 600)
    options = {"beta_schedule": "laplace", "prediction": "v_prediction"}
    drawn, _ = gaussian_draws(sampler=sampler, n_inference_steps=steps, **options)
    assert drawn.mean() == pytest.approx(mean, abs=0.06)
    assert drawn.std() == pytest.approx(deviation, abs=0.04)


def test_full_ancestral_sampling_draws_from_a_known_gaussian(monkeypatch):
    monkeypatch.setattr(sampling, "ROWS", 200)
    drawn, network = gaussian_draws(user=1, n=200)
    assert len(network.calls) == 1000  # the published sampler takes every step
    assert drawn.mean() == pytest.approx(-1.0, abs=0.13)
    assert drawn.std() == pytest.approx(0.5, abs=0.09)


def test_guidance_moves_along_the_difference():
    # Both branches are Gaussians of one width, so that guidance s samples mean s * (2 - 0) + 0.
    means = [gaussian_draws(n=64, sampler="ddim", n_inference_steps=50, guidance_scale=s)[0].mean()
             for s in (0.0, 1.0, 2.0, 3.0)]  # fmt: skip
    np.testing.assert_allclose(np.diff(means), 2.0, atol=0.01)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.5])
def test_guidance_identities(scale):
    config = PriorConfig(guidance_scale=scale)
    network = GaussianDenoiser(config, [2.0, -1.0])
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    time, user = torch.full((4,), 500), torch.tensor([0, 1, 0, 1])
    conditional = network(x, time, user, torch.ones(4))
    unconditional = network(x, time, torch.full((4,), 2), torch.full((4,), NULL_RATING))
    found = network.guided(x, time[0], user, torch.ones(4), scale)
    if scale in (0.0, 1.0):  # exactly one of the branches
        assert torch.equal(found, conditional if scale else unconditional)
    # Equation 4 of the paper.
    expected = unconditional + scale * (conditional - unconditional)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("asked", "row"), [("like", 1), ("dislike", 0)])
def test_guidance_asks_for_a_rating_against_both_null(asked, row):
    options = {"rating": asked, "sampler": "ddim", "n_inference_steps": 2, "guidance_stop": 0.5}
    _, network = gaussian_draws(user=1, n=sampling.ROWS, **options)
    rows, users, ratings = network.calls[0]
    assert rows == 2 * sampling.ROWS  # both branches in one call
    assert users.tolist() == [1] * sampling.ROWS + [2] * sampling.ROWS
    assert ratings.tolist() == [row] * sampling.ROWS + [NULL_RATING] * sampling.ROWS
    assert network.calls[1][2].tolist() == [row] * sampling.ROWS


@pytest.mark.parametrize(("stop", "n_guided"), [(1.0, 20), (0.7, 14), (0.0, 0)])
def test_guidance_stops_after_its_share_of_the_steps(stop, n_guided):
    """Both branches in one call while it lasts, the condition alone afterwards."""
    options = {"sampler": "ddim", "n_inference_steps": 20, "guidance_scale": 3.0}
    drawn, network = gaussian_draws(n=sampling.ROWS, guidance_stop=stop, **options)
    rows = [len(users) for _, users, _ in network.calls]
    assert rows == [2 * sampling.ROWS] * n_guided + [sampling.ROWS] * (20 - n_guided)
    assert all((ratings[: sampling.ROWS] == 1).all() for _, _, ratings in network.calls)
    plain = {**options, "guidance_scale": 1.0}
    unguided = gaussian_draws(n=sampling.ROWS, **plain)[0]
    assert (np.abs(drawn - unguided).max() < 1e-5) == (stop == 0.0)


def test_noise_predictions_become_clean_embeddings():
    g = torch.Generator().manual_seed(0)
    clean, noise = 3 * torch.randn(5, 2, generator=g), torch.randn(5, 2, generator=g)
    alpha = torch.tensor(0.3)
    x = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise  # equation 2 of the paper
    v = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean  # Salimans and Ho 2022, section 4
    for prediction, value in (("epsilon", noise), ("sample", clean), ("v_prediction", v)):
        config = PriorConfig(prediction=prediction)
        torch.testing.assert_close(diffusion.to_clean(value, x, alpha, config), clean)
        bounded = PriorConfig(prediction=prediction, clip_range=1.5)
        found = diffusion.to_clean(value, x, alpha, bounded)
        torch.testing.assert_close(found, clean.clamp(-1.5, 1.5))
    assert clean.abs().max() > 1.5


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm"])
def test_noise_depends_on_the_seed_alone(sampler):
    options = {"sampler": sampler, "n_inference_steps": 10}
    one, _ = gaussian_draws(n=40, **options)
    again, _ = gaussian_draws(n=40, **options)
    few, _ = gaussian_draws(n=3, **options)
    assert np.array_equal(one, again)
    assert np.array_equal(one[:3], few)
    assert len(np.unique(one[:, 0])) == 40


def test_prior_noise_is_not_what_the_decoder_draws_from_the_same_seed():
    noise = torch.randn(8, generator=sampling._generator(5))
    assert not torch.allclose(noise, torch.randn(8, generator=torch.Generator().manual_seed(5)))


# --- training -----------------------------------------------------------------------------


def nearest_centre(vectors):
    return ((vectors[:, None] - CENTRES) ** 2).sum(-1).argmin(1)


def own_share(images):
    """Share of 25 images per user that show the user's own cluster."""
    found = nearest_centre(PixelCoder().encode(images))
    return (found == np.repeat(np.arange(4), 25)).mean()


# Of a user's likes .95 / (.95 + 3 * .05) = .86 show the own cluster, and guidance sharpens that;
# chance is .25. Predicting the noise learns the interaction of user and rating more slowly.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "least"),
    [("rebeca", {}, 0.9), ("rebeca-v1", V1_LEARNER, 0.6)],
)
def test_learns_the_planted_taste(name, options, least):
    made = method(name, **{**LEARNER, **options})
    made.fit(VIEW, context())
    losses = made._fitted.history.groupby("epoch")[["loss", "validation_loss"]].mean()
    assert (losses.iloc[-1] < 0.7 * losses.iloc[0]).all()
    assert own_share(made.generate(plan(25))) >= least
    # Asked for dislikes: of a user's .05 / (.05 + 3 * .95) = .02 show the own cluster, so that the
    # user would like .05 + .02 * .9 = .07 of them.
    options = made.config
    made.config = options.model_copy(update={"rating": "dislike"})
    if name == "rebeca":  # the first version learns what a rating changes more slowly
        assert own_share(made.generate(plan(25))) <= 0.1
    made.config = options
    # No collapse: unguided draws lie around their centre, the data .5 per dimension, these small
    # networks somewhat closer; a prior that draws the cluster's mean would be at 0.
    made.config = made.config.model_copy(update={"guidance_scale": 1.0})
    vectors = made.embeddings(plan(25))
    offsets = vectors - CENTRES[nearest_centre(vectors)]
    assert 0.15 < np.sqrt((offsets**2).mean()) < 0.9


@pytest.mark.slow
def test_without_users_the_taste_is_not_learned():
    made = method("rebeca-no-user", **LEARNER)
    made.fit(VIEW, context())
    images = made.generate(plan(25))
    # All users share one distribution over four equal clusters: .25, five standard errors .22.
    assert own_share(images) < 0.47
    assert len(np.unique(nearest_centre(PixelCoder().encode(images)))) == 4


@every_method
def test_fit_is_deterministic_and_leaves_the_global_generator_alone(name):
    before = torch.get_rng_state(), torch.get_num_threads()
    one, same, other = fitted(name), fitted(name), fitted(name, seed=1)
    one.generate(plan(1))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == torch.get_num_threads()
    assert same_weights(one, same)
    assert not same_weights(one, other)


class KilledError(BaseException):
    """Stands for a kill: nothing in the package may catch it."""


def kill_at(monkeypatch, step):
    """The training step number ``step`` (from 0) dies."""
    original, count = training.PriorTrainer._step, iter(range(10**6))

    def dying(self, batch):
        if next(count) == step:
            raise KilledError
        return original(self, batch)

    monkeypatch.setattr(training.PriorTrainer, "_step", dying)


# Four epochs of 80 rows in batches of 16: 5 steps each.
@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
@pytest.mark.parametrize("name", ["rebeca", "rebeca-v1"])
@pytest.mark.parametrize("step", [0, 4, 5, 12, 19])
def test_a_killed_fit_resumes_to_the_same_bits(monkeypatch, tmp_path, name, step, schedule):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0)
    options = {"learning_rate_schedule": schedule}
    whole = fitted(name, **options)
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(KilledError):
            fitted(name, checkpoints=tmp_path, **options)
    resumed = fitted(name, checkpoints=tmp_path, **options)
    assert same_weights(whole, resumed)
    pd.testing.assert_frame_equal(whole._fitted.history, resumed._fitted.history)


def test_resuming_does_not_repeat_finished_epochs(monkeypatch, tmp_path):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0)
    with monkeypatch.context() as patch:
        kill_at(patch, 12)
        with pytest.raises(KilledError):
            fitted("rebeca", checkpoints=tmp_path)
    kill_at(monkeypatch, 10**6)  # counts the steps and kills none
    steps = []
    original = training.PriorTrainer._step
    monkeypatch.setattr(
        training.PriorTrainer, "_step", lambda self, b: (steps.append(1), original(self, b))[1]
    )
    fitted("rebeca", checkpoints=tmp_path)
    assert len(steps) == 10  # epochs 2 and 3; 0 and 1 come from the checkpoint


def test_a_finished_fit_is_not_trained_again(monkeypatch, tmp_path):
    whole = fitted("rebeca", checkpoints=tmp_path)
    kill_at(monkeypatch, 0)
    assert same_weights(whole, fitted("rebeca", checkpoints=tmp_path))


@pytest.mark.parametrize("change", [{"learning_rate": 1e-3}, {"seed": 1}])
def test_a_checkpoint_of_another_fit_is_not_used(tmp_path, change):
    fitted("rebeca", checkpoints=tmp_path)
    assert same_weights(
        fitted("rebeca", checkpoints=tmp_path, **change), fitted("rebeca", **change)
    )


def test_sampling_options_do_not_change_the_identity_of_a_fit(monkeypatch, tmp_path):
    fitted("rebeca", checkpoints=tmp_path)
    kill_at(monkeypatch, 0)
    fitted("rebeca", checkpoints=tmp_path, guidance_scale=1.0, n_inference_steps=3)


def test_a_kill_while_a_checkpoint_is_written_keeps_the_old_one(monkeypatch, tmp_path):
    checkpoint.write(tmp_path, {"identity": "x", "step": 1})

    def dies(_descriptor):
        raise KilledError

    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(KilledError):
        checkpoint.write(tmp_path, {"identity": "x", "step": 2})
    assert checkpoint.read(tmp_path, "x") == {"identity": "x", "step": 1}


def test_a_damaged_checkpoint_is_named_and_the_fit_starts_over(tmp_path, caplog):
    fitted("rebeca", checkpoints=tmp_path)
    path = tmp_path / checkpoint.FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    fitted("rebeca", checkpoints=tmp_path)
    assert "fit.pt: damaged" in caplog.text
    assert path.read_bytes() == whole


# A rate this large soon stops improving, so that the best epoch is not the last one.
DIVERGING = {"learning_rate": 5.0, "max_epochs": 50, "patience": 3}


def validation_losses(made):
    return made._fitted.history.groupby("epoch")["validation_loss"].first()


def test_patience_stops_and_keeps_the_best_weights():
    made = fitted("rebeca", **DIVERGING)
    losses = validation_losses(made)
    best = int(losses.argmin())
    assert len(losses) == best + 1 + 3
    stopped_at_best = fitted("rebeca", **{**DIVERGING, "max_epochs": best + 1})
    assert same_weights(made, stopped_at_best)


def test_patience_survives_a_kill(monkeypatch, tmp_path):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0)
    whole = fitted("rebeca", **DIVERGING)
    with monkeypatch.context() as patch:
        kill_at(patch, 5 * (len(validation_losses(whole)) - 1))  # in the last epoch
        with pytest.raises(KilledError):
            fitted("rebeca", checkpoints=tmp_path, **DIVERGING)
    resumed = fitted("rebeca", checkpoints=tmp_path, **DIVERGING)
    pd.testing.assert_series_equal(validation_losses(whole), validation_losses(resumed))
    assert same_weights(whole, resumed)


def test_plateau_halves_the_rate():
    # Steps this small improve nothing: as in torch, the rate halves after 5 epochs without a
    # relative gain of 1e-4, that is from the eighth epoch (number 7) on, and again 6 later.
    made = fitted("rebeca", learning_rate=1e-7, max_epochs=15, patience=100)
    rates = made._fitted.history.groupby("epoch")["learning_rate"].first()
    assert (rates / 1e-7).round(6).tolist() == [1.0] * 7 + [0.5] * 6 + [0.25] * 2


def test_a_user_with_few_ratings_and_no_validation_still_fits():
    made = fitted("rebeca", n_validation=0, max_epochs=2)
    assert made._fitted.history["validation_loss"].notna().all()


# --- life cycle ---------------------------------------------------------------------------


@every_method
def test_an_image_depends_on_its_sample_alone(name):
    made = fitted(name, max_epochs=1)
    samples = plan(10)  # 40 samples: three blocks, none of them full
    whole = made.generate(samples)
    order = np.random.default_rng(0).permutation(len(samples))
    shuffled = made.generate([samples[i] for i in order])
    single = [made.generate([sample])[0] for sample in samples[:2]]
    halves = [*made.generate(samples[:7]), *made.generate(samples[7:])]
    assert all(np.array_equal(shuffled[k], whole[i]) for k, i in enumerate(order))
    assert all(np.array_equal(a, b) for a, b in zip(halves, whole, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(single, whole[:2], strict=True))
    embeddings = made.embeddings(samples)  # before they are rounded to pixels
    assert np.array_equal(embeddings[order], made.embeddings([samples[i] for i in order]))
    assert np.array_equal(embeddings[:3], made.embeddings(samples[:3]))


@every_method
def test_save_and_load(name, tmp_path):
    made = fitted(name)
    made.save(tmp_path / "fit")
    other = method(name)
    other.load(tmp_path / "fit", CoderStack(), VIEW)
    assert same_weights(made, other)
    for a, b in zip(made.generate(plan()), other.generate(plan()), strict=True):
        assert np.array_equal(a, b)
    log = pd.read_parquet(tmp_path / "fit" / "training.parquet")
    assert log["step"].tolist() == list(range(20))
    assert list(log.columns) == ["epoch", "step", "loss", "validation_loss", "learning_rate"]
    other.save(tmp_path / "again")
    for file in (tmp_path / "fit").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_loading_under_another_configuration_is_refused(tmp_path):
    fitted("rebeca", max_epochs=1).save(tmp_path)
    with pytest.raises(RunError, match="not a saved prior of this configuration"):
        method("rebeca", n_layers=2).load(tmp_path, CoderStack(), VIEW)
    (tmp_path / "prior.json").write_text(json.dumps({"users": []}))
    with pytest.raises(RunError, match="not a saved prior"):
        method("rebeca").load(tmp_path, CoderStack(), VIEW)


def test_normalised_embeddings_come_back_in_the_stacks_units():
    made = fitted("rebeca", normalization="standard", max_epochs=1)
    parts = made._fitted.normalization
    assert parts.mean.numpy() == pytest.approx(VECTORS.mean(0), abs=1e-5)
    centred = parts.apply(torch.from_numpy(VECTORS))
    assert float(centred.square().mean()) == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(parts.undo(centred.numpy()), VECTORS, atol=1e-5)
    before = made.embeddings(plan(1))
    parts.mean.add_(100)
    np.testing.assert_allclose(made.embeddings(plan(1)), before + 100, rtol=1e-5)


@every_method
def test_no_samples_give_no_answers(name):
    assert list(fitted(name, max_epochs=1).generate([])) == []


@pytest.mark.parametrize("name", ["rebeca", "rebeca-v1"])
def test_an_unknown_user_is_refused_alone(name):
    made = fitted(name, max_epochs=1)
    good, stranger = plan(1), plan(1, ("z",))
    mixed = made.generate([good[0], *stranger, good[1]])
    assert isinstance(mixed[1], Failure)
    assert "user 'z' is not among the users" in mixed[1].reason
    for found, expected in zip((mixed[0], mixed[2]), made.generate(good[:2]), strict=True):
        assert np.array_equal(found, expected)
    with pytest.raises(UnsupportedRequestError, match="user 'z'"):
        made.generate(stranger)


def test_the_ablation_serves_everybody_the_same_distribution():
    made = fitted("rebeca-no-user", max_epochs=1)
    sample = plan(1)[0]
    stranger = dataclasses.replace(sample, request=Request("z"))
    assert np.array_equal(made.generate([sample])[0], made.generate([stranger])[0])


def test_unfitted_is_a_clear_error():
    with pytest.raises(RunError, match="not fitted"):
        method("rebeca").generate(plan(1))


def test_more_inference_steps_than_timesteps_are_refused():
    with pytest.raises(ConfigError, match="n_inference_steps=2000 is more than n_timesteps=1000"):
        method("rebeca", n_inference_steps=2000)


def test_progress_is_reported():
    seen = []

    def progress(items, description, total=None):
        seen.append((description, total))
        yield from items

    method("rebeca").fit(VIEW, context(progress=progress))
    assert seen == [("training the prior, epochs", 4)]
