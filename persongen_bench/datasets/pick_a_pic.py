"""Pick-a-Pic: pairs of pictures of one prompt, and which of them somebody preferred.

Read as published, from Parquet shards; pictures stay in the shards until they are opened.
Prompts are held out once for all splits, so that what the track ``alignment`` asks to draw was
never trained on.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard, Split, SplitFunction
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import PAIR_COLUMNS, Catalog, NoImages, content_hash
from persongen_bench.datasets import pick_a_pic_shards as published
from persongen_bench.datasets import prompt_words, splits

PUBLISHED, BY_PROMPT, BY_USER = "published", "prompt", splits.USER_DISJOINT
"""Names of the splits."""
INSTRUCTIONS = (
    "Get the Parquet shards of Pick-a-Pic (https://stability.ai/research/pick-a-pic; the official "
    "repositories have moved, mirrors remain) and put them into ROOT or ROOT/data: "
    "train-*.parquet, and validation_unique-*.parquet and test_unique-*.parquet where you have "
    "them."
)


class PickAPicConfig(BaseConfig):
    """Which comparisons count, and what is held out."""

    topic: str = Field(default="", pattern="^(|cars|dogs|scenery)$")
    """Only prompts with a key word of it and no human character (paper 004, Table 2)."""
    most_pairs: int = Field(default=0, ge=0)
    """At most so many comparisons, drawn by ``seed``; 0: all."""
    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the prompts, and in `user-disjoint` of the users, that is held out."""
    most_prompts: int = Field(default=200, ge=1)
    """So many of the held-out prompts are asked for, at most (paper 004, 5.1: 200)."""
    pictures: Literal["files", "none"] = "files"
    """``none``: the bytes of the pictures are not looked for."""
    seed: int = Field(default=0, ge=0)
    """Seed of what is drawn."""


class PickAPic:
    """Pictures that people compared, two of one prompt at a time."""

    Config: ClassVar[type[BaseConfig]] = PickAPicConfig
    tracks: ClassVar[tuple[str, ...]] = ("alignment", "prompt-free")

    @classmethod
    def load(cls, config: PickAPicConfig, root: Path | None) -> Dataset:
        """Read everything but the pictures; raises `DataError` with file, row and fix."""
        paths = published.shards(root) if root is not None else []
        if root is None or not paths:
            where = "no data folder named (--data ROOT)" if root is None else f"no shards in {root}"
            raise DataError(f"dataset pick-a-pic: {where}", fix=INSTRUCTIONS)
        pictures = config.pictures == "files"
        rows = pd.concat(
            [published.read_shard(path, pictures=pictures) for path in paths], ignore_index=True
        )
        rows, notes = _kept(rows, config, root)
        items = _items(rows)
        source = published.ShardPictures(paths[0].parent) if pictures else NoImages()
        held_out = _held_out_prompts(rows, config, root)
        asked = sorted(held_out, key=lambda prompt: content_hash(config.seed, prompt))
        return Dataset(
            "pick-a-pic", _card(rows, notes), Catalog(items, source), _log(rows),
            _splits(rows, held_out, config), pairs=_pairs(rows),
            prompts=tuple(sorted(asked[: config.most_prompts])),
        )  # fmt: skip


def _kept(rows: pd.DataFrame, config: PickAPicConfig, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """The comparisons that count, in an order that does not hang on the shards; what was left."""
    notes: list[str] = []
    labelled = published.labelled_rows(rows)
    rows = _without(rows, ~labelled, "comparisons without a label", notes)
    if "are_different" in rows:
        same = ~rows["are_different"].to_numpy(dtype=bool)
        rows = _without(rows, same, "comparisons of equal pictures", notes)
    if config.topic:
        fits = prompt_words.of_topic(rows["caption"], config.topic)
        rows = _without(rows, ~fits, f"comparisons that are not of {config.topic}", notes)
    prompts = pd.concat(
        [rows.set_index(f"image_{side}_uid")["caption"] for side in published.SIDES]
    )
    of_two = prompts.groupby(level=0).nunique()
    odd = of_two.index[of_two > 1]
    mixed = rows["image_0_uid"].isin(odd) | rows["image_1_uid"].isin(odd)
    rows = _without(rows, mixed.to_numpy(), "comparisons of pictures with two prompts", notes)
    if rows.empty:
        raise DataError(f"{root}: no comparison is left ({'; '.join(notes)})", fix=INSTRUCTIONS)
    rows = rows.assign(pair_id=_pair_ids(rows)).sort_values("pair_id", ignore_index=True)
    if config.most_pairs and config.most_pairs < len(rows):
        drawn = prompt_words.drawn(rows["pair_id"], config.most_pairs, config.seed)
        rows = _without(rows, ~drawn, "comparisons that were not drawn", notes)
    return rows.reset_index(drop=True), notes


def _without(rows: pd.DataFrame, bad: np.ndarray, what: str, notes: list[str]) -> pd.DataFrame:
    if bad.any():
        notes.append(f"left out {int(bad.sum()):,} {what}")
    return rows[~bad]


def _pair_ids(rows: pd.DataFrame) -> list[str]:
    """The published id of a comparison where it tells them apart, else a hash of the row."""
    if "ranking_id" in rows and rows["ranking_id"].is_unique:
        return [f"ranking-{number}" for number in rows["ranking_id"]]
    keys = [name for name in (*published.NEEDED, "created_at") if name in rows]
    hashes = pd.util.hash_pandas_object(rows[keys], index=False).map("{:016x}".format)
    again = hashes.groupby(hashes).cumcount()
    return [f"pair-{one}-{n}" for one, n in zip(hashes, again, strict=True)]


def _items(rows: pd.DataFrame) -> pd.DataFrame:
    """Each picture once, with where its bytes lie: in the first shard and row that has it."""
    parts = []
    for side in published.SIDES:
        part = pd.DataFrame({
            "item_id": rows[f"image_{side}_uid"], "caption": rows["caption"],
            "model": rows.get(f"model_{side}", ""), "shard": rows["_shard"], "row": rows["_row"],
            "side": side,
        })  # fmt: skip
        parts.append(part)
    items = pd.concat(parts).sort_values(["item_id", "shard", "row", "side"])
    return items.drop_duplicates("item_id").set_index("item_id")


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """`PAIR_COLUMNS`: winner and loser, wherever they stood; a tie in the published order."""
    second = (rows["label_1"] > rows["label_0"]).to_numpy()
    first, other = rows["image_0_uid"].to_numpy(), rows["image_1_uid"].to_numpy()
    pairs = pd.DataFrame({
        "pair_id": rows["pair_id"], "user_id": rows["user_id"], "prompt": rows["caption"],
        "winner": np.where(second, other, first), "loser": np.where(second, first, other),
        "tie": rows["label_0"] == rows["label_1"],
    })[list(PAIR_COLUMNS)]  # fmt: skip
    return pairs.astype(dict.fromkeys(PAIR_COLUMNS[:-1], "str"))


def _log(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per user and picture: the share of its comparisons that it won (a tie is half)."""
    times = rows.get("created_at", np.nan)
    parts = [
        pd.DataFrame({"user_id": rows["user_id"], "item_id": rows[f"image_{side}_uid"],
                      "rating": rows[f"label_{side}"].astype("float64"), "timestamp": times})
        for side in published.SIDES
    ]  # fmt: skip
    groups = pd.concat(parts).groupby(["user_id", "item_id"], sort=True)
    log = groups.agg(rating=("rating", "mean"), timestamp=("timestamp", "max")).reset_index()
    log["liked"] = log["rating"] > 0.5
    columns = log[["user_id", "item_id", "rating", "liked", "timestamp"]]
    return canonical(columns.astype({"user_id": "str", "item_id": "str", "timestamp": "float64"}))


def _held_out_prompts(rows: pd.DataFrame, config: PickAPicConfig, root: Path) -> list[str]:
    """Prompts of the published test part, else a share of all, by seed."""
    prompts = rows["caption"].drop_duplicates()
    if (rows["_part"] == "test").any() and (rows["_part"] == "train").any():
        test = set(rows["caption"][rows["_part"] == "test"])
        return sorted(test - set(rows["caption"][rows["_part"] != "test"]))
    if len(prompts) < 2:
        raise DataError(f"{root}: one prompt, which cannot be divided", fix=INSTRUCTIONS)
    n = min(max(1, round(len(prompts) * config.test_fraction)), len(prompts) - 1)
    return sorted(prompts[prompt_words.drawn(prompts, n, config.seed)])


def _splits(
    rows: pd.DataFrame, held_out: list[str], config: PickAPicConfig
) -> dict[str, SplitFunction]:
    caption = pd.concat(
        [rows.set_index(f"image_{side}_uid")["caption"] for side in published.SIDES]
    )
    test = frozenset(caption.index[caption.isin(held_out)])
    ways: dict[str, SplitFunction] = {}
    if len(set(rows["_part"])) > 1 and held_out:
        waiting = caption[caption.isin(rows["caption"][rows["_part"] == "validation"])]
        ways[PUBLISHED] = partial(
            _by_prompt, name=PUBLISHED, test=test, validation=frozenset(waiting.index) - test
        )
    ways[BY_PROMPT] = partial(_by_prompt, name=BY_PROMPT, test=test, validation=frozenset())
    if rows["user_id"].nunique() > 1:
        ways[BY_USER] = splits.user_disjoint(config.test_fraction)
    return ways


def _by_prompt(
    interactions: pd.DataFrame, seed: int, *, name: str, test: frozenset[str],
    validation: frozenset[str],
) -> Split:  # fmt: skip
    """All rows of pictures of the held-out prompts; the same for every seed of the split."""
    rows = canonical(interactions)
    tested, waiting = (rows["item_id"].isin(part).to_numpy() for part in (test, validation))
    parts = (~tested & ~waiting, tested, waiting)
    train, held, validated = (rows[part].reset_index(drop=True) for part in parts)
    return Split(name, seed, train, held, validated, splits.ITEMS)


def _card(rows: pd.DataFrame, notes: list[str]) -> DatasetCard:
    ties = int((rows["label_0"] == rows["label_1"]).sum())
    said = (
        f"{len(rows):,} comparisons by {rows['user_id'].nunique():,} people of pictures of "
        f"{rows['caption'].nunique():,} prompts; {ties:,} are ties."
    )
    return DatasetCard(
        title="Pick-a-Pic",
        description=" ".join([said, *(f"Note: {note}." for note in notes)]),
        license="as published (MIT); pictures of several models, some of them unsafe",
        source="https://stability.ai/research/pick-a-pic",
        citation="Kirstain et al., Pick-a-Pic: An Open Dataset of User Preferences for "
        "Text-to-Image Generation, NeurIPS 2023",
        instructions=INSTRUCTIONS,
        notes=(
            "A rating is the share of a person's comparisons that a picture won (a tie is half).",
            "A like is a picture that won more than half of them.",
            "Prompts are held out once, by the data set's seed; user-disjoint may train on them.",
        ),
    )  # fmt: skip
