"""True taste at scale: what is read, and how much is asked, by counts; values to the bit."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.truth import ReadsOnce
from persongen_bench.loop import true_taste
from persongen_bench.loop.true_taste import Tastes
from persongen_bench.metrics._space import own_scores
from persongen_bench.worlds.tasteworld.attributes import scene_at
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig
from persongen_bench.worlds.tasteworld.render import render
from persongen_bench.worlds.tasteworld.taste import TasteworldTaste

N = 9


@pytest.fixture(scope="module")
def drawn():
    return list(render(scene_at(np.arange(N) * 400), np.arange(N, dtype=np.uint64)))


@pytest.fixture(scope="module")
def known():
    return TasteworldTaste(People.draw(PeopleConfig(), 6))


class Plain:
    """The same truth, which can only be asked pictures and users together."""

    def __init__(self, known):
        self.known, self.shown = known, 0
        self.signature = known.signature

    def utility(self, images, user_ids):
        self.shown += len(images)
        return self.known.utility(images, user_ids)


class Reads(Plain):
    def read(self, images):
        self.shown += len(images)
        return self.known.read(images)

    def utility_of(self, read, user_ids):
        return self.known.utility_of(read, user_ids)


def tastes(taste, drawn, asked):
    dataset = SimpleNamespace(taste=taste, name="made")
    return Tastes(dataset, asked, len(drawn), lambda rows: [drawn[k] for k in rows])


@pytest.mark.parametrize("largest", [1 << 25, 0])
@pytest.mark.parametrize("kind", [Plain, Reads])
def test_answers_are_the_tastes_own_to_the_bit(kind, largest, drawn, known, monkeypatch):
    monkeypatch.setattr(true_taste, "LARGEST_TABLE", largest)
    ids = known.people.ids
    seen = tastes(kind(known), drawn, ids[:4])
    for users in (ids[1:3], ids[3:], [ids[5]], ids):  # asked for and not
        expected = known.utility(drawn, users)
        np.testing.assert_array_equal(seen.of(users), expected)
        np.testing.assert_array_equal(seen.of(users, [7, 2]), expected[[7, 2]])
    assert seen.of(ids[:2], []).shape == (0, 2)


@pytest.mark.parametrize("largest", [1 << 25, 0])
def test_a_picture_is_read_once_however_many_users_are_asked(largest, drawn, known, monkeypatch):
    """It was read once for every block of users where the table was large: users squared."""
    monkeypatch.setattr(true_taste, "LARGEST_TABLE", largest)
    taste = Reads(known)
    seen = tastes(taste, drawn, known.people.ids)
    for user in known.people.ids:
        seen.of([user])
    assert taste.shown == N
    assert isinstance(known, ReadsOnce)  # the world that ships


def test_nobody_knows_the_truth(drawn):
    with pytest.raises(PgbenchError, match="made has no known taste"):
        tastes(None, drawn, ["u0"]).of(["u0"])


def test_no_pictures(known):
    for taste in (Plain(known), Reads(known)):
        assert tastes(taste, [], known.people.ids).of(known.people.ids[:2]).shape == (0, 2)


@pytest.mark.parametrize("n_users", [3, 200, 400])
def test_a_users_own_scores_cost_as_many_cells_as_there_are_images(n_users):
    """By counts: twice the users, twice the cells. A table of all would be four times as large."""
    rng = np.random.default_rng(0)
    owners = rng.permutation(np.repeat(np.arange(n_users), 3))
    truth = rng.random((len(owners), n_users))
    context = SimpleNamespace(samples=pd.DataFrame({"user_id": [f"u{k:03}" for k in owners]}))
    cells = []

    def scores_of(users, rows):
        cells.append(len(users) * len(rows))
        return truth[np.ix_(rows, [int(user[1:]) for user in users])]

    own = own_scores(context, scores_of)
    np.testing.assert_array_equal(own, truth[np.arange(len(owners)), owners])
    assert sum(cells) <= 64 * len(owners)
