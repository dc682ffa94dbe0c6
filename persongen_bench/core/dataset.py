"""A data set: its items and interactions, the ways to divide them, and what a method may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError
from persongen_bench.core.later import pd
from persongen_bench.core.near import near_miss
from persongen_bench.core.ratings import Ratings, time_order
from persongen_bench.core.request import Request
from persongen_bench.core.truth import KnownContent, KnownTaste
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog, content_hash, frame_hash
from persongen_bench.core.zoo import ModelZoo

Disjoint = Literal["users", "items", "contents", "time"]
"""What the training rows of a split and its held-out rows (validation and test) may be free of:

- ``users``: nobody has rows on both sides;
- ``items``: no held-out item is trained on;
- ``contents``: nor another version of it, one of the same ``content_id`` (includes ``items``);
- ``time``: no training row of a user is later than one of theirs that is held out.
"""
Promise: TypeAlias = frozenset[Disjoint]


@dataclass(frozen=True)
class DatasetCard:
    """What a reader must know of a data set before they trust a number made with it."""

    title: str
    description: str
    license: str
    source: str
    citation: str = ""
    instructions: str = ""
    """How to get it and where to put it, for data we may not ship."""
    notes: tuple[str, ...] = ()
    """What a number made with it means that a reader would not expect, a sentence each; printed
    below every table."""


@dataclass(frozen=True)
class Split:
    """A seeded, hashed division of the interactions.

    ``train`` and ``test`` (and ``validation``, possibly empty) hold `INTERACTION_COLUMNS`. No row
    is in two of them, whatever the split promises besides.
    """

    name: str
    seed: int
    train: pd.DataFrame
    test: pd.DataFrame
    validation: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(INTERACTION_COLUMNS))
    )
    promise: Promise = frozenset()
    """In what the two sides are disjoint; the leak audit holds the split to it."""
    support: int | None = None
    """How many rows each tested person keeps in training, at most; None: the split is not cut."""
    open_catalog: bool = False
    """Whether the training view's catalogue holds the held-out items too, without what anybody
    thinks of them: the candidates of a recommendation."""
    tuning: bool = False
    """Whether methods may choose their settings by ``validation``: not where that part tells of
    test items, as what others say of the items that newcomers are tested on does."""

    @cached_property
    def hash(self) -> str:
        """Hash of the name, the seed and the rows of every part, and of nothing else."""
        parts = [frame_hash(part) for part in (self.train, self.validation, self.test)]
        return content_hash(self.name, self.seed, parts)


class SplitFunction(Protocol):
    """Divides interactions; the same seed gives the same split on every machine."""

    def __call__(self, interactions: pd.DataFrame, seed: int) -> Split:
        """The split for ``seed``."""
        ...


@runtime_checkable
class Cuttable(SplitFunction, Protocol):
    """A split function that cuts another one: the tested people keep ``k`` training rows each."""

    @property
    def split(self) -> SplitFunction:
        """What is cut."""
        ...

    @property
    def name(self) -> str:
        """Name of what is cut."""
        ...

    @property
    def k(self) -> int:
        """Training rows that each tested person keeps, at most: `Split.support`."""
        ...


class AskRule(Protocol):
    """How a data set makes its requests; the same split gives the same on every machine."""

    def __call__(self, split: Split, train: View, n_history: int) -> Sequence[Request]:
        """Everything to ask on this split, in canonical order, any number of requests per user.

        Histories hold training items, ``n_history`` at most; references may be held out.
        """
        ...


@dataclass(frozen=True)
class Dataset:
    """Interactions and catalogue with their card; ``taste`` where the truth is known.

    ``splits`` names the ways to divide it; the first one is the default.
    """

    name: str
    card: DatasetCard
    catalog: Catalog
    interactions: pd.DataFrame
    splits: Mapping[str, SplitFunction]
    taste: KnownTaste | None = None
    asks: AskRule | None = None
    """What it asks for on the track ``reference``, where it has references to follow."""
    content: KnownContent | None = None
    """Tells what a picture is of, where that is known."""
    pairs: pd.DataFrame | None = None
    """Preferences between pictures (`PAIR_COLUMNS`), where there are some."""
    prompts: tuple[str, ...] = ()
    """What the track ``alignment`` asks to draw: held-out prompts."""
    models: ModelZoo | None = None
    """LoRAs, where they are part of the data."""
    model_prompt: str = ""
    """What is drawn with the models on the track ``model-editing``."""

    def __repr__(self) -> str:
        n_users = self.interactions["user_id"].nunique()
        held = f"{len(self.catalog):,} items, {len(self.interactions):,} ratings by {n_users:,}"
        return f"<Dataset {self.name}: {held} users; splits {', '.join(self.splits)}>"

    @cached_property
    def revision(self) -> str:
        """Content hash of catalogue and interactions, in the order that the loader gives them.

        Loaders of files give them sorted (`persongen_bench.core.ratings.canonical`, items by id),
        so that the order of the rows of a file does not matter.
        """
        more = _hashes(self.pairs, self.models)
        # Beside ratings prompts are what is asked, like references: every sample names its own.
        prompts = self.prompts if self.interactions.empty else ()
        if prompts or self.model_prompt:
            more["prompts"] = content_hash(prompts, self.model_prompt)
        base = (self.name, self.catalog.hash, frame_hash(self.interactions))
        return content_hash(*base, more) if more else content_hash(*base)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Divide the interactions by the named rule (default: the first)."""
        key = name or next(iter(self.splits))
        if key not in self.splits:
            fix = near_miss(key, self.splits, f"Use one of {', '.join(self.splits)}.")
            raise DataError(f"dataset {self.name} has no split {key!r}", fix=fix)
        return self.splits[key](self.interactions, seed)

    @property
    def cuts(self) -> dict[str, dict[int, str]]:
        """Names of the splits that are cut: by the name of what they cut, then by support."""
        names: dict[str, dict[int, str]] = {}
        for name, function in self.splits.items():
            if isinstance(function, Cuttable):
                names.setdefault(function.name, {})[function.k] = name
        return names

    def cut_of(self, name: str, k: int) -> str:
        """Name of the split that is as ``name`` but for a support of ``k``.

        ``name``: a split that is cut, or one of its cuts. `DataError` where there is no such cut.
        """
        function = self.splits.get(name)
        whole = function.name if isinstance(function, Cuttable) else name
        known = self.cuts.get(whole, {})
        if k not in known:
            every = [cut for names in self.cuts.values() for cut in names.values()]
            raise DataError(
                f"dataset {self.name} has no split {whole!r} with a support of {k}",
                fix=f"Use one of {every}.",
            )
        return known[k]

    def train_view(self, split: Split) -> View:
        """What a method sees: training rows, and the catalogue without held-out items.

        The catalogue is whole where the split opens it. Pairs of pictures of which one is hidden
        and models that are held out are not in it.
        """
        held_out = set(split.test["item_id"]) | set(split.validation["item_id"])
        hidden = set() if split.open_catalog else held_out - set(split.train["item_id"])
        visible = self.catalog.items.index[~self.catalog.items.index.isin(hidden)]
        catalog, pairs = self.catalog.subset(visible), self.pairs
        if pairs is not None:
            shown = pairs["winner"].isin(visible) & pairs["loser"].isin(visible)
            pairs = pairs[shown].reset_index(drop=True)
        models = None if self.models is None else self.models.seen
        return View(catalog, split.train.reset_index(drop=True), pairs, models)

    def validation_view(self, split: Split) -> View | None:
        """The validation rows and their items, where methods may look at them (`Split.tuning`)."""
        if not split.tuning or split.validation.empty:
            return None
        items = set(split.validation["item_id"])
        return View(self.catalog.subset(items), split.validation.reset_index(drop=True))

    def test_view(self, split: Split) -> View:
        """The held-out rows and their items: for metrics and privileged anchors only."""
        items = set(split.test["item_id"])
        return View(self.catalog.subset(items), split.test.reset_index(drop=True))


@dataclass(frozen=True)
class View:
    """A self-contained part of a data set: interactions and the only items they may touch."""

    catalog: Catalog
    interactions: pd.DataFrame
    pairs: pd.DataFrame | None = None
    """Preferences between pictures of the catalogue (`PAIR_COLUMNS`), where there are some."""
    models: ModelZoo | None = None
    """LoRAs that may be learned from, where they are part of the data."""

    def __repr__(self) -> str:
        held = f"{len(self.catalog):,} items, {len(self.interactions):,} ratings"
        return f"<View of {held} by {len(self.users):,} users>"

    @classmethod
    def unrated(cls, catalog: Catalog) -> View:
        """Pictures that nobody has an opinion of, such as the examples of models."""
        return cls(catalog, pd.DataFrame(columns=list(INTERACTION_COLUMNS)))

    @cached_property
    def users(self) -> tuple[str, ...]:
        """User ids in sorted order."""
        return tuple(sorted(self.interactions["user_id"].unique()))

    @cached_property
    def ordered(self) -> pd.DataFrame:
        """The interactions by user, each user's oldest first; see `time_order`."""
        return self.interactions.iloc[time_order(self.interactions)].reset_index(drop=True)

    @cached_property
    def ratings(self) -> Ratings:
        """One rating per user and item: what methods learn from and instruments are made of."""
        return Ratings.of(self.interactions)

    @cached_property
    def liked_items(self) -> dict[str, tuple[str, ...]]:
        """Per user the liked item ids, oldest first.

        Where there is no time the order is that of a hash of the item ids: the tail of the list,
        which becomes a history, is then a random sample, whatever the order of the rows.
        """
        liked = self.ordered[self.ordered["liked"].astype(bool)]
        groups = liked.groupby("user_id", sort=True)["item_id"]
        items_of = {str(user): tuple(items) for user, items in groups}
        return {user: items_of.get(user, ()) for user in self.users}

    @cached_property
    def hash(self) -> str:
        """Content hash of the interactions, the catalogue, the pairs and the models."""
        more, base = _hashes(self.pairs, self.models), frame_hash(self.interactions)
        return content_hash(self.catalog.hash, base, *([more] if more else []))


def _hashes(pairs: pd.DataFrame | None, models: ModelZoo | None) -> dict[str, str]:
    """Of those of them that there are."""
    hashes = {} if pairs is None else {"pairs": frame_hash(pairs)}
    return hashes if models is None else {**hashes, "models": models.hash}


class DatasetLoader(Protocol):
    """Reads one data set; the registry's ``datasets`` entries are classes of this shape."""

    Config: ClassVar[type[Config]]
    tracks: ClassVar[tuple[str, ...]]
    """Names of the tracks that the data set serves, the default first."""

    @classmethod
    def load(cls, config: Any, root: Path | None) -> Dataset:  # noqa: ANN401  # its own Config
        """Load and validate. ``root``: the data folder, None where the user named none."""
        ...
