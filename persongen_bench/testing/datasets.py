"""The contract of a data set: well-formed tables, honest splits, nothing held out in sight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from persongen_bench.core import registry
from persongen_bench.core.dataset import Cuttable, Dataset, DatasetLoader, Split
from persongen_bench.core.errors import DataError
from persongen_bench.core.promises import leaks
from persongen_bench.core.types import INTERACTION_COLUMNS
from persongen_bench.testing.base import Contract
from persongen_bench.testing.leaks import find_strings
from persongen_bench.testing.require import ContractError, require, require_images, require_same

ROW_COLUMNS = ["user_id", "item_id", "timestamp"]
"""What makes a row of the log the same row."""


class DatasetContract(Contract):
    """Subclass it and set ``dataset`` (with ``config`` and ``root``), or override `make`."""

    subject: ClassVar[str] = "dataset"

    dataset: str | type[DatasetLoader] = ""
    """Registered name, ``distribution/name`` for a plugin, or the loader itself."""
    config: Mapping[str, object] | None = None
    """Options of the loader; None for its defaults."""
    root: Path | None = None
    """The data folder, for data sets that need one."""

    def loader(self) -> Any:  # noqa: ANN401  # a class of the shape of `DatasetLoader`
        """The class under test."""
        named = isinstance(self.dataset, str)
        return registry.get("datasets", str(self.dataset)) if named else self.dataset

    def make(self) -> Dataset:
        """Load the data set anew."""
        loader = self.loader()
        loaded: Dataset = loader.load(loader.Config.model_validate(self.config or {}), self.root)
        return loaded

    def prepare(self) -> None:
        """Load the data; `DataError` says how to get those that cannot be shipped."""
        self._data()

    def test_tracks_are_named(self) -> None:
        """At least one track, none twice, each a registered one.

        A contract that only overrides `make` has no loader and is not asked.
        """
        if not self.dataset:
            return
        tracks = self.loader().tracks
        require(isinstance(tracks, tuple) and tracks, "tracks is not a tuple of names, or empty")
        require(all(isinstance(t, str) and t for t in tracks), "a track is not a non-empty str")
        require(len(set(tracks)) == len(tracks), f"a track stands twice in {tracks}")
        unknown = [track for track in tracks if track not in registry.entries("tracks")]
        require(not unknown, f"no track is called {unknown[:1]}, see `pgbench list tracks`")

    def test_card_says_what_a_reader_needs(self) -> None:
        """Title, description, licence and source are filled in."""
        card = self._data().card
        for name in ("title", "description", "license", "source"):
            require(getattr(card, name).strip(), f"the card's {name} is empty")

    def test_item_ids_are_unique_strings(self) -> None:
        """The catalogue is indexed by unique, non-empty ``str`` ids."""
        index = self._data().catalog.items.index
        require(len(index) > 0, "the catalogue is empty")
        require(index.is_unique, f"item id {index[index.duplicated()][:1].tolist()} stands twice")
        require(all(isinstance(i, str) and i for i in index), "an item id is not a non-empty str")

    def test_interactions_are_well_formed(self) -> None:
        """The columns of `INTERACTION_COLUMNS`; ``liked`` is boolean; every item is known."""
        data = self._data()
        log = data.interactions
        missing = [name for name in INTERACTION_COLUMNS if name not in log.columns]
        require(not missing, f"the interactions lack the columns {missing}")
        require(len(log) > 0, "there is not one interaction")
        require(pd.api.types.is_bool_dtype(log["liked"]), "column liked must be boolean")
        users = log["user_id"].unique()
        require(all(isinstance(u, str) and u for u in users), "a user id is not a non-empty str")
        unknown = set(log["item_id"]) - set(data.catalog.ids)
        require(not unknown, f"item {min(unknown, default='')!r} is not in the catalogue")

    def test_images_keep_the_contract(self) -> None:
        """First, middle and last item open as uint8 RGB (3, h, w), the same every time.

        Not where the items have no pictures (`types.NoImages`).
        """
        catalog = self._data().catalog
        if not catalog.pictured:
            return
        some = [catalog.ids[k] for k in sorted({0, len(catalog) // 2, len(catalog) - 1})]
        opened = require_images(catalog.images(some), len(some))
        require_same(opened, catalog.images(some), "opening an item twice")

    def test_unknown_item_is_a_clear_error(self) -> None:
        """`DataError` that names the item."""
        try:
            self._data().catalog.images(["no-such-item"])
        except DataError as error:
            require("no-such-item" in str(error), f"the error does not name the item: {error}")
        else:
            raise ContractError("an unknown item was opened")

    def test_splits_are_deterministic(self) -> None:
        """The same seed gives the same split, whatever else was asked for between."""
        data = self._data()
        require(data.splits, "there is no split")
        for name in data.splits:
            first, _, again = (data.split(name, seed) for seed in (0, 1, 0))
            require(first.hash == again.hash, f"split {name} differs when made again")
            require(first.name == name, f"split {name} calls itself {first.name}")

    def test_splits_are_disjoint_parts_of_the_log(self) -> None:
        """No row stands in two parts, none is invented, train and test are not empty."""
        log = self._rows(self._data().interactions)
        for split in self._splits():
            parts = [self._rows(p) for p in (split.train, split.validation, split.test)]
            require(len(parts[0]) and len(parts[2]), f"split {split.name} has an empty part")
            both = pd.concat(parts)
            twice = both.value_counts().gt(log.value_counts().reindex(both.value_counts().index))
            require(not twice.any(), f"split {split.name} uses a row of the log twice")
            invented = ~pd.MultiIndex.from_frame(both).isin(pd.MultiIndex.from_frame(log))
            require(not invented.any(), f"split {split.name} holds rows that the log does not")

    def test_splits_keep_their_promise(self) -> None:
        """Disjoint in all that the split promises; see `persongen_bench.core.dataset.Disjoint`."""
        catalog = self._data().catalog
        for split in self._splits():
            for kind, who in leaks(split, catalog).items():
                said = ", ".join(sorted(split.promise)) or "nothing but rows"
                raise ContractError(f"split {split.name} promises {said}: {kind}, as of {who[0]}")

    def test_splits_keep_their_support(self) -> None:
        """Tested people keep as many training rows as the split says; cuts say what they cut to."""
        data = self._data()
        for name, split in zip(data.splits, self._splits(), strict=True):
            function = data.splits[name]
            if isinstance(function, Cuttable):
                said, k = split.support, function.k
                require(said == k, f"split {name}: support {said}, but it is cut to {k}")
            if split.support is not None:
                tested = split.train["user_id"].isin(split.test["user_id"].unique())
                most = split.train["user_id"][tested].value_counts().max() if tested.any() else 0
                require(most <= split.support, f"split {name}: somebody keeps {most} training rows")

    def test_training_view_hides_held_out_items(self) -> None:
        """No item that only held-out rows mention can be reached from the training view.

        Where the split opens the catalogue they are candidates, and all of them are in it. Nor can
        one that only the test part mentions from the validation rows, where methods see these.
        """
        data = self._data()
        for split in self._splits():
            shown, validation = data.validation_view(split), set(split.validation["item_id"])
            tested = {str(item) for item in set(split.test["item_id"]) - validation}
            for item, trail in find_strings(shown, tested).items():
                raise ContractError(f"split {split.name}: tested item {item} by {trail}")
            if split.open_catalog:
                whole = data.train_view(split).catalog.ids == data.catalog.ids
                require(whole, f"split {split.name} opens the catalogue, which is not whole")
                continue
            held_out = set(split.test["item_id"]) | set(split.validation["item_id"])
            hidden = {str(item) for item in held_out - set(split.train["item_id"])}
            reached = find_strings(data.train_view(split), hidden)
            for item, trail in reached.items():
                raise ContractError(f"split {split.name}: held-out item {item} by {trail}")

    def test_hashes_are_stable_across_processes(self) -> None:
        """Revision and split hashes are the same in another process."""
        here, there = self.hashes(), self.elsewhere("hashes")
        for name, value in here.items():
            require(there[name] == value, f"{name}: {value} here, {there[name]} elsewhere")

    def hashes(self) -> dict[str, str]:
        """Revision of the data and hash of every split with seed 0."""
        data = {"revision": self._data().revision}
        return data | {f"split {split.name}": split.hash for split in self._splits()}

    def _data(self) -> Dataset:
        return self.once("data", self.make)

    def _splits(self) -> list[Split]:
        data = self._data()
        return self.once("splits", lambda: [data.split(name, 0) for name in data.splits])

    def _rows(self, log: pd.DataFrame) -> pd.DataFrame:
        return log[ROW_COLUMNS].astype({"timestamp": float}).fillna({"timestamp": -1.0})
