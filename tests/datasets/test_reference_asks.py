"""What is asked on the track ``reference``: rules that data sets share, and a folder's table."""

import pandas as pd
import pytest
from refusals import refused
from shop_case import N_ITEMS, PEOPLE, write_shop

from persongen_bench.core.dataset import Split, View
from persongen_bench.core.errors import DataError
from persongen_bench.core.request import plan_samples
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.datasets import reference_splits as ways
from persongen_bench.datasets.audit import Targets
from persongen_bench.datasets.folder import Folder, FolderConfig
from persongen_bench.datasets.reference_asks import (
    AskForLikes,
    NeutralReferences,
    held_out_likes,
    the_target,
)
from persongen_bench.datasets.reference_users import chunks_as_users, windows_as_users


def log_of(*rows):
    """Rows ``user item liked time``."""
    table = [(u, i, float(liked), liked == 1, float(time)) for u, i, liked, time in rows]
    frame = pd.DataFrame(table, columns=list(INTERACTION_COLUMNS))
    return frame.astype({"user_id": "str", "item_id": "str"})


def catalog_of(items, **columns):
    index = pd.Index(sorted(items), name="item_id", dtype="str")
    return Catalog(pd.DataFrame(columns, index=index), source=None)


def split_of(train, test, seed=0):
    return Split("by-hand", seed, log_of(*train), log_of(*test))


# --- splits --------------------------------------------------------------------------------


def test_latest_likes_by_hand():
    """Likes at 1 2 3 4 6 8, dislikes at 5 7 9, and bob's one; a third of the likes is held out."""
    liked = {1: 1, 2: 1, 3: 1, 4: 1, 5: 0, 6: 1, 7: 0, 8: 1, 9: 0}
    log = log_of(*(("ann", f"i{t}", like, t) for t, like in liked.items()), ("bob", "i1", 1, 0))
    split = ways.latest_likes(1 / 3, least=6)(log.sample(frac=1, random_state=1), 0)
    # round(6 / 3) = 2: the likes at 6 and 8, with the dislikes at 7 and 9
    assert sorted(split.test["item_id"]) == ["i6", "i7", "i8", "i9"]
    assert sorted(split.train["item_id"]) == ["i1", "i1", "i2", "i3", "i4", "i5"]  # and bob's
    assert split.hash == ways.latest_likes(1 / 3, least=6)(log, 0).hash


@pytest.mark.parametrize(
    ("size", "fraction", "n"), [(6, 0.1, 1), (10, 0.1, 1), (15, 0.1, 2), (2, 0.9, 1), (20, 0.5, 10)]
)
def test_at_least_one_is_held_out_and_one_is_left(size, fraction, n):
    assert ways.n_held_out(size, fraction) == n


def test_paper_samples_are_eight_one_one():
    likes = [("ann", f"i{t:02d}", 1, t) for t in range(45)]
    log = windows_as_users(log_of(*likes))
    assert log["user_id"].nunique() == 40  # 45 - 5
    split = ways.paper_samples()(log, 2)
    assert (len(split.test), len(split.validation)) == (4, 4)
    assert len(split.train) == 32 * 6 + 8 * 5
    # targets are the last of their window: window k holds i_k .. i_k+5
    for part in (split.test, split.validation):
        for user, item in zip(part["user_id"], part["item_id"], strict=True):
            assert item == f"i{int(user.split('#')[1]) + 5:02d}"
    assert ways.paper_samples()(log, 3).hash != split.hash
    with pytest.raises(DataError, match="2 samples, expected at least 3"):
        ways.paper_samples()(windows_as_users(log_of(*likes[:7])), 0)


def test_windows_hold_likes_only_and_chunks_hold_all():
    rows = [("ann", f"i{t}", int(t != 3), t) for t in range(8)]
    windows = windows_as_users(log_of(*rows))
    assert sorted(windows["user_id"].unique()) == ["ann#0000", "ann#0001"]
    assert windows.query("user_id == 'ann#0001'")["item_id"].tolist() == [
        "i1", "i2", "i4", "i5", "i6", "i7",
    ]  # fmt: skip
    chunks = chunks_as_users(log_of(*rows), 3)
    assert chunks.query("user_id == 'ann#0001'")["item_id"].tolist() == ["i3", "i4", "i5"]
    assert chunks["user_id"].nunique() == 2  # two rows are left over
    assert windows_as_users(log_of(*rows[:3])).empty


def test_targets_that_are_liked_in_training_are_counted():
    split = split_of(
        [("ann", "a", 1, 0), ("bob", "b", 1, 0), ("bob", "c", 0, 0)],
        [("ann", "b", 1, 1), ("ann", "c", 1, 2), ("bob", "a", 0, 1), ("cid", "d", 1, 1)],
    )
    # likes of the test part: b, c, d; b is liked in training, c is disliked there
    assert Targets.of(split) == Targets(1, 3)
    assert "1 of 3 targets (33.3%)" in str(Targets.of(split))
    assert Targets(0, 0).share == 0


# --- asking --------------------------------------------------------------------------------


def view(split):
    return View(catalog_of(set(split.train["item_id"])), split.train)


def test_one_request_for_each_held_out_like():
    train = [("ann", f"h{k}", 1, k) for k in range(4)] + [("bob", "h0", 1, 0), ("ann", "d", 0, 9)]
    test = [("ann", "y", 1, 12), ("ann", "x", 1, 11), ("ann", "d2", 0, 13), ("bob", "x", 1, 4)]
    split = split_of(train, test)
    assert held_out_likes(split) == {"ann": ("x", "y"), "bob": ("x",)}
    catalog = catalog_of(["x", "y"], subject=["an x", ""])
    asked = AskForLikes(catalog, the_target)(split, view(split), 3)
    assert [(r.user_id, r.history, r.reference, r.target, r.instruction) for r in asked] == [
        ("ann", ("h1", "h2", "h3"), "x", "x", "an x"),
        ("ann", ("h1", "h2", "h3"), "y", "y", None),
        ("bob", ("h0",), "x", "x", "an x"),
    ]
    assert [r.target for r in AskForLikes(catalog, the_target, 1)(split, view(split), 3)] == [
        "x", "x",
    ]  # fmt: skip
    assert AskForLikes(catalog, the_target)(split, view(split), 0)[0].history == ()


def test_neutral_references_are_unknown_to_the_user_and_of_other_groups():
    items = [f"{g}{k}" for g in "abc" for k in range(4)]
    catalog = catalog_of(items, theme=[i[0] for i in sorted(items)])
    train = [("ann", "a0", 1, 0), ("bob", "b0", 1, 0), ("cid", "c0", 1, 0)]
    test = [("ann", "a1", 1, 1), ("ann", "b1", 0, 1), ("bob", "b1", 1, 1), ("bob", "b2", 1, 1)]
    test += [("bob", "a2", 1, 1)]  # of a group that ann likes
    test += [("cid", "c1", 1, 1), ("cid", "c2", 1, 1), ("cid", "c3", 1, 1)]
    draws = set()
    for seed in range(30):
        split = split_of(train, test, seed)
        rule = NeutralReferences(catalog, "theme")
        drawn = rule(split, "ann", ["t1", "t2", "t3", "t4"])
        assert len(set(drawn)) == 4  # all there are: ann knows b1
        assert set(drawn) == {"b2", "c1", "c2", "c3"}
        assert list(drawn) == list(NeutralReferences(catalog, "theme")(split, "ann", "1234"))
        draws.add(tuple(drawn))
        plain = NeutralReferences(catalog)(split, "bob", ["t"])
        assert set(plain) <= {"a1", "c1", "c2", "c3"}
    assert len(draws) > 10  # of 24 orders
    # where nothing else is left, what was met without liking it
    alone = split_of(train[:2], test[:3])
    assert list(NeutralReferences(catalog)(alone, "ann", ["t"])) == ["b1"]
    with pytest.raises(DataError, match="user 'ann' likes every held-out item"):
        NeutralReferences(catalog)(split_of(train[:1], test[:1]), "ann", ["t"])


def test_requests_with_the_same_reference_are_told_apart():
    catalog = catalog_of(["a0", "a1", "a2", "b1"])
    test = [("ann", "a1", 1, 1), ("ann", "a2", 1, 2), ("bob", "b1", 1, 1)]
    split = split_of([("ann", "a0", 1, 0)], test)
    asked = AskForLikes(catalog, NeutralReferences(catalog))(split, view(split), 2)
    mine = [request for request in asked if request.user_id == "ann"]
    assert [(r.reference, r.target) for r in mine] == [("b1", "a1"), ("b1", "a2")]
    assert len(plan_samples({}, asked)) == 3  # ids differ
    assert all(r.target not in (r.request_id, *r.history) for r in mine)


# --- a folder ------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path):
    return write_shop(tmp_path / "shop")


def load(root, **options):
    return Folder.load(FolderConfig(**options), root)


def asked_of(data, n_history=4):
    split = data.split()
    return split, data.asks(split, data.train_view(split), n_history)


def test_a_folder_without_a_table_asks_for_neutral_references(shop):
    data = load(shop)
    split, asked = asked_of(data)
    likes = held_out_likes(split)
    assert [(r.user_id, r.target) for r in asked] == [(u, t) for u in likes for t in likes[u]]
    log = data.interactions
    for request in asked:
        assert request.reference in set(split.test["item_id"])  # nobody trains on it
        mine = log[(log["user_id"] == request.user_id) & log["liked"]]
        assert request.reference not in set(mine["item_id"])
        assert request.instruction is None  # nothing says what the pictures are of
        assert len(request.history) == 4
    fewer = asked_of(load(shop, requests_per_user=1))[1]
    assert [r.user_id for r in fewer] == sorted(likes)


def test_a_folder_asks_for_what_its_table_lists(shop):
    items = pd.read_csv(shop / "items.csv")
    items.assign(caption=[f"thing {k}" for k in range(N_ITEMS)]).to_csv(
        shop / "items.csv", index=False
    )
    ann = PEOPLE[0]
    (shop / "references.csv").write_text(
        f"item_id,user_id,instruction\ni3,,\ni4,{ann},a red mug\ni3,{ann},thing 3\n"
    )
    data = load(shop)
    split, asked = asked_of(data)
    mine = [(r.reference, r.instruction) for r in asked if r.user_id == ann]
    assert mine == [("i3", "thing 3"), ("i4", "a red mug")]  # what is said twice is asked once
    tested = sorted(set(split.test["user_id"]) - {ann})
    rest = [(r.user_id, r.reference, r.instruction) for r in asked if r.user_id != ann]
    assert rest == [(user, "i3", "thing 3") for user in tested]
    assert all(r.target is None for r in asked)
    (shop / "references.csv").write_text("item_id\ni3\n")
    assert {r.reference for r in asked_of(load(shop))[1]} == {"i3"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item\ni3\n", r"row 1: no column 'item_id', found 'item'"),
        ("item_id,User ID\ni3,x\n", r"row 1: no column 'user_id', but 'User ID'"),
        ("item_id\ni99\n", r"row 2: item_id 'i99' is not in the catalogue"),
        ("item_id\nI3\n", r"row 2: item_id 'I3' .*Case, blanks or accents differ"),
        ("item_id,user_id\ni3,nobody\n", r"row 2: user_id 'nobody' is not in the log\. Leave"),
        ("item_id,user_id\n,\n", r"no rows below the header"),
        ("item_id,instruction\n,red\n", r"row 2: empty item_id"),
        ("item_id\ni3\ni3\n", r"row 3: user_id '', item_id 'i3', instruction '' is already in r"),
    ],
)
def test_a_malformed_table_is_one_line(shop, text, message):
    (shop / "references.csv").write_text(text)
    with refused(message, "references.csv"):
        load(shop)
