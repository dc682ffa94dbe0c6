"""Users whom training did not see: whom they resemble, their tokens, and what is made for them.

The world is that of test_diffusion_priors: four clusters of embeddings, user k likes cluster k.
"""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import FitContext, NewcomerMethod
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.methods.prior.layers import build
from persongen_bench.methods.prior.newcomers import (
    PEOPLE,
    POPULATION,
    TOKEN_RATE,
    expected_shares,
    infer_tokens,
    mixture_shares,
)
from persongen_bench.methods.prior.raters import RatingModels, start_tokens
from persongen_bench.methods.prior.ratings import RatingTensors, TrainingData, tabulate
from persongen_bench.methods.prior.training import PriorTrainer
from persongen_bench.methods.rebeca import Rebeca, RebecaNoUser
from persongen_bench.methods.rebeca_v1 import RebecaV1

SIZE, N_ITEMS = 12, 240
USERS = tuple("abcd")
_AXES = np.random.default_rng(7).standard_normal((4, SIZE))
CENTRES = (3.0 * _AXES / np.linalg.norm(_AXES, axis=1, keepdims=True)).astype(np.float32)
CLUSTER = np.arange(N_ITEMS) % 4
VECTORS = CENTRES[CLUSTER] + 0.5 * np.random.default_rng(8).standard_normal((N_ITEMS, SIZE)).astype(
    np.float32
)
ITEMS = [f"i{k:03d}" for k in range(N_ITEMS)]
CATALOG = Catalog(pd.DataFrame(index=pd.Index(ITEMS, name="item_id")), source=None)

TINY = {
    "ratings_per_user": 20, "n_validation": 5, "batch_size": 16, "max_epochs": 2,
    "sampler": "ddim", "n_inference_steps": 5, "hidden_size": 8, "n_heads": 2, "n_layers": 1,
    "n_token_steps": 3,
}  # fmt: skip
LEARNER = {
    **TINY, "n_tokens": 4, "hidden_size": 32, "n_layers": 2, "ratings_per_user": 240,
    "batch_size": 64, "max_epochs": 70, "learning_rate": 3e-3,
    "learning_rate_schedule": "cosine", "n_inference_steps": 20, "guidance_scale": 3.0,
}  # fmt: skip


class Coder:
    """Pixels are the embedding's own numbers, so that every failure is the prior's."""

    signature = "coder"

    def decode(self, embeddings, seeds):
        return [row.view(np.uint8).reshape(3, 4, 4).copy() for row in embeddings]


class CoderStack:
    name, roles, signature = "coder", ("decoder",), "coder-1"

    def role(self, name):
        return Coder()


def view(likes):
    """``likes``: user => (rows of items, liked or not)."""
    rows = [
        (user, ITEMS[k], float(liked), bool(liked), np.nan)
        for user, (items, good) in likes.items()
        for k, liked in zip(items, good, strict=True)
    ]
    return View(CATALOG, pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS)))


def tastes(users=USERS, seed=0, n=N_ITEMS):
    """User k rates ``n`` items: likes cluster k with probability .95 and others with .05."""
    rng = np.random.default_rng(seed)
    likes = {}
    for k, user in enumerate(users):
        items = rng.permutation(N_ITEMS)[:n]
        likes[user] = items, rng.random(n) < np.where(CLUSTER[items] == k % 4, 0.95, 0.05)
    return view(likes)


def data(of):
    return TrainingData(torch.from_numpy(VECTORS), tabulate(of))


def context(seed=0):
    return FitContext(CoderStack(), seed, lambda role, v: VECTORS)


def fitted(cls=Rebeca, **options):
    tokens = {} if cls is RebecaV1 else {"n_tokens": 4}
    made = cls(cls.Config(**{**TINY, **tokens, **options}))
    made.fit(tastes(), context())
    return made


def plan(users, n=3):
    return plan_samples({"test": 1}, [Request(user, (), n) for user in users])


def table(made):
    return made._fitted.network.user.weight.detach()


def null_embeddings(made, samples):
    """Draws for the same seeds with the null user's token."""
    null = made._fitted.network.null_user
    stranger = [null] * len(samples)
    original, made._user = made._user, lambda sample: stranger[0]
    try:
        return made.embeddings(samples)
    finally:
        made._user = original


# --- whom they resemble -----------------------------------------------------------------------


def test_without_a_rating_the_shares_are_the_prior():
    prior = torch.tensor([0.5, 0.5, 1.0])
    assert expected_shares(torch.zeros(0, 3), prior).tolist() == [0.25, 0.25, 0.5]


def test_one_rating_is_bayes():
    # The one rating belongs to person j with probability ~ prior * chance = .45, .05, .5 (sum 1),
    # so that the shares are (prior + that) / 3.
    prior, chance = torch.tensor([0.5, 0.5, 1.0]), torch.tensor([[0.9, 0.1, 0.5]])
    expected = torch.tensor([0.95, 0.55, 1.5]) / 3
    torch.testing.assert_close(expected_shares(chance, prior), expected)


def test_many_ratings_of_one_person_are_told_to_be_theirs():
    prior = torch.tensor([0.5, 0.5, 1.0])
    chance = torch.tensor([[0.9, 0.1, 0.5]]).repeat(40, 1)
    shares = expected_shares(chance, prior)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] > 0.9  # (40 + .5) / 42 if all are the first person's


def test_a_blend_of_two_people_is_told_from_either():
    # Half of the ratings only the first person could have made, half only the second.
    prior = torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64)
    chance = torch.tensor([[0.95, 0.05, 0.4], [0.05, 0.95, 0.4]], dtype=torch.float64)
    shares = expected_shares(chance.repeat(20, 1), prior)
    assert shares[0] == pytest.approx(float(shares[1]))
    assert shares[0] > 0.4


def test_models_know_who_likes_what():
    likes = RatingModels.fit(data(tastes())).likes(torch.from_numpy(CENTRES))
    assert likes.shape == (4, 5)
    own = likes[:, :4].diagonal()
    others = likes[:, :4][~torch.eye(4, dtype=torch.bool)]
    assert own.min() > 0.6
    assert others.max() < 0.3
    # The population likes each cluster in (.95 + 3 * .05) / 4 = .275 of the cases.
    torch.testing.assert_close(likes[:, 4], torch.full((4,), 0.275).double(), atol=0.08, rtol=0)


def test_models_do_not_need_a_direction_that_nothing_varies_along():
    flat = VECTORS.copy()
    flat[:, 3:] = 1.0
    models = RatingModels.fit(TrainingData(torch.from_numpy(flat), tabulate(tastes())))
    assert models.directions.shape[1] == 3
    assert torch.isfinite(models.likes(torch.from_numpy(flat))).all()


@pytest.mark.parametrize("k", [8, 16])
def test_eight_ratings_identify_the_taste(k):
    newcomers = tastes([f"new-{n}" for n in range(12)], seed=5, n=k)
    shares = mixture_shares(data(tastes()), data(newcomers))
    assert shares.shape == (12, 5)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(12).double())
    # Users are in sorted order of their names: new-0, new-1, new-10, new-11, new-2, ...
    taste = torch.tensor([int(name.partition("-")[2]) % 4 for name in newcomers.users])
    right = shares[:, :4].argmax(dim=1) == taste
    # By chance a quarter would be right; with 8 ratings about 2 are of the own cluster.
    assert right.float().mean() >= (0.75 if k == 8 else 0.9)


def test_shares_are_of_the_right_newcomer_whatever_the_order_of_the_rows():
    newcomers = tastes(["x", "y"], seed=3, n=30)
    rows = newcomers.interactions.sample(frac=1, random_state=0)
    shuffled = mixture_shares(data(tastes()), data(View(CATALOG, rows)))
    straight = mixture_shares(data(tastes()), data(newcomers))
    torch.testing.assert_close(shuffled, straight, rtol=1e-9, atol=1e-12)
    alone = view({"y": ([0, 1, 2, 3], [0, 1, 0, 0])})
    both = view({"x": ([5, 6], [1, 0]), "y": ([0, 1, 2, 3], [0, 1, 0, 0])})
    of_alone, of_both = (mixture_shares(data(tastes()), data(v)) for v in (alone, both))
    torch.testing.assert_close(of_both[1], of_alone[0])


# --- their tokens -----------------------------------------------------------------------------


def test_the_token_of_a_mixture_is_the_mean_by_share():
    made = fitted(unseen_user="mixture")
    newcomers = tastes(["x", "y"], seed=3, n=8)
    shares = mixture_shares(data(tastes()), data(newcomers)).float()
    tokens = infer_tokens(
        made._fitted.network, made.config, data(tastes()), data(newcomers), torch.Generator()
    )
    torch.testing.assert_close(tokens, shares @ table(made)[:5])
    assert PEOPLE == POPULATION == 1.0


@pytest.mark.parametrize("cls", [Rebeca, RebecaV1])
@pytest.mark.parametrize("head", ["mixture", "fitted"])
def test_nothing_but_the_newcomers_changes(cls, head):
    made = fitted(cls, unseen_user=head)
    before = {name: value.clone() for name, value in made._fitted.network.state_dict().items()}
    known = made.embeddings(plan(USERS))
    made.adapt(tastes(["x", "y"], seed=3, n=4), context())
    after = made._fitted.network.state_dict()
    for name, value in before.items():
        kept = after[name][: len(value)] if name == "user.weight" else after[name]
        assert torch.equal(value, kept), name
    assert len(after["user.weight"]) == 4 + 1 + 2
    assert np.array_equal(known, made.embeddings(plan(USERS)))
    assert all(p.requires_grad for p in made._fitted.network.parameters())
    x, y = made.embeddings(plan(["x"])), made.embeddings(plan(["y"]))
    assert not np.allclose(x, y)


def test_adapting_is_deterministic_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    tokens = []
    for seed in (0, 0, 1):
        made = fitted(unseen_user="fitted")
        made.adapt(tastes(["x"], seed=3, n=6), context(seed))
        tokens.append(table(made)[5])
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(tokens[0], tokens[1])
    assert not torch.equal(tokens[0], tokens[2])


def test_a_fitted_token_starts_from_the_mixture():
    mixed, moved = fitted(unseen_user="mixture"), fitted(unseen_user="fitted", n_token_steps=1)
    for made in (mixed, moved):
        made.adapt(tastes(["x"], seed=3, n=6), context())
    step = (table(moved)[5] - table(mixed)[5]).abs() / table(mixed)[:4].std(unbiased=False)
    # Adam's first step has the same length everywhere: its rate, here in deviations, less its eps.
    torch.testing.assert_close(step, torch.full_like(step, TOKEN_RATE), rtol=0.05, atol=0)


def test_earlier_newcomers_are_forgotten():
    made = fitted(unseen_user="mixture")
    made.adapt(tastes(["x", "y"], seed=3, n=4), context())
    made.adapt(tastes(["y"], seed=4, n=4), context())
    assert made._fitted.newcomers == ("y",)
    assert len(table(made)) == 4 + 1 + 1


# --- who is served --------------------------------------------------------------------------


def test_without_a_rating_a_newcomer_is_served_as_the_null_user():
    made = fitted(unseen_user="mixture")
    made.adapt(view({}), context())
    samples = plan(["stranger"])
    assert np.array_equal(made.embeddings(samples), null_embeddings(made, samples))
    assert len(made.generate(samples)) == 3
    made.adapt(tastes(["x"], seed=3, n=16), context())
    other = plan(["x"])
    assert not np.allclose(made.embeddings(other), null_embeddings(made, other))
    assert np.array_equal(made.embeddings(samples), null_embeddings(made, samples))


def test_newcomers_are_refused_unless_asked_for():
    made = fitted()
    assert not made.adapts
    with pytest.raises(ConfigError, match=r"refuses newcomers\. Set unseen_user"):
        made.adapt(tastes(["x"], n=4), context())


def test_a_known_user_is_no_newcomer():
    made = fitted(unseen_user="mixture")
    with pytest.raises(ConfigError, match="user 'b' has been in training"):
        made.adapt(tastes(["b", "x"], n=4), context())


def test_the_ablation_without_users_has_nothing_to_adapt():
    made = RebecaNoUser(RebecaNoUser.Config(**TINY, n_tokens=4, unseen_user="mixture"))
    assert not made.adapts
    assert RebecaNoUser.heads == ()


@pytest.mark.parametrize("cls", [Rebeca, RebecaV1])
def test_the_priors_keep_the_seam(cls):
    assert isinstance(cls(cls.Config()), NewcomerMethod)
    for head in cls.heads:
        made = cls(cls.Config(**head))
        assert made.adapts
        assert set(head) <= cls.adapt_fields <= set(cls.Config.model_fields)


def test_the_heads_share_one_fit():
    made = [Rebeca(Rebeca.Config(**TINY, n_tokens=4, **head)) for head in ({}, *Rebeca.heads)]
    assert len({each._identity(tastes(), context()) for each in made}) == 1


@pytest.mark.parametrize("cls", [Rebeca, RebecaV1])
def test_save_and_load_keep_the_newcomers(cls, tmp_path):
    made = fitted(cls, unseen_user="fitted")
    made.adapt(tastes(["x", "y"], seed=3, n=4), context())
    made.save(tmp_path / "fit")
    other = cls(made.config)
    other.load(tmp_path / "fit", CoderStack(), tastes())
    samples = plan([*USERS, "x", "y", "stranger"], 2)
    assert np.array_equal(made.embeddings(samples), other.embeddings(samples))
    other.save(tmp_path / "again")
    for file in (tmp_path / "fit").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


# --- what is made for them -------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A prior that has learned the four tastes, saved."""
    made = Rebeca(Rebeca.Config(**LEARNER))
    made.fit(tastes(), context())
    folder = tmp_path_factory.mktemp("learned")
    made.save(folder)
    return folder


def own_share(made, newcomers, n=6):
    """Share of ``n`` draws per newcomer that lie nearest to the cluster they like."""
    samples = plan(newcomers, n)
    drawn = made.embeddings(samples)
    found = ((drawn[:, None] - CENTRES) ** 2).sum(-1).argmin(1)
    wanted = [int(sample.request.user_id.partition("-")[2]) % 4 for sample in samples]
    return (found == np.array(wanted)).mean()


@pytest.mark.slow
@pytest.mark.parametrize("head", ["mixture", "fitted"])
def test_eight_ratings_of_a_newcomer_are_enough_and_none_are_not(learned, head):
    newcomers = [f"new-{n}" for n in range(8)]
    config = Rebeca.Config(**{**LEARNER, "unseen_user": head, "n_token_steps": 40})
    shares = {}
    for k in (0, 8, 100):
        made = Rebeca(config)
        made.load(learned, CoderStack(), tastes())
        made.adapt(tastes(newcomers, seed=5, n=k) if k else view({}), context())
        shares[k] = own_share(made, newcomers)
    # Four equal clusters: .25 without a rating, five standard errors of 48 draws are .31. Known
    # users reach .9 and more (test_diffusion_priors).
    assert shares[0] < 0.56
    assert shares[8] > shares[0]
    assert shares[8] >= 0.6
    assert shares[100] >= 0.8


# --- where known users start -------------------------------------------------------------------


def started(users, seed=0):
    """Tokens at the start of a training on people whose tastes come round after four."""
    people = tastes(users, seed=1)
    network = build(partial(Rebeca(Rebeca.Config(**TINY, n_tokens=4)).network, SIZE, len(users)),
                    torch.Generator().manual_seed(seed))  # fmt: skip
    null = network.user.weight[-1].clone()
    start_tokens(network, data(people), torch.Generator().manual_seed(seed))
    assert torch.equal(null, network.user.weight[-1])
    return network.user.weight.detach()[: len(users)]


def test_users_who_rate_alike_start_alike():
    tokens = started("abcdefgh")
    assert tokens.square().mean() == pytest.approx(1.0, abs=1e-4)
    distance = torch.cdist(tokens, tokens)
    twin = (torch.arange(8) + 4) % 8
    for k in range(8):
        others = [j for j in range(8) if j not in (k, twin[k])]
        assert distance[k, twin[k]] < 0.5 * distance[k, others].min()
    assert torch.equal(tokens, started("abcdefgh"))
    assert not torch.equal(tokens, started("abcdefgh", seed=1))


@pytest.mark.parametrize("part", ["validation", "training"])
def test_tokens_start_from_the_training_rows_alone(part):
    config = Rebeca.Config(**{**TINY, "n_tokens": 4, "user_start": "ratings"})
    whole = data(tastes())

    def trainer(given):
        network = build(partial(Rebeca(config).network, SIZE, 4), torch.Generator().manual_seed(0))
        return PriorTrainer(network, given, config, torch.Generator().manual_seed(1))

    first = trainer(whole)
    held = {tuple(row) for row in torch.stack([first.validation.item, first.validation.user], 1)
            .tolist()}  # fmt: skip
    assert len(held) == 4 * 5
    rows = torch.stack([whole.ratings.item, whole.ratings.user], 1).tolist()
    inside = torch.tensor([(tuple(row) in held) == (part == "validation") for row in rows])
    flipped = torch.where(inside, 1 - whole.ratings.rating, whole.ratings.rating)
    other = trainer(
        TrainingData(
            whole.embeddings, RatingTensors(whole.ratings.item, whole.ratings.user, flipped)
        )
    )
    same = torch.equal(first.network.user.weight, other.network.user.weight)
    assert same is (part == "validation")


def test_random_is_the_default_start():
    config = Rebeca.Config(**{**TINY, "n_tokens": 4})
    network = build(partial(Rebeca(config).network, SIZE, 4), torch.Generator().manual_seed(0))
    before = network.user.weight.detach().clone()
    PriorTrainer(network, data(tastes()), config, torch.Generator().manual_seed(1))
    assert torch.equal(before, network.user.weight)
