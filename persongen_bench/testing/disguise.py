"""The toy world under other names and in another size, so that a plugin cannot tell it by them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import Dataset, Split
from persongen_bench.core.types import Catalog, Image, ImageSource, content_hash
from persongen_bench.testing.toy import (
    N_USERS,
    TRAIN_PER_HUE,
    FileSource,
    ToyWorld,
    split_by_time,
    toy_world,
    world_of,
    write_images,
)
from persongen_bench.testing.toy_pictures import draw
from persongen_bench.testing.toy_requests import ask_to_follow
from persongen_bench.testing.toy_truth import HueContent, HueTaste

_NUMBERS = ["hue", "value", "slope_x", "slope_y"]
_STYLES = ("{h:.10}", "{n:010d}", "img_{h:.9}", "{h:.4}-{h:.12}")
_DAY = 86_400.0


class NamedSource:
    """Draws each picture from the numbers that its file name spells."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """One picture per row."""
        return [draw(*_spelled(str(name))) for name in rows["image"]]


@dataclass(frozen=True)
class Disguise:
    """Other names for users and items, some more people, and times as of a clock."""

    seed: int

    def name(self, what: str, old: str) -> str:
        """The new name of a user or an item; it hangs on nothing but the seed and the old one."""
        word = content_hash("disguise", self.seed, what, old)
        style = _STYLES[int(content_hash("style", self.seed, what), 16) % len(_STYLES)]
        return style.format(h=word, n=int(word, 16) % 10**10)

    @property
    def n_more(self) -> int:
        """People besides the six; each likes what one of them likes."""
        return 1 + int(content_hash("more", self.seed), 16) % 6

    @property
    def begin(self) -> float:
        """Time of the first rating, in seconds."""
        return 1.4e9 + float(int(content_hash("begin", self.seed), 16) % 10**8)

    def likes(self) -> dict[str, float]:
        """New name of every user => the hue that is liked."""
        own = {self.name("user", f"user-{k}"): k / N_USERS for k in range(N_USERS)}
        more = {self.name("user", f"more-{k}"): k % N_USERS / N_USERS for k in range(self.n_more)}
        return own | more


def disguised_world(seed: int, variant: int = 0, root: Path | None = None) -> ToyWorld:
    """`toy_world` under other names; worlds of one seed and different variants differ as there."""
    data, disguise = toy_world(variant).dataset, Disguise(seed)
    named = {item: disguise.name("item", item) for item in data.catalog.ids}
    if root is not None:
        write_images(_items(data, named), root, NamedSource())
    source = NamedSource() if root is None else FileSource(root)
    return world_of(_dataset(data, disguise, named, source))


def _dataset(
    data: Dataset, disguise: Disguise, named: Mapping[str, str], source: ImageSource
) -> Dataset:
    catalog, hues = Catalog(_items(data, named), source), _numbers(data, named)["hue"]
    users = {f"user-{k}": disguise.name("user", f"user-{k}") for k in range(N_USERS)}
    assert data.pairs is not None
    assert data.models is not None
    zoo = replace(data.models, items=data.models.items.replace({"owner": users}))
    late = disguise.begin + TRAIN_PER_HUE * N_USERS * _DAY
    splits = {
        "by-time": partial(_split, late=late),
        "open": partial(_split, late=late, open_catalog=True),
    }
    return replace(
        data,
        name=disguise.name("data", "toy"),
        catalog=catalog,
        interactions=_log(data, disguise, named),
        splits=splits,
        taste=HueTaste(disguise.likes()),
        asks=partial(ask_to_follow, catalog=catalog),
        content=HueContent(dict(zip(hues.index.astype(str), hues, strict=True))),
        pairs=data.pairs.replace({**users, **named}),
        models=zoo,
    )


def _split(
    interactions: pd.DataFrame, seed: int, *, late: float, open_catalog: bool = False
) -> Split:
    whole = split_by_time(interactions.head(1), seed)
    after = interactions["timestamp"] >= late
    return replace(
        whole, name="open" if open_catalog else "by-time", open_catalog=open_catalog,
        train=interactions[~after], test=interactions[after],
    )  # fmt: skip


def _log(data: Dataset, disguise: Disguise, named: Mapping[str, str]) -> pd.DataFrame:
    log = data.interactions
    parts = [log.assign(user_id=log["user_id"].map(lambda old: disguise.name("user", old)))]
    for k in range(disguise.n_more):
        own = log[log["user_id"] == f"user-{k % N_USERS}"]
        parts.append(own.assign(user_id=disguise.name("user", f"more-{k}")))
    both = pd.concat(parts)
    return both.assign(
        item_id=both["item_id"].map(named), timestamp=disguise.begin + both["timestamp"] * _DAY
    ).sort_values(["timestamp", "user_id"], ignore_index=True)


def _items(data: Dataset, named: Mapping[str, str]) -> pd.DataFrame:
    """What is said of an item: its file, its caption and its theme."""
    items = data.catalog.items
    files = [_spelt(row) for row in items[_NUMBERS].to_numpy(dtype=np.float64)]
    shown = items[["caption", "theme"]].assign(image=files)
    return shown.rename(index=named).rename_axis("item_id").sort_index()


def _numbers(data: Dataset, named: Mapping[str, str]) -> pd.DataFrame:
    return data.catalog.items[_NUMBERS].rename(index=named).rename_axis("item_id").sort_index()


def _spelt(numbers: np.ndarray) -> str:
    return f"images/{struct.pack('<4f', *numbers).hex()}.png"


def _spelled(name: str) -> tuple[float, ...]:
    return struct.unpack("<4f", bytes.fromhex(Path(name).stem))
