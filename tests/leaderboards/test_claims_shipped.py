"""The claims that ship: complete, resolved or with a reason, and what the papers print."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from persongen_bench.core import registry
from persongen_bench.core.errors import UnknownNameError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards import boards
from persongen_bench.leaderboards.claims.reading import paper_names, read_paper
from persongen_bench.leaderboards.published import read_table
from persongen_bench.loop.choice import MethodChoice

PAPERS = {name: read_paper(name) for name in paper_names()}
CLAIMS = {name: claims for name, (_, claims) in PAPERS.items()}
TABLES = Path(boards.__file__).parent / "reported"
AWAITED = {"ragar", "pmg", "glide", "sd", "lavit", "llava", "pigeon", "recon", "grd",
           "item-knn", "user-knn", "item2vec", "two-tower", "sasrec"}  # fmt: skip
"""Methods of other tracks by their names; without them their claims cannot be run."""


def named(kind):
    """Every name that papers map, with its entry."""
    return [
        pytest.param(name, entry, id=f"{name} {own}")
        for name, (paper, _) in PAPERS.items()
        for own, entry in getattr(paper, kind).items()
    ]


@pytest.mark.parametrize(("paper", "entry"), named("methods"))
def test_every_method_is_registered_awaited_or_has_a_reason(paper, entry):
    known = registry.entries("methods")
    if not entry.method:
        rivals = [PAPERS[paper][0].methods[rival].method for rival in entry.best_of]
        assert entry.missing or set(rivals) <= set(known) | AWAITED
        return
    assert entry.method in set(known) | AWAITED
    assert (entry.method == "wrong-user") == bool(entry.of)
    if entry.method in known and not entry.of:
        MethodChoice(entry.method, options=entry.options).build()  # its options are there


@pytest.mark.parametrize(("paper", "entry"), named("metrics"))
def test_every_metric_is_registered_or_has_a_reason(paper, entry):
    if entry.missing:
        return
    info = parse_metric(entry.ours).info
    assert info.name == entry.ours
    assert info.direction == entry.better
    assert entry.family


@pytest.mark.parametrize(("paper", "entry"), named("data"))
def test_every_data_set_has_a_board_or_a_reason(paper, entry):
    assert entry.missing or entry.board in {*registry.entries("boards"), "tasteworld-reference"}
    assert entry.missing or entry.about


@pytest.mark.parametrize("name", PAPERS)
def test_nothing_is_mapped_that_no_claim_names(name):
    paper, claims = PAPERS[name]
    rivals = {rival for method in paper.methods.values() for rival in method.best_of}
    assert set(paper.methods) == {n for c in claims for n in (c.a, c.b)} | rivals
    assert set(paper.metrics) - {c.metric for c in claims} == set()
    assert set(paper.data) - {c.data for c in claims} == set()


def test_the_claims_are_as_many_as_were_counted_in_the_papers():
    # counted by hand over the texts: 702 claims, of them 521 hold in print, 100 do not
    assert {name: len(claims) for name, claims in CLAIMS.items()} == {
        "000": 35, "001": 150, "002": 331, "003": 104, "004": 82,
    }  # fmt: skip
    holds = Counter(claim.holds for claims in CLAIMS.values() for claim in claims)
    assert holds == {True: 521, False: 100, None: 81}
    against = {name: sum(c.holds is False for c in claims) for name, claims in CLAIMS.items()}
    assert against == {"000": 0, "001": 18, "002": 59, "003": 14, "004": 9}


def test_the_default_subset_has_one_metric_per_pair_and_family():
    metrics = defaultdict(set)
    for name, claims in CLAIMS.items():
        for claim in claims:
            if claim.default:
                family = PAPERS[name][0].metrics[claim.metric].family
                metrics[name, claim.data, claim.a, claim.b, family].add(claim.metric)
    assert {len(of_family) for of_family in metrics.values()} == {1}
    assert {c.paper for claims in CLAIMS.values() for c in claims if c.default} == {
        "000", "001", "002", "003", "004",
    }  # fmt: skip


def test_numbers_of_the_tables_by_hand():
    # 002 prints LPIPS times 100, 003 as it is (Table 1 of both, stickers)
    ragar, pigeon = (read_table(TABLES / f"{n}_table1_stickers.json") for n in ("ragar", "pigeon"))
    glide = ragar.in_units().row("GLIDE").metrics
    assert (glide["lpips@history"], glide["rank-change@raw"]) == (0.5978, -0.86)
    assert pigeon.in_units().row("TI").metrics["lpips-vgg@history"] == 0.7654
    assert pigeon.in_units().row("TI").metrics["cis@history"] == 0.409


def test_an_unknown_paper_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="Papers are: 000, 001, 002, 003, 004"):
        read_paper("005")
