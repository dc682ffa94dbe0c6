"""Logs of events: what is counted, what is sampled, and that neither hangs on the order."""

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.datasets.folder import Folder, FolderConfig
from persongen_bench.datasets.implicit import SAMPLED, NegativeRule, counted, with_negatives

N_ITEMS, N_USERS = 30, 12


def clicks(seed=0, n=150):
    """Users click the earlier items more often, some of them several times."""
    rng = np.random.default_rng(seed)
    item = np.minimum(rng.geometric(0.15, n) - 1, N_ITEMS - 1)
    return pd.DataFrame(
        {
            "user_id": [f"u{k:02d}" for k in rng.integers(0, N_USERS, n)],
            "item_id": [f"i{k:02d}" for k in item],
            "timestamp": rng.integers(1_700_000_000, 1_710_000_000, n),
        }
    )


@pytest.fixture
def shop(tmp_path):
    root = tmp_path / "shop"
    root.mkdir()
    for k in range(N_ITEMS):
        pixels = np.random.default_rng(k).integers(0, 256, (3, 8, 8), dtype=np.uint8)
        (root / f"{k:02d}.png").write_bytes(imaging.png_bytes(pixels))
    rows = "".join(f"i{k:02d},{k:02d}.png\n" for k in range(N_ITEMS))
    (root / "items.csv").write_text("item_id,image\n" + rows)
    write(root, clicks())
    return root


def write(root, log):
    log.to_csv(root / "interactions.csv", index=False)


def load(root, **options):
    return Folder.load(FolderConfig(**{"feedback": "implicit", **options}), root)


def test_events_are_counted_and_the_latest_time_kept(shop):
    """Against pandas' own value counts and a plain maximum."""
    log = load(shop).interactions
    events = clicks()
    taken = log[log["liked"]].set_index(["user_id", "item_id"])
    expected = events.value_counts(["user_id", "item_id"])
    assert taken["rating"].to_dict() == expected.to_dict()
    assert expected.max() > 1  # the log has repeated rows
    for (user, item), time in taken["timestamp"].items():
        same = events[(events["user_id"] == user) & (events["item_id"] == item)]
        assert time == max(same["timestamp"])


def test_sampled_items_are_unseen_marked_and_as_many_as_stated(shop):
    for ratio in (1.0, 0.5, 2.0):
        log = load(shop, negative_ratio=ratio).interactions
        assert (log["liked"] == (log["rating"] != SAMPLED)).all()
        assert not log.duplicated(["user_id", "item_id"]).any()  # unseen: no pair is on both sides
        popular = clicks()["item_id"].nunique()
        for _, own in log.groupby("user_id"):
            n_liked = int(own["liked"].sum())
            wanted = max(1, round(ratio * n_liked))
            assert (~own["liked"]).sum() == min(wanted, popular - n_liked)
        assert set(log["timestamp"]) <= set(clicks()["timestamp"])  # the temporal split is there


def test_no_sampled_item_is_a_held_out_like(shop):
    data = load(shop)
    liked = set(map(tuple, clicks()[["user_id", "item_id"]].to_numpy()))
    assert {"item", "row", "per-user", "user-disjoint", "temporal"} <= set(data.splits)
    for name in data.splits:
        split = data.split(name, 3)
        for part in (split.train, split.validation, split.test):
            sampled = part.loc[part["rating"] == SAMPLED, ["user_id", "item_id"]]
            assert not set(map(tuple, sampled.to_numpy())) & liked


def test_the_order_of_the_rows_does_not_matter(shop):
    first = load(shop)
    for seed in range(3):
        write(shop, clicks().sample(frac=1, random_state=seed))
        again = load(shop)
        assert again.revision == first.revision
        pd.testing.assert_frame_equal(again.interactions, first.interactions)
    assert load(shop, seed=1).revision != first.revision


def test_a_rating_of_one_value_is_no_rating(shop):
    plain = load(shop).revision
    write(shop, clicks().assign(rating=1))
    assert load(shop).revision == plain
    with pytest.raises(DataError, match=r"already in row.*repeats=last.*feedback=implicit"):
        load(shop, feedback="ratings")
    write(shop, clicks().assign(rating=1).drop_duplicates(["user_id", "item_id"]))
    with pytest.raises(DataError, match=r"every rating is 1.*feedback=implicit"):
        load(shop, feedback="ratings")


def test_ratings_that_say_more_are_not_passed_over_in_silence(shop):
    log = clicks()
    write(shop, log.assign(rating=np.arange(len(log)) % 5 + 1))
    assert "column rating (1 to 5) was not read" in load(shop).card.notes[-1]
    write(shop, log.assign(rating=np.where(np.arange(len(log)) == 3, -1, 1)))
    with pytest.raises(DataError, match=r"row 5: rating is '-1', which is no event"):
        load(shop)


def test_card_and_notes_say_what_a_number_means(shop):
    data = load(shop)
    log = data.interactions
    rule, meaning = data.card.notes
    assert f"{int(log['liked'].sum())} pairs" in rule
    assert f"{len(clicks())} events" in rule
    assert f"{int((~log['liked']).sum())} sampled unseen items" in rule
    assert "in proportion to how many users took them (seed 0)" in rule
    assert "not what people said they dislike" in meaning
    assert rule in data.card.description
    assert "uniformly" in load(shop, negatives="uniform").card.notes[0]


def test_popular_items_are_disliked_as_often_as_liked():
    """The rule's purpose: an item's share of likes does not grow with its popularity.

    2,000 users with 5 items each of 100, whose popularity falls as 1/rank. Uniform: the most
    popular tenth is mostly liked; popular: about half (a user cannot dislike what they took, so a
    little above).
    """
    rng = np.random.default_rng(5)
    weight = 1 / np.arange(1, 101)
    rows = [
        (f"u{user}", f"i{item:03d}")
        for user in range(2000)
        for item in rng.choice(100, 5, replace=False, p=weight / weight.sum())
    ]
    events = counted(pd.DataFrame(rows, columns=["user_id", "item_id"]), np.full(len(rows), np.nan))
    items = pd.Index([f"i{k:03d}" for k in range(100)])
    share = {}
    for draw in ("popular", "uniform"):
        log = with_negatives(events, items, NegativeRule(draw), "log")
        share[draw] = log.loc[log["item_id"] < "i010", "liked"].mean()
    assert 0.5 < share["popular"] < 0.62
    assert share["uniform"] > 0.8


def test_a_user_keeps_the_same_dislikes_when_others_leave():
    """With the same popularities (uniform) the draw hangs on the user alone."""
    log = clicks()
    items = pd.Index([f"i{k:02d}" for k in range(N_ITEMS)])
    rule = NegativeRule("uniform")
    nobody = np.full(len(log), np.nan)
    everybody = with_negatives(counted(log, nobody), items, rule, "log")
    alone = log[log["user_id"] == "u03"]
    own = with_negatives(counted(alone, nobody[: len(alone)]), items, rule, "log")
    kept = everybody[everybody["user_id"] == "u03"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, own.reset_index(drop=True))


def test_users_who_took_everything_are_counted_and_alone_refused(shop):
    everything = pd.DataFrame({"user_id": "all", "item_id": [f"i{k:02d}" for k in range(N_ITEMS)]})
    write(shop, everything)
    with pytest.raises(DataError, match="everybody has events with every item"):
        load(shop)
    one = pd.DataFrame({"user_id": ["one"], "item_id": ["i00"]})
    write(shop, pd.concat([everything, one]))
    assert "(1 users took everything and have none)" in load(shop).card.notes[0]


def test_options_that_contradict_are_refused(shop):
    with pytest.raises(ConfigError, match=r"every row is a like.*Leave like_threshold"):
        load(shop, like_threshold=3)
    with pytest.raises(ConfigError, match="repeated rows are counted"):
        load(shop, repeats="last")
    (shop / "interactions.csv").unlink()
    with pytest.raises(ConfigError, match="simulated people rate"):
        load(shop, pseudo_users=3)
