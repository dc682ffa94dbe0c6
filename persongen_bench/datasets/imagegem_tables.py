"""The relations of ImageGem as typed tables, checked one by one and against one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from persongen_bench.core.errors import DataError
from persongen_bench.datasets import causes
from persongen_bench.datasets.imagegem_relation import among, indexed_by, read_relation
from persongen_bench.datasets.imagegem_schema import (
    ASPECTS,
    EMOJI,
    RELATIONS,
    ColumnMap,
    read_map,
)
from persongen_bench.datasets.large_tables import LIST_MARK

INSTRUCTIONS = (
    "Get the data through https://maps-research.github.io/imagegem-iccv2025/ and put the tables "
    "into ROOT: images, models and uses (CSV or Parquet), and ROOT/columns.toml where their "
    "columns have other names (docs/datasets.md); or make some of the same shape with "
    "`pgbench make imagegem ROOT`."
)


@dataclass(frozen=True)
class Relations:
    """What was read; ids are ``str``, and every reference leads somewhere."""

    root: Path
    images: pd.DataFrame
    """Indexed by image, sorted: ``user_id`` and what else there is of the columns."""
    models: pd.DataFrame
    """Indexed by LoRA, sorted: ``tags`` (joined by |) and what else there is; may be empty."""
    uses: pd.DataFrame
    """``image_id, model_id``, sorted, each pair once."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""
    given: frozenset[str] = field(default_factory=frozenset)
    """Relations that there are tables of."""

    def with_images(self, keep: Bool[np.ndarray, " n"], note: str = "") -> Relations:
        """Only some of the images, with their uses; the models stay."""
        if keep.all():
            return self
        images = self.images[keep]
        uses = self.uses[among(self.uses["image_id"], images.index)]
        return replace(
            self, images=images, uses=uses.reset_index(drop=True),
            notes=(*self.notes, note) if note else self.notes,
        )  # fmt: skip

    def noted(self, *notes: str) -> Relations:
        """With more notes."""
        return replace(self, notes=(*self.notes, *notes))


def read_relations(root: Path) -> Relations:
    """All relations in a folder.

    Raises `DataError` for what is malformed, with file, row, what is there and what was expected.
    References that lead nowhere are dropped and counted; where all do, that is an error.
    """
    names = read_map(root)
    tables = {name: read_relation(names, name) for name in RELATIONS}
    images = tables["images"]
    if images is None:
        stem = names.stem("images")
        raise DataError(f"{root}: no {stem}.csv or {stem}.parquet", fix=INSTRUCTIONS)
    notes: list[str] = []
    images = indexed_by(images, "image_id", root, names.stem("images"))
    models = _models(tables, root, names, notes)
    images = _with_prompts(images, tables["prompts"], names, notes)
    images = _with_feedback(images, tables["feedback"], names, notes)
    uses = _uses(tables["uses"], images, models, names, notes)
    images = images.drop(columns=["model_id", "prompt_id"], errors="ignore")
    given = frozenset(name for name, table in tables.items() if table is not None)
    return Relations(root, images, models, uses, tuple(notes), given)


def _models(
    tables: Mapping[str, pd.DataFrame | None], root: Path, names: ColumnMap, notes: list[str]
) -> pd.DataFrame:
    table, tags = tables["models"], tables["tags"]
    if table is None:
        if tags is not None:
            raise DataError(
                f"{root}: tags of models, but no {names.stem('models')}.csv or .parquet",
                fix=INSTRUCTIONS,
            )
        return pd.DataFrame({"tags": pd.Series(dtype="str")}, index=pd.Index([], dtype="str"))
    models = indexed_by(table, "model_id", root, names.stem("models"))
    if tags is not None:
        if "tags" in models:
            raise DataError(f"{root}: both a column and a table of tags", fix="Keep one of them.")
        tags = _known(tags, "model_id", models.index, names, ("tags", "models"), notes)
        pairs = tags[["model_id", "tag"]].drop_duplicates().sort_values(["model_id", "tag"])
        models["tags"] = pairs.groupby("model_id")["tag"].agg(LIST_MARK.join)
    elif "tags" not in models:
        models["tags"] = ""
    return models.assign(tags=models["tags"].fillna("").astype("str"))


def _with_prompts(
    images: pd.DataFrame, prompts: pd.DataFrame | None, names: ColumnMap, notes: list[str]
) -> pd.DataFrame:
    if prompts is None:
        return images if "prompt" in images else images.assign(prompt="")
    if "prompt_id" not in images or "prompt" in images:
        raise DataError(
            f"{names.root}: a table of prompts, but the images have "
            f"{'a prompt of their own' if 'prompt' in images else 'no prompt_id'}",
            fix="Refer to it by prompt_id and leave prompt out of the images, or remove it.",
        )
    rows = indexed_by(prompts, "prompt_id", names.root, names.stem("prompts"))
    place = rows.index.get_indexer(pd.Index(images["prompt_id"]))
    _count_lost(place < 0, images["prompt_id"], rows.index, (names, "images", "prompts"), notes)
    found = rows.take(place[place >= 0])
    kept = images[place >= 0]
    added = {n: found[n].to_numpy() for n in ("prompt", *ASPECTS) if n in rows}
    return kept.assign(**added)


def _with_feedback(
    images: pd.DataFrame, feedback: pd.DataFrame | None, names: ColumnMap, notes: list[str]
) -> pd.DataFrame:
    if feedback is None:
        return images
    if any(name in images for name in EMOJI):
        raise DataError(
            f"{names.root}: feedback in the images and in a table of its own", fix="Keep one."
        )
    rows = indexed_by(feedback, "image_id", names.root, names.stem("feedback"))
    unknown = ~among(rows.index, images.index)
    _count_lost(unknown, rows.index.to_series(), images.index, (names, "feedback", "images"), notes)
    silent = int((~among(images.index, rows.index)).sum())
    if silent:
        notes.append(f"{silent:,} images have no row of feedback, which was read as none given")
    counts = rows.reindex(images.index, fill_value=0)
    return images.assign(**{name: counts[name] for name in EMOJI if name in rows})


def _uses(
    uses: pd.DataFrame | None, images: pd.DataFrame, models: pd.DataFrame, names: ColumnMap,
    notes: list[str],
) -> pd.DataFrame:  # fmt: skip
    if uses is None and "model_id" in images:
        uses = images["model_id"].rename_axis("image_id").reset_index()
        uses = uses.assign(_row=0, _file=names.stem("images"))
    elif uses is not None and "model_id" in images:
        raise DataError(
            f"{names.root}: models in the images and in a table of uses", fix="Keep one of them."
        )
    if uses is None:
        return pd.DataFrame({"image_id": [], "model_id": []}, dtype="str")
    uses = _known(uses, "image_id", images.index, names, ("uses", "images"), notes)
    if len(models):
        uses = _known(uses, "model_id", models.index, names, ("uses", "models"), notes)
    pairs = uses[["image_id", "model_id"]]
    once = pairs.drop_duplicates()
    if len(once) < len(pairs):
        notes.append(f"{len(pairs) - len(once):,} rows of uses stand there already")
    return once.sort_values(["image_id", "model_id"], ignore_index=True)


def _known(
    rows: pd.DataFrame, column: str, known: pd.Index, names: ColumnMap, of: tuple[str, str],
    notes: list[str],
) -> pd.DataFrame:  # fmt: skip
    unknown = ~among(rows[column], known)
    _count_lost(unknown, rows[column], known, (names, *of), notes)
    return rows[~unknown]


def _count_lost(
    lost: Bool[np.ndarray, " n"], asked: pd.Series, known: pd.Index,
    where: tuple[ColumnMap, str, str], notes: list[str],
) -> None:  # fmt: skip
    """Note rows whose reference leads nowhere; `DataError` where every one does."""
    if not lost.any():
        return
    names, relation, target = where
    first = str(asked.iloc[int(np.argmax(lost))])
    if lost.all():
        cause = causes.unknown_item(first, asked.unique()[:10_000], known[:100_000])
        raise DataError(
            f"{names.root}: none of the {len(lost):,} rows of {names.stem(relation)} refers to a "
            f"row of {names.stem(target)}; {asked.name or 'the first'} is {first[:80]!r}, and "
            f"{names.stem(target)} has {str(next(iter(known), 'none'))[:80]!r}",
            fix=cause or "Take tables of one release.",
        )
    notes.append(
        f"dropped {int(lost.sum()):,} of {len(lost):,} rows of {relation} that refer to no row of "
        f"{target}, such as {first[:80]!r}"
    )
