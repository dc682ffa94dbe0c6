"""A simulated FLICKR-AES has the numbers of the real one, and tastes to find."""

import numpy as np
import pytest
from refusals import refused

from persongen_bench.core.errors import ConfigError
from persongen_bench.worlds.flickr_aes import FlickrPlan, make_world, pairs, user_counts
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig

SIZES = [(12, 720, 240), (5, 10, 4), (20, 1000, 300), (6, 300, 75), (210, 5000, 1200)]


def test_published_counts():
    """210 workers, 193,208 ratings, 40,988 images (REBECA, section 4.1), 48 to 17,895 ratings a
    worker (its released code), and 37 test workers with 105 to 171 (papers on aesthetics)."""
    plan = FlickrPlan()
    for seed in range(3):
        amounts = user_counts(plan, np.random.default_rng(seed))
        assert (len(amounts), amounts.sum()) == (210, 193_208)
        assert (amounts.min(), amounts.max()) == (48, 17_895)
        assert (amounts == 17_895).sum() == 1
        assert plan.n_testers == 37
        assert amounts[:37].min() >= 105
        assert amounts[:37].max() <= 171


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_met_exactly(size):
    n_users, n_ratings, n_images = size
    world = make_world(FlickrPlan(*size))
    assert len(world.score) == n_ratings
    assert set(world.user.tolist()) == set(range(n_users))
    raters = np.bincount(world.image, minlength=n_images)
    # everybody's pictures are dealt out in turn: as many raters for all, to one; 5 at most
    assert raters.min() == n_ratings // n_images
    assert raters.max() == -(-n_ratings // n_images) <= 5
    assert len(set(zip(world.user.tolist(), world.image.tolist(), strict=True))) == n_ratings
    # shares of `PeopleConfig`: 30% likes, the prevalence of REBECA's section 4.3.2
    assert (world.score >= 4).sum() == pytest.approx(0.3 * n_ratings, abs=1)
    assert set(world.score.tolist()) <= {1, 2, 3, 4, 5}


def test_exchanges_keep_counts_and_mix_the_raters():
    """Dealt out in turn, two workers who rate 20 of 100 images each would share all or none of
    long runs; independent choices share 20 * 20 / 100 = 4 on average."""
    amounts = np.full(20, 20)
    user, image = pairs(amounts, 100, np.random.default_rng(0))
    assert np.array_equal(np.bincount(user), amounts)
    assert (np.bincount(image, minlength=100) == 4).all()
    rated = np.zeros((20, 100), dtype=int)
    rated[user, image] = 1
    shared = (rated @ rated.T)[np.triu_indices(20, 1)]
    assert rated.max() == 1
    # each image has 4 of 20 raters: C(4,2) * 100 pairs over C(20,2) = 600 / 190
    assert shared.mean() == pytest.approx(600 / 190)
    # hypergeometric-like: a variance of about 100 p (1 - p), p = 600 / 190 / 100; blocks: above 20
    assert 1.0 < shared.var() < 6.0


def test_scores_follow_the_planted_taste():
    """The same pictures' like probabilities tell likes from dislikes; another seed's people do
    not, beyond what their base rates and common taste tell."""
    plan = FlickrPlan(30, 3000, 900, seed=3)
    world = make_world(plan)
    from persongen_bench.worlds.tasteworld.attributes import scene_index

    scene = scene_index(world.scenes)[world.image]
    values = {}
    for name, seed in (("own", 3), ("others", 4)):
        people = People.draw(PeopleConfig(seed=seed), 30)
        values[name] = people.values(world.user, scene, np.zeros(len(scene)))
    own, others = (np.corrcoef(values[name], world.score)[0, 1] for name in ("own", "others"))
    # variances: taste 1, leniency .09, noise .49; 1 / sqrt(1.58) = .80, less for five steps
    assert 0.65 < own < 0.85
    assert abs(others) < 0.2


def test_the_seed_is_all_there_is_to_chance():
    first, again, other = (make_world(FlickrPlan(12, 720, 240, seed=seed)) for seed in (1, 1, 2))
    for name in ("user", "image", "score", "scenes", "seeds"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((4, 100, 50), "4 workers"),
        ((10, 15, 10), "10 workers with 15 ratings"),
        ((10, 600, 100), "600 ratings of 100 images"),
        ((10, 50, 100), "50 ratings of 100 images"),
        ((5, 250, 60), "Nobody rates an image twice"),
    ],
)
def test_sizes_that_do_not_go_together(size, message):
    with refused(message, error=ConfigError):
        FlickrPlan(*size)


def test_pictures_of_no_size():
    with refused("pictures of 4 pixels", error=ConfigError):
        FlickrPlan(size=4)
