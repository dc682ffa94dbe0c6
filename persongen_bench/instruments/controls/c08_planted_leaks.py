"""C8: every planted leak is found, and a clean split raises no alarm.

In each simulated world every kind of leak is planted a known number of times into a split that
had none of that kind. The audit must name exactly the planted users, rows, items, motifs and
pictures, and by what the split promises: the splits bear a name that no data set of ours has.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from persongen_bench.core import images as imaging
from persongen_bench.core.dataset import Dataset, DatasetCard, Split
from persongen_bench.core.promises import Kind
from persongen_bench.core.types import Catalog, Image
from persongen_bench.datasets import splits
from persongen_bench.datasets.audit import AuditOptions, audit
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult

N_USERS, N_ITEMS, N_RATINGS, MOTIF = 30, 120, 15, 4
TABLES = AuditOptions(n_examples=10**9, max_held_out=0)
PICTURES = AuditOptions(n_examples=10**9)
NAME = "somebody's"
"""Name of every split here."""
SIDE = 32
"""Edge of the simulated pictures, in pixels."""


@dataclass(frozen=True)
class Pictures:
    """Images in memory by item id; implements `ImageSource`."""

    by_item: dict[str, Image] = field(repr=False)

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """The images of ``rows``."""
        return [self.by_item[str(item)] for item in rows.index]


@dataclass(frozen=True)
class Planted:
    """A world before and after a leak was planted."""

    kind: Kind
    clean: tuple[Dataset, Split]
    leaking: tuple[Dataset, Split]
    keys: frozenset[str]
    """What the audit has to name, in its own words."""


def run(options: ControlOptions) -> ControlResult:
    """Plant leaks of every kind in simulated worlds and count what the audit finds."""
    n_worlds = 3 if options.quick else 20
    planted, named, alarms = 0, 0, 0
    for number in range(n_worlds):
        rng = np.random.default_rng([options.seed, number])
        for plant in PLANTS:
            case = plant(_world(rng), rng)
            said = _named(case.leaking, case.kind)
            planted += len(case.keys)
            named += len(case.keys & said)
            alarms += len(said - case.keys) + len(_named(case.clean, case.kind))
    return ControlResult(
        control="C8",
        title="planted leaks are all found",
        passed=named == planted > 0 and alarms == 0,
        measured=f"{named} of {planted} leaks of {len(PLANTS)} kinds in {n_worlds} worlds, "
        f"{alarms} false alarms",
        expected="all of them, 0 false alarms",
    )


def _named(where: tuple[Dataset, Split], kind: Kind) -> frozenset[str]:
    """What the audit names as a leak, or warns of, of this kind."""
    world, split = where[0], replace(where[1], name=NAME)
    findings = audit(world, split, PICTURES if kind.endswith("picture") else TABLES).findings
    serious = (finding for finding in findings if finding.severity != "info")
    return frozenset(who for finding in serious if finding.kind == kind for who in finding.examples)


def _world(rng: np.random.Generator) -> Dataset:
    """People who rated random items once each, at random times, of pictures unlike each other."""
    ids = [f"item-{number:03d}" for number in range(N_ITEMS)]
    motifs = [f"motif-{number // MOTIF:02d}" for number in range(N_ITEMS)]
    items = pd.DataFrame({"content_id": motifs}, index=pd.Index(ids, name="item_id"))
    rows = [
        (f"user-{user:02d}", ids[item])
        for user in range(N_USERS)
        for item in rng.permutation(N_ITEMS)[:N_RATINGS]
    ]
    log = pd.DataFrame(rows, columns=["user_id", "item_id"])
    log["rating"] = rng.integers(1, 6, len(log)).astype(float)
    log["liked"] = log["rating"] >= 4
    log["timestamp"] = rng.permutation(len(log)).astype(float)
    source = Pictures({item: _picture(rng) for item in ids})
    card = DatasetCard("planted", "simulated", "none", "simulated")
    return Dataset("planted", card, Catalog(items, source), log, {})


def _picture(rng: np.random.Generator) -> Image:
    coarse = rng.integers(0, 256, (3, 4, 4), dtype=np.uint8)
    return imaging.resize(coarse, SIDE)


def _some(values: pd.Series, rng: np.random.Generator) -> list[str]:
    """One to five distinct values."""
    distinct = sorted(values.unique())
    chosen = rng.permutation(len(distinct))[: rng.integers(1, 6)]
    return [distinct[place] for place in chosen.tolist()]


def _with_training(split: Split, rows: pd.DataFrame) -> Split:
    return replace(split, train=pd.concat([split.train, rows], ignore_index=True))


def _plant_users(world: Dataset, rng: np.random.Generator) -> Planted:
    split = splits.user_disjoint(0.3)(world.interactions, 0)
    users = _some(split.test["user_id"], rng)
    moved = split.test[split.test["user_id"].isin(users)].drop_duplicates("user_id")
    after = replace(_with_training(split, moved), test=split.test.drop(moved.index))
    return Planted("user-overlap", (world, split), (world, after), frozenset(users))


def _plant_rows(world: Dataset, rng: np.random.Generator) -> Planted:
    split = splits.per_user(2, 3)(world.interactions, 0)
    held_out = pd.concat([split.validation, split.test], ignore_index=True)
    rows = held_out.iloc[rng.permutation(len(held_out))[: rng.integers(1, 6)]]
    keys = frozenset(f"{user} {item}" for user, item in rows[["user_id", "item_id"]].to_numpy())
    return Planted("row-overlap", (world, split), (world, _with_training(split, rows)), keys)


def _plant_items(world: Dataset, rng: np.random.Generator) -> Planted:
    split = splits.by_item(0.2)(world.interactions, 0)
    items = _some(split.test["item_id"], rng)
    rows = split.test[split.test["item_id"].isin(items)].drop_duplicates("item_id")
    after = _with_training(split, rows.assign(user_id="user-of-another-log"))
    return Planted("item-overlap", (world, split), (world, after), frozenset(items))


def _plant_motifs(world: Dataset, rng: np.random.Generator) -> Planted:
    motifs = world.catalog.items["content_id"]
    split = splits.by_group(dict(zip(world.catalog.ids, motifs, strict=True)), 0.3, splits.CONTENT)(
        world.interactions, 0
    )
    of_row = split.test["item_id"].map(motifs)
    several = of_row[of_row.map(split.test.groupby(of_row)["item_id"].nunique()) > 1]
    chosen = _some(several, rng)
    items = split.test["item_id"][of_row.isin(chosen)].groupby(of_row).first()
    moved = split.test["item_id"].isin(items)
    after = replace(_with_training(split, split.test[moved]), test=split.test[~moved])
    return Planted("motif-overlap", (world, split), (world, after), frozenset(chosen))


def _plant_times(world: Dataset, rng: np.random.Generator) -> Planted:
    split = splits.temporal(0.2)(world.interactions, 0)
    users = _some(split.train["user_id"], rng)
    late = split.train.drop_duplicates("user_id")
    late = late[late["user_id"].isin(users)]
    train = split.train.copy()
    train.loc[late.index, "timestamp"] = world.interactions["timestamp"].max() + 1.0
    keys = frozenset(f"{user} {item}" for user, item in late[["user_id", "item_id"]].to_numpy())
    return Planted("later-training-row", (world, split), (world, replace(split, train=train)), keys)


def _plant_pictures(
    kind: Kind, copy: Callable[[Image, np.random.Generator], Image]
) -> Callable[[Dataset, np.random.Generator], Planted]:
    def plant(world: Dataset, rng: np.random.Generator) -> Planted:
        split = splits.by_item(0.2)(world.interactions, 0)
        unseen, seen = _some(split.test["item_id"], rng), sorted(split.train["item_id"].unique())
        pairs = dict(zip(unseen, [seen[i] for i in rng.permutation(len(seen))], strict=False))
        copies = {a: copy(world.catalog.images([b])[0], rng) for a, b in pairs.items()}
        everything = dict(
            zip(world.catalog.ids, world.catalog.images(world.catalog.ids), strict=True)
        )
        catalog = Catalog(world.catalog.items, Pictures({**everything, **copies}))
        keys = frozenset(f"{a} = {b}" for a, b in pairs.items())
        return Planted(kind, (world, split), (replace(world, catalog=catalog), split), keys)

    return plant


def _altered(image: Image, rng: np.random.Generator) -> Image:
    """The picture as a shop's second upload of it: recompressed, rescaled, brighter or noisy."""
    way = rng.integers(4)
    if way == 0:
        buffer = io.BytesIO()
        imaging.to_pil(image).save(buffer, format="JPEG", quality=80)
        return imaging.decode(buffer.getvalue(), "the recompressed copy")
    if way == 1:
        return imaging.resize(image, SIDE * 3 // 4)
    change = np.full(image.shape, 6.0) if way == 2 else rng.normal(0.0, 4.0, image.shape)
    return np.asarray(np.clip(image + change, 0, 255), dtype=np.uint8)


PLANTS: tuple[Callable[[Dataset, np.random.Generator], Planted], ...] = (
    _plant_users,
    _plant_rows,
    _plant_items,
    _plant_motifs,
    _plant_times,
    _plant_pictures("same-picture", lambda image, _: image.copy()),
    _plant_pictures("similar-picture", _altered),
)
