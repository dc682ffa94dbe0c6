"""Metrics of ranked lists: values by hand, scikit-learn's NDCG, laws, and the shared contract."""

import math
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lists_case import Lists
from sklearn.metrics import ndcg_score

from persongen_bench.core.metric import caveats_of
from persongen_bench.core.metric_cards import parse_metric, printed_forms
from persongen_bench.core.output import Ranking
from persongen_bench.metrics.lists import functions as fn
from persongen_bench.metrics.lists._placed import placed
from persongen_bench.testing import MetricContract

NAMES = (
    "list-recall", "list-ndcg", "list-mrr", "list-rank", "list-rank-deviation", "list-coverage",
    "sampled-recall", "sampled-ndcg", "list-recall-novel", "conditional-recall",
    "conditional-ndcg", "conditional-rank", "conditional-rank-deviation",
)  # fmt: skip

for _name in NAMES:
    _title = "Test" + "".join(part.title() for part in _name.split("-"))
    globals()[_title] = type(_title, (MetricContract,), {"metric": _name})


def value(name, context, user=None):
    values = parse_metric(name).per_unit(context)
    return float(values.mean() if user is None else values[user])


LETTERS = "abcdefghij"


def one_user(answer, *, held="c", seen="ab", ids=LETTERS, **more):
    return Lists(ids, {"ann": seen}, {"ann": held}, [("ann", answer)], **more)


# --- by hand --------------------------------------------------------------------------------------


def test_the_place_skips_what_the_user_trained_on():
    """List d a c b: the training items a and b are skipped, so that c stands second of eight."""
    context = one_user("dacb")
    assert value("list-rank", context) == 2.0
    assert value("list-recall@1", context) == 0.0
    assert value("list-recall@2", context) == 1.0
    assert value("list-ndcg@2", context) == pytest.approx(1 / math.log2(3))
    assert value("list-ndcg@1", context) == 0.0
    assert value("list-mrr", context) == 0.5


def test_an_unlisted_item_has_the_mean_of_the_places_that_remain():
    """Eight candidates c..j, three are listed: c stands on one of the places 4 to 8, mean 6."""
    context = one_user("deaf")
    assert value("list-rank", context) == 6.0
    for name in ("list-recall@10", "list-ndcg@10", "list-mrr"):
        assert value(name, context) == 0.0
    said = " ".join(caveats_of(parse_metric("list-rank"), context))
    assert "1 of 1 held-out items are not listed" in said


def test_ties_have_the_mean_of_their_places():
    """d alone, then c, e and f with one score: places 2, 3 and 4."""
    context = one_user(Ranking(("d", "c", "e", "f", "g"), (2.0, 1.0, 1.0, 1.0, 0.0)))
    assert value("list-rank", context) == 3.0
    assert value("list-mrr", context) == pytest.approx(1 / 3)
    for k, share in ((1, 0.0), (2, 1 / 3), (3, 2 / 3), (4, 1.0)):
        assert value(f"list-recall@{k}", context) == pytest.approx(share)
    both = (1 / math.log2(3) + 1 / math.log2(4)) / 3
    assert value("list-ndcg@3", context) == pytest.approx(both)


def test_training_items_inside_a_tie_take_no_place():
    """The tie holds c, a and e; a is skipped, which leaves the places 1 and 2."""
    context = one_user(Ranking(("a", "c", "e"), (1.0, 1.0, 1.0)))
    assert value("list-rank", context) == 1.5


def test_several_held_out_items_by_hand():
    """c first, e third of d's list c d e: recall@2 1/2, NDCG@3 (1 + 1/2) / (1 + 1/log2 3)."""
    context = one_user("cde", held="ce")
    assert value("list-recall@2", context) == 0.5
    assert value("list-ndcg@3", context) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert value("list-rank", context) == 2.0
    assert value("list-mrr", context) == 1.0


def test_held_out_items_that_were_trained_on_are_not_to_be_found():
    context = one_user("cde", held="ac")
    assert value("list-recall@1", context) == 1.0
    assert math.isnan(value("list-recall@1", one_user("cde", held="a")))


def test_items_that_nobody_knows_take_their_place():
    """x is no item of the catalogue: it cannot be skipped, or padding would be free."""
    assert value("list-rank", one_user(["x", "y", "c"])) == 3.0


def test_a_user_without_a_list_counts_the_last_place_and_another_one_nothing():
    """Of the eight candidates of ben and cid nobody delivers: cid was never asked for."""
    held = {"ann": "c", "ben": "d", "cid": "e"}
    train = dict.fromkeys(held, "ab")
    context = Lists(LETTERS, train, held, [("ann", "c")], n_asked={"cid": 0})
    ranks = parse_metric("list-rank").per_unit(context)
    assert ranks["ann"] == 1.0
    assert ranks["ben"] == 8.0
    assert math.isnan(ranks["cid"])
    said = " ".join(caveats_of(parse_metric("list-rank"), context))
    assert "1 users without a list count the last place" in said
    # two asked for, one delivered in first place: (1 + 8) / 2
    halves = Lists(LETTERS, train, {"ann": "c"}, [("ann", "c")], n_asked={"ann": 2})
    assert value("list-rank", halves) == 4.5


def test_the_deviation_of_two_users_by_hand():
    """Places 1 and 5: mean 3, deviation 2; without either one user is left, deviation 0."""
    train = {"ann": "a", "ben": "a"}
    context = Lists(LETTERS, train, {"ann": "c", "ben": "c"}, [("ann", "c"), ("ben", "bdefc")])
    spread = parse_metric("list-rank-deviation").per_unit(context)
    assert spread.mean() == pytest.approx(2.0)
    assert spread.tolist() == pytest.approx([2.0, 2.0])


def test_leave_one_out_deviations_are_those_of_numpy():
    values = np.random.default_rng(0).exponential(size=9)
    number, without = fn.deviation(values)
    assert number == pytest.approx(values.std())
    assert without == pytest.approx([np.delete(values, k).std() for k in range(9)])


def test_coverage_by_hand():
    """First two of each, training items skipped: c d and d e of ten items: 3 / 10."""
    train, held = {"ann": "a", "ben": "b"}, {"ann": "c", "ben": "c"}
    context = Lists(LETTERS, train, held, [("ann", "acdj"), ("ben", "debc")])
    spread = parse_metric("list-coverage@2").per_unit(context)
    assert spread.mean() == pytest.approx(0.3)
    assert spread.tolist() == pytest.approx([0.3, 0.3])  # each has one item alone
    assert (
        "2 users can cover 0.400 of 10 items"
        in caveats_of(parse_metric("list-coverage@2"), context)[0]
    )


def test_one_held_out_item_is_said_to_make_recall_the_hit_rate():
    said = caveats_of(parse_metric("list-recall@5"), one_user("cde"))[0]
    assert "one held-out item a user among 10 items: recall is the hit rate" in said
    assert "hit rate" not in caveats_of(parse_metric("list-recall@5"), one_user("c", held="cd"))[0]


# --- sampled --------------------------------------------------------------------------------------


def test_among_all_others_the_sampled_place_is_the_full_one():
    """Ten items are fewer than 100 negatives: all are drawn, so that only the skipping differs."""
    context = one_user("defgc")
    for k in (4, 5):
        assert value(f"sampled-recall@{k}", context) == value(f"list-recall@{k}", context)
        assert value(f"sampled-ndcg@{k}", context) == value(f"list-ndcg@{k}", context)


def test_unlisted_items_are_tied_in_sampled_metrics():
    """c and its seven negatives; two of these are listed: c has one of the places 3 to 8."""
    assert value("sampled-recall@5", one_user("de")) == pytest.approx(3 / 6)


def test_negatives_hang_on_data_and_user_alone():
    ids = [f"i{k:03}" for k in range(400)]
    rng = np.random.default_rng(0)
    orders = [tuple(rng.permutation(ids)) for _ in range(2)]
    train = {"ann": ids[:3], "ben": ids[:3]}
    held = {"ann": ids[5:6], "ben": ids[5:6]}
    both = Lists(ids, train, held, [("ann", orders[0]), ("ben", orders[0])])
    alone = Lists(ids, train, held, [("ben", orders[0]), ("ben", orders[1])], n_asked={"ben": 2})
    ours, theirs = (placed(context).sampled.before.tolist() for context in (both, alone))
    assert ours[1] == theirs[0]  # ben's, with ann and without
    assert ours[0] != ours[1]  # the same list, another user's negatives


@given(st.integers(1, 300), st.sets(st.integers(0, 299)), st.integers(1, 120), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_drawn_negatives_are_different_and_allowed(n_items, excluded, n, seed):
    excluded = {item for item in excluded if item < n_items}
    drawn = fn.draw_negatives(excluded, n_items, n, np.random.default_rng(seed))
    assert drawn == sorted(set(drawn))
    assert not excluded & set(drawn)
    assert len(drawn) == min(n, n_items - len(excluded))
    assert all(0 <= item < n_items for item in drawn)


def test_negatives_are_drawn_uniformly():
    """3,000 draws of 5 of 20 allowed items: each 750 times, five deviations of 24."""
    counts = np.zeros(25, dtype=int)
    for seed in range(3000):
        counts[fn.draw_negatives(set(range(5)), 25, 5, np.random.default_rng(seed))] += 1
    assert not counts[:5].any()
    assert np.abs(counts[5:] - 750).max() < 5 * math.sqrt(3000 * 0.25 * 0.75)


# --- near duplicates ------------------------------------------------------------------------------


def novel(columns, **held):
    context = Lists(
        LETTERS, dict.fromkeys(held, "ab"), held, [(user, "cdef") for user in held],
        columns={n: [own.get(i, "") for i in LETTERS] for n, own in columns.items()},
    )  # fmt: skip
    values = parse_metric("list-recall-novel@4").per_unit(context)
    return values.notna().tolist(), caveats_of(parse_metric("list-recall-novel@4"), context)[0]


@pytest.mark.parametrize("column", ["prompt", "caption"])
def test_near_duplicates_of_the_user_are_left_out(column):
    """Of a's seven words c lacks two and has two others (5 of 9: kept), d has the same in other
    letters, e has one word more (7 of 8: left out); f says too little to tell."""
    words = {
        "a": "a red star, oil painting, at night", "c": "a red star oil painting by day",
        "d": "A red_star (oil painting) at NIGHT", "e": "a bright red star, oil painting at night",
        "b": "on it", "f": "on it",
    }  # fmt: skip
    kept, said = novel({column: words}, ann="c", ben="d", cid="e", dan="f")
    assert kept == [True, False, False, True]
    assert "2 of 4 held-out items are near duplicates" in said


def test_motifs_tell_before_words():
    columns = {
        "content_id": {"a": "m1", "c": "m1"},
        "prompt": dict.fromkeys("abcd", "one two three"),
    }
    assert novel(columns, ann="c", ben="d")[0] == [False, True]


def test_without_contents_nothing_is_left_out_and_it_says_so():
    context = one_user("c")
    assert value("list-recall-novel@1", context) == 1.0
    assert (
        "no content_id and no prompt" in caveats_of(parse_metric("list-recall-novel@1"), context)[0]
    )


def test_words_overlap_by_hand():
    assert fn.word_overlap(frozenset("abc"), frozenset("bcd")) == 0.5
    assert fn.word_overlap(frozenset(), frozenset()) == 1.0


# --- the conditional protocol ---------------------------------------------------------------------


def many(n_users=40, n_items=60, seed=0):
    ids = [f"i{k:02}" for k in range(n_items)]
    rng = np.random.default_rng(seed)
    users = [f"u{k:02}" for k in range(n_users)]
    train = dict.fromkeys(users, ids[:2])
    held = dict.fromkeys(users, ids[5:6])
    orders = [(user, rng.permutation(ids[2:])[: n_items // 2]) for user in users]
    return Lists(ids, train, held, [(user, tuple(order)) for user, order in orders])


def test_conditional_numbers_are_those_of_the_users_who_have_it_in_ten():
    context = many()
    places = parse_metric("list-rank").per_unit(context)
    inside = places[places <= 10]
    assert 0 < len(inside) <= 20  # so that all of them are taken
    ranks = parse_metric("conditional-rank").per_unit(context)
    assert ranks.dropna().to_dict() == inside.to_dict()
    recall = parse_metric("conditional-recall@5").per_unit(context).dropna()
    assert recall.mean() == pytest.approx((inside <= 5).mean())
    gains = parse_metric("conditional-ndcg@5").per_unit(context).dropna()
    by_hand = np.where(inside <= 5, 1 / np.log2(1 + inside), 0)
    assert gains.to_numpy() == pytest.approx(by_hand)
    spread = parse_metric("conditional-rank-deviation").per_unit(context)
    assert spread.mean() == pytest.approx(inside.to_numpy().std())
    said = caveats_of(parse_metric("conditional-rank"), context)[0]
    assert f"conditional: {len(inside)} of 40 users" in said


def test_at_most_twenty_users_are_conditional_whatever_the_order_of_the_samples():
    context = many(n_users=200, n_items=24)
    ranks = parse_metric("conditional-rank").per_unit(context)
    assert ranks.notna().sum() == 20
    again = many(n_users=200, n_items=24)
    order = np.random.default_rng(1).permutation(200)
    again.samples = again.samples.iloc[order].reset_index(drop=True)
    again._lists = [again._lists[k] for k in order]
    pd.testing.assert_series_equal(parse_metric("conditional-rank").per_unit(again), ranks)


def test_nobody_in_ten_gives_no_number():
    assert math.isnan(value("conditional-rank", one_user("defgh")))


# --- references and laws --------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_ndcg_is_that_of_scikit_learn_ties_included(seed, n_relevant, k):
    """A full list of integer scores with many ties; `ndcg_score` averages over ties too."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, 12).astype(float)
    held = rng.permutation(12)[:n_relevant]
    truth = np.isin(np.arange(12), held).astype(float)
    order = np.argsort(-scores, kind="stable")
    ids = [f"i{item}" for item in range(12)]
    ranking = Ranking(tuple(ids[j] for j in order), tuple(scores[order]))
    context = Lists(ids, {"ann": []}, {"ann": [ids[j] for j in held]}, [("ann", ranking)])
    expected = ndcg_score(truth[None], scores[None], k=k)
    assert value(f"list-ndcg@{k}", context) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_laws_of_one_held_out_item(seed):
    """Recall grows with k, is 1 at the end of a full list; NDCG lies between 0 and recall; places
    of all candidates add up to n (n + 1) / 2, with ties and unlisted ones as without."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 15))
    ids = [f"i{k}" for k in range(n + 2)]
    listed = rng.permutation(ids)[: int(rng.integers(1, n + 3))]
    scores = tuple(sorted(rng.integers(0, 4, len(listed)).tolist(), reverse=True))
    ranking, total = Ranking(tuple(listed), scores), 0.0
    for item in ids[2:]:
        context = Lists(ids, {"ann": ids[:2]}, {"ann": [item]}, [("ann", ranking)])
        total += value("list-rank", context)
        recalls = [value(f"list-recall@{k}", context) for k in range(1, n + 1)]
        gains = [value(f"list-ndcg@{k}", context) for k in range(1, n + 1)]
        assert np.all(np.diff(recalls) >= -1e-12)
        assert np.all(np.diff(gains) >= -1e-12)
        assert all(0 <= g <= r + 1e-12 for g, r in zip(gains, recalls, strict=True))
        assert recalls[-1] == pytest.approx(float(item in listed))
    assert total == pytest.approx(n * (n + 1) / 2)


@given(st.integers(0, 1000), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_tie_is_the_mean_over_all_orders(seed, k):
    """Against 400 random orders of the tied items, within four standard errors."""
    rng = np.random.default_rng(seed)
    before, tied = int(rng.integers(0, 6)), int(rng.integers(1, 7))
    spots = fn.Spots(np.array([before]), np.array([tied]), np.array([True]))
    places = before + 1 + rng.integers(0, tied, 400)
    hits, gains = places <= k, np.where(places <= k, 1 / np.log2(1 + places), 0)
    for ours, draws in ((fn.recall_at(spots, k), hits), (fn.gain_at(spots, k), gains)):
        assert abs(ours[0] - draws.mean()) <= 4 * draws.std() / 20 + 0.02


def test_lists_are_opened_once_for_all_metrics():
    context = many()
    for name in ("list-recall@10", "list-ndcg@10", "list-rank", "list-mrr", "sampled-recall@10",
                 "conditional-rank", "list-recall-novel@10"):  # fmt: skip
        parse_metric(name).per_unit(context)
    assert context.opened == 40


def test_forms_that_belong_to_all_are_printed():
    assert printed_forms("list-recall") == ("list-recall@10", "list-recall@100")


def test_long_lists_are_fast():
    """100 users with lists of 10,000 of 50,000 items, four metrics: a second or two."""
    ids = [f"item-{k}" for k in range(50_000)]
    rng = np.random.default_rng(0)
    users = [f"u{k:03}" for k in range(100)]
    lists = [tuple(ids[j] for j in rng.permutation(50_000)[:10_000]) for _ in range(20)]
    seen = {user: [ids[j] for j in rng.integers(0, 50_000, 40)] for user in users}
    held = {user: [ids[int(rng.integers(50_000))]] for user in users}
    context = Lists(ids, seen, held, [(u, lists[k % 20]) for k, u in enumerate(users)])
    start = time.process_time()
    for name in ("list-recall@10", "list-ndcg@10", "list-rank", "sampled-recall@10"):
        parse_metric(name).per_unit(context)
    assert time.process_time() - start < 15


@pytest.mark.parametrize(("place", "counts"), [(10, True), (11, False)])
def test_ten_is_within_the_first_ten(place, counts):
    ids = [f"i{k:02}" for k in range(30)]
    context = Lists(ids, {"ann": []}, {"ann": [ids[place - 1]]}, [("ann", ids)])
    rank = value("conditional-rank", context)
    assert rank == place if counts else math.isnan(rank)
