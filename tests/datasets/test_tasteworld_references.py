"""What tasteworld asks on the track ``reference``, and what it knows of content."""

from collections import Counter
from functools import cache

import numpy as np
import pytest

from persongen_bench.core.errors import DataError
from persongen_bench.datasets.tasteworld import Tasteworld, TasteworldConfig
from persongen_bench.worlds.tasteworld import labels
from persongen_bench.worlds.tasteworld.attributes import NAMES
from persongen_bench.worlds.tasteworld.content import TasteworldContent, subjects

TINY = {
    "n_panel": 5, "n_cold": 4, "n_users": 25, "n_items": 600, "n_ratings": 2500,
    "panel_ratings": 120,
}  # fmt: skip


@cache
def data(**options):
    return Tasteworld.load(TasteworldConfig(**TINY, **options), None)


def asked(n_history=20, split="panel", seed=0, **options):
    world = data(**options)
    division = world.split(split, seed)
    return division, world.asks(division, world.train_view(division), n_history)


@pytest.mark.parametrize(("split", "n_users"), [("panel", 5), ("temporal", 5), ("cold-start", 4)])
def test_everybody_who_is_tested_gets_unseen_references(split, n_users):
    division, requests = asked(split=split)
    times = Counter(request.user_id for request in requests)
    assert set(times) == set(division.test["user_id"])
    assert list(times.values()) == [4] * n_users
    train = data().train_view(division)
    for request in requests:
        assert request.reference not in train.catalog.items.index
        assert request.history == train.liked_items[request.user_id][-20:]
        assert request.target is None
        own = division.test["item_id"][division.test["user_id"] == request.user_id]
        assert request.reference not in set(own)
    assert len({request.request_id for request in requests}) == len(requests)


def test_words_are_size_colour_and_shape_alone():
    _, requests = asked()
    items = data().catalog.items
    for request in requests:
        row = items.loc[request.reference]
        assert request.instruction == f"a {row['size']} {row['colour']} {row['shape']}"


def test_number_of_references_is_a_setting_and_changes_no_data():
    assert data(n_references=2).revision == data().revision
    _, few = asked(n_references=2)
    _, many = asked()
    assert len(few) == 10
    # 180 pictures are held out; nobody is asked for more than there are that they have not rated.
    _, every = asked(n_references=1000)
    assert max(Counter(r.user_id for r in every).values()) < len({r.reference for r in every})
    assert {r.reference for r in many} < {r.reference for r in every}


def test_references_depend_on_person_and_split_seed_alone():
    _, requests = asked()
    assert asked(n_history=3)[1][0].reference == requests[0].reference
    assert [len(r.history) for r in asked(n_history=0)[1]] == [0] * 20
    first = [r.reference for r in requests if r.user_id == "person-0000"]
    second = [r.reference for r in requests if r.user_id == "person-0001"]
    other = [r.reference for r in asked(seed=1)[1] if r.user_id == "person-0000"]
    assert set(first) != set(second)
    assert set(first) != set(other)


def test_references_are_neutral():
    """The mean true taste of many references is that of all held-out pictures."""
    division, requests = asked(n_references=60)
    world = data()
    held_out = sorted({*division.test["item_id"], *division.validation["item_id"]})
    users = sorted(set(division.test["user_id"]))
    taste = world.taste.utility_of_scenes(scenes(held_out), users)
    for column, user in enumerate(users):
        own = [held_out.index(r.reference) for r in requests if r.user_id == user]
        # 60 of about 140 without repetition; what a person rated was not chosen by taste.
        error = taste[:, column].std() * np.sqrt(1 / 60)
        assert abs(taste[own, column].mean() - taste[:, column].mean()) < 4 * error


def scenes(item_ids):
    return labels.scenes_of(data().catalog.items.loc[list(item_ids)])


def test_the_world_of_the_default_options_is_what_it_was():
    # Written down before the data set knew of references.
    world = Tasteworld.load(TasteworldConfig(), None)
    assert world.revision == "dafb54a42df6fc0f"
    assert world.split().hash == "23f31cc8b54d800e"
    assert world.taste.people.signature == "tasteworld-people|config:6c318d9d48dfa556|impl:1"


# --- known content ------------------------------------------------------------------------


def test_subjects_of_every_scene_leave_background_and_style_open():
    every = subjects(np.array([[3, 0, 0, 1, 2], [3, 0, 0, 5, 4], [6, 4, 2, 0, 0]]))
    assert every == ["a small red star", "a small red star", "a large blue crescent"]


def test_agreement_counts_content_alone():
    wanted = scenes(data().catalog.ids[:40])
    shown = scenes(data().catalog.ids[40:80])
    content = TasteworldContent(data().catalog.ids, scenes(data().catalog.ids))
    pictures = data().catalog.images(data().catalog.ids[40:80])
    columns = [NAMES.index(name) for name in ("shape", "colour", "size")]
    expected = (wanted == shown)[:, columns].mean(axis=1)
    found = content.agreement(pictures, data().catalog.ids[:40])
    # The reader is right in .98 of the attributes of clean pictures at least.
    assert np.abs(found - expected).mean() < 0.03
    assert 0 < expected.mean() < 1


def test_pictures_agree_with_themselves_and_are_legible():
    content, ids = data().content, data().catalog.ids[:60]
    pictures = data().catalog.images(ids)
    assert content.agreement(pictures, ids).mean() > 0.98
    assert content.legible(pictures).mean() > 0.98
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (3, 64, 64), dtype=np.uint8) for _ in range(60)]
    assert content.legible(noise).mean() < 0.1


def test_each_answer_is_of_its_own_picture():
    content, ids = data().content, data().catalog.ids[:6]
    pictures, asked_of = data().catalog.images(ids), data().catalog.ids[6:12]
    whole = content.agreement(pictures, asked_of)
    alone = [content.agreement([p], [i])[0] for p, i in zip(pictures, asked_of, strict=True)]
    np.testing.assert_array_equal(whole, alone)
    assert content.agreement([], []).shape == (0,)
    assert content.legible([]).shape == (0,)


def test_unknown_items_are_named():
    with pytest.raises(DataError, match="nobody"):
        data().content.agreement(data().catalog.images(data().catalog.ids[:1]), ["nobody"])


def test_signature_says_what_counts_and_who_reads():
    signature = data().content.signature
    assert signature.startswith("tasteworld-content:size,colour,shape|tasteworld-reader|")
