"""What stops a training and compares configurations: rows of its own, or those of the split."""

import numpy as np
import pandas as pd
import pytest
import torch

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.core.method import FitContext, Selectable
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog, content_hash
from persongen_bench.methods.prior import diffusion
from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.layers import PriorNetwork
from persongen_bench.methods.prior.ratings import RatingTensors, TrainingData, tabulate
from persongen_bench.methods.prior.selection import clean_error
from persongen_bench.methods.rebeca import Rebeca, RebecaNoUser
from persongen_bench.methods.rebeca_v1 import RebecaV1

SIZE, N_ITEMS = 8, 50
USERS = tuple("abc")
VECTORS = np.random.default_rng(0).standard_normal((2 * N_ITEMS, SIZE)).astype(np.float32)
IDS = [f"i{k:03d}" for k in range(2 * N_ITEMS)]
TINY = {
    "n_tokens": 2, "n_layers": 1, "n_heads": 2, "hidden_size": 8, "batch_size": 10,
    "ratings_per_user": None, "n_validation": 4, "max_epochs": 2,
}  # fmt: skip


def view(users, items):
    """Everybody of ``users`` rates every item of the rows ``items``."""
    rows = [(u, IDS[k], 1.0, (k + ord(u)) % 2 == 0, np.nan) for u in users for k in items]
    table = pd.DataFrame(index=pd.Index([IDS[k] for k in items], name="item_id"))
    return View(Catalog(table, source=None), pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS)))


TRAIN = view(USERS, range(N_ITEMS))
HELD = view(USERS[1:], range(N_ITEMS, N_ITEMS + 6))


class CoderStack:
    name, roles, signature = "coder", ("decoder",), "coder-1"

    def role(self, name):
        return object()


def context(validation=None, asked=None):
    def features(role, of):
        if asked is not None:
            asked.append(of)
        return VECTORS[[IDS.index(item) for item in of.catalog.ids]]

    return FitContext(CoderStack(), 0, features, validation=validation)


def fitted(held=None, **options):
    made = Rebeca(Rebeca.Config(**{**TINY, **options}))
    made.fit(TRAIN, context(held))
    return made


def weights(made):
    return made._fitted.network.state_dict()


def same_weights(one, other):
    return all(torch.equal(a, weights(other)[key]) for key, a in weights(one).items())


def validation_losses(made):
    return made._fitted.history.groupby("epoch")["validation_loss"].first().to_numpy()


# --- whose rows stop the training -------------------------------------------------------------


def test_with_the_split_every_training_row_is_trained_on():
    # 3 users x 50 ratings in batches of 10; of its own it holds out 4 of each.
    for options, steps in (({}, 14), ({"validation": "split"}, 15)):
        made = fitted(HELD, max_epochs=1, **options)
        assert len(made._fitted.history) == steps  # ceil(138 / 10) and 150 / 10


def test_validation_rows_of_the_split_are_what_is_validated_on():
    other = view(USERS[1:], range(N_ITEMS + 6, N_ITEMS + 12))
    one, two = (fitted(held, validation="split") for held in (HELD, other))
    np.testing.assert_array_equal(one._fitted.history["loss"], two._fitted.history["loss"])
    assert np.all(validation_losses(one) != validation_losses(two))


def test_users_of_the_validation_keep_their_numbers():
    known = tabulate(HELD, USERS)
    assert known.user.unique().tolist() == [1, 2]
    assert tabulate(HELD).user.unique().tolist() == [0, 1]
    with_stranger = tabulate(view((*USERS, "z"), range(4)), USERS)
    assert len(with_stranger) == 3 * 4  # z is in no training
    train, held = (TrainingData(torch.full((n, 2), float(n)), known) for n in (5, 6))
    both = train.validated_by(held)
    assert (both.embeddings[both.validation.item] == 6).all()
    assert both.validation.user.tolist() == known.user.tolist()


def test_by_default_the_rows_of_the_split_are_not_looked_at():
    asked = []
    made = Rebeca(Rebeca.Config(**TINY))
    assert made.reads_validation is False
    made.fit(TRAIN, context(HELD, asked))
    assert all(of is TRAIN for of in asked)
    assert same_weights(made, fitted(None))
    assert made._identity(TRAIN, context(HELD)) == made._identity(TRAIN, context())


def test_a_fit_by_the_split_is_another_one_for_other_rows():
    made = Rebeca(Rebeca.Config(**TINY, validation="split"))
    assert made.reads_validation is True
    names = {made._identity(TRAIN, context(held)) for held in (HELD, TRAIN)}
    names.add(Rebeca(Rebeca.Config(**TINY))._identity(TRAIN, context(HELD)))
    assert len(names) == 3


@pytest.mark.parametrize("held", [None, view(("z",), range(4))])
def test_a_split_without_validation_rows_is_refused(held):
    told = r"no validation rows of its training users\. Set validation to own"
    with pytest.raises(ConfigError, match=told):
        fitted(held, validation="split")


# --- the loss that configurations are compared by ---------------------------------------------


class GaussianDenoiser(PriorNetwork):
    """The exact denoiser of embeddings that are N(3, deviation ** 2) in every dimension."""

    def __init__(self, config, deviation):
        super().__init__(SIZE, 1)
        self.schedule, self.prediction = diffusion.noise_schedule(config), config.prediction
        self.variance = deviation**2

    def forward(self, x, time, user, rating):
        a = self.schedule.alphas_cumprod[time][:, None]
        gain = self.variance * a.sqrt() / (self.variance * a + 1 - a)
        clean = 3 + gain * (x - a.sqrt() * 3)
        noise = (x - a.sqrt() * clean) / (1 - a).sqrt()
        return diffusion.target(self.schedule, self.prediction, clean, noise, time)


# A share s of the noisy embedding's variance is signal: the best that can be done leaves 1 - s of
# the clean one's unexplained, over the ten levels .5 on average. 20,000 numbers: 1% each.
# (The laplace schedule has no level as low as 5% for embeddings of a deviation of 4.)
@pytest.mark.parametrize(
    ("schedule", "deviation"),
    [
        ("squaredcos_cap_v2", 0.5),
        ("squaredcos_cap_v2", 4.0),
        ("linear", 0.5),
        ("linear", 4.0),
        ("laplace", 0.5),
        ("laplace", 1.0),
    ],
)
@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_the_error_of_the_best_denoiser_is_the_same_in_all_units(prediction, schedule, deviation):
    config = PriorConfig(prediction=prediction, beta_schedule=schedule)
    n = 2500
    g = torch.Generator().manual_seed(1)
    embeddings = 3 + deviation * torch.randn(n, SIZE, generator=g)
    nobody = torch.zeros(n, dtype=torch.int64)
    held = TrainingData(embeddings, RatingTensors(torch.arange(n), nobody, nobody))
    assert clean_error(GaussianDenoiser(config, deviation), config, held) == pytest.approx(
        0.5, abs=0.02
    )


def test_the_mean_of_the_embeddings_has_an_error_of_one():
    class Mean(GaussianDenoiser):
        def forward(self, x, time, user, rating):
            return torch.full_like(x, 3.0)

    g, nobody = torch.Generator().manual_seed(1), torch.zeros(2500, dtype=torch.int64)
    rows = RatingTensors(torch.arange(2500), nobody, nobody)
    held = TrainingData(3 + torch.randn(2500, SIZE, generator=g), rows)
    assert clean_error(Mean(PriorConfig(), 1.0), PriorConfig(), held) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("options", [{}, {"validation": "split"}])
def test_a_fitted_prior_says_how_well_it_does_and_so_does_one_that_is_loaded(tmp_path, options):
    made = fitted(HELD, **options)
    assert isinstance(made, Selectable)
    made.save(tmp_path)
    other = Rebeca(Rebeca.Config(**{**TINY, **options}))
    with pytest.raises(RunError, match="not fitted"):
        other.validation_loss()
    other.load(tmp_path, CoderStack(), TRAIN)
    assert other.validation_loss() == made.validation_loss()
    assert made.validation_loss() > 0


def test_it_is_that_of_the_kept_weights_on_the_split():
    made = fitted(HELD, validation="split")
    rows = RatingTensors(*(getattr(tabulate(HELD, USERS), k) for k in ("item", "user", "rating")))
    held = TrainingData(torch.from_numpy(VECTORS[N_ITEMS : N_ITEMS + 6]), rows)
    assert clean_error(made._fitted.network, made.config, held) == made.validation_loss()


def test_without_validation_rows_there_is_none():
    made = fitted(n_validation=0)
    with pytest.raises(RunError, match=r"without validation rows\. Set n_validation"):
        made.validation_loss()


# --- what came before keeps its name ----------------------------------------------------------

BEFORE = {
    ("rebeca", "paper"): "8c8761f041a104cb", ("rebeca", "controlled"): "2acd79f873837468",
    ("rebeca", "sandbox"): "c4b76488c38681d7", ("rebeca-no-user", "paper"): "23742f978e23b893",
    ("rebeca-no-user", "controlled"): "2567d1c9722f1588",
    ("rebeca-no-user", "sandbox"): "5d8459012c8fefb6",
    ("rebeca-v1", "controlled"): "ac3e4ea21cd9e316", ("rebeca-v1", "sandbox"): "a31dc810b2b02f82",
}  # fmt: skip
"""Hashes of the recorded configurations before `PriorConfig.added` existed."""
SINCE = {
    ("rebeca", "sandbox"): {"max_epochs": 160},
    ("rebeca-no-user", "sandbox"): {"max_epochs": 160},
}
"""What presets said then."""


@pytest.mark.parametrize(("name", "preset"), BEFORE)
def test_options_that_are_left_alone_are_not_recorded(name, preset):
    cls = registry.get("methods", name)
    config = cls.Config(**{**cls.presets[preset], **SINCE.get((name, preset), {})})
    assert content_hash(config.model_dump(mode="json")) == BEFORE[name, preset]


@pytest.mark.parametrize("cls", [Rebeca, RebecaNoUser, RebecaV1])
def test_options_that_are_set_are_recorded_and_read_back(cls):
    more = {} if cls is RebecaV1 else {"block": "printed"}
    config = cls.Config(validation="split", rating="dislike", **more)
    recorded = config.model_dump(mode="json")
    assert {"validation", "rating", *more} <= set(recorded)
    assert cls.Config(**recorded) == config
    assert cls.Config(**cls.Config().model_dump(mode="json")) == cls.Config()


def test_fits_are_shared_by_likes_and_dislikes():
    assert "rating" in Rebeca.generate_fields
    one, other = (Rebeca(Rebeca.Config(**TINY, rating=rating)) for rating in ("like", "dislike"))
    assert one._identity(TRAIN, context()) == other._identity(TRAIN, context())


def test_dislikes_that_were_not_trained_on_cannot_be_asked_for():
    with pytest.raises(ConfigError, match=r"train_on=likes has never seen\. Set train_on"):
        Rebeca(Rebeca.Config(rating="dislike", train_on="likes"))
