"""Which images and LoRAs of ImageGem count: safety, showcases, levels, topics, ranks.

Filters are applied in the order of `filtered`, and what each leaves out is counted in the notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.datasets import prompt_words
from persongen_bench.datasets.imagegem_relation import among
from persongen_bench.datasets.imagegem_schema import ASPECTS, MAP
from persongen_bench.datasets.imagegem_tables import Relations

InHouse = Literal["out", "only", "both"]


class FilterConfig(BaseConfig):
    """What of the tables counts."""

    toxicity_threshold: float | None = Field(default=0.2, ge=0, le=1)
    """Images whose prompt has a probability above this in one of the six aspects of Detoxify are
    left out (paper 004, 3.2); None: none are. The probabilities are columns of the tables."""
    in_house: InHouse = "out"
    """Images that owners of models made to show them: left ``out`` (paper 004, 3.3: the others are
    records of preference), the ``only`` ones, or ``both``. Where no column says which they are,
    those by the owner of a LoRA they were made with."""
    nsfw: str = ""
    """NSFW levels that count, separated by commas; empty: all."""
    base_model: str = ""
    """Base models that count, separated by commas; empty: all."""
    rank: int = Field(default=0, ge=0)
    """Only LoRAs of this rank, and images made with one (paper 004, 5.3.1: 16); 0: all."""
    topic: str = Field(default="", pattern="^(|cars|dogs|scenery)$")
    """Only images whose prompt has a key word of it and no human character (paper 004, Table 2)."""
    size: Literal["all", "small", "large"] = "all"
    """With a topic: as many images, drawn by ``seed``, as two for each pair of Table 2."""
    seed: int = Field(default=0, ge=0)
    """Seed of what is drawn."""


class ToxicityScorer(Protocol):
    """Says how unsafe prompts are, where the tables do not."""

    def probabilities(self, prompts: Sequence[str]) -> Float[np.ndarray, "n 6"]:
        """Per prompt the six `ASPECTS`, each from 0 to 1."""
        ...


def filtered(
    tables: Relations, config: FilterConfig, scorer: ToxicityScorer | None = None
) -> Relations:
    """The relations without what does not count; `DataError` where nothing is left.

    Args:
        tables: as read.
        config: what counts.
        scorer: asked for the toxicity of prompts that no column tells; no stack has one yet.
    """
    kept = safe(tables, config.toxicity_threshold, scorer)
    kept = _by_house(kept, config.in_house)
    kept = _by_label(kept, "nsfw", config.nsfw)
    kept = _by_label(kept, "base_model", config.base_model)
    kept = of_rank(kept, config.rank)
    kept = _by_topic(kept, config)
    if kept.images.empty:
        said = "; ".join(kept.notes) or "nothing was left out"
        raise DataError(
            f"{tables.root}: no image is left of {len(tables.images):,} ({said})",
            fix="Loosen the filters (--data-option).",
        )
    return kept


def safe(
    tables: Relations, threshold: float | None, scorer: ToxicityScorer | None = None
) -> Relations:
    """Without images whose prompt is empty, or above ``threshold`` in an aspect, or unscored."""
    prompts = tables.images["prompt"]
    tables = tables.with_images(
        (prompts != "").to_numpy(dtype=bool), f"{int((prompts == '').sum()):,} images had no prompt"
    )
    if threshold is None:
        return tables.noted("prompts were not filtered for safety (toxicity_threshold=None)")
    worst = _worst(tables, scorer)
    unknown = np.isnan(worst)
    with np.errstate(invalid="ignore"):
        keep = worst.astype(np.float32) <= np.float32(threshold)  # as tables may hold them
    said = f"{int((~keep & ~unknown).sum()):,} images had a prompt above {threshold:g}"
    return tables.with_images(keep, f"{said} and {int(unknown.sum()):,} an unscored one")


def _worst(tables: Relations, scorer: ToxicityScorer | None) -> Float[np.ndarray, " n"]:
    """Per image its prompt's highest probability of all aspects that are known; NaN: of none."""
    names = [name for name in ASPECTS if name in tables.images]
    if names:
        with np.errstate(invalid="ignore"):
            return np.asarray(np.fmax.reduce(tables.images[names].to_numpy(np.float64), axis=1))
    if scorer is not None:
        codes, distinct = pd.factorize(tables.images["prompt"])
        return np.asarray(scorer.probabilities([str(p) for p in distinct]).max(axis=1)[codes])
    raise DataError(
        f"{tables.root}: nothing says how safe the prompts are: there is no column "
        f"{', '.join(ASPECTS)}",
        fix=f"Add one (or name it in {MAP}), or keep all with "
        "--data-option toxicity_threshold=null.",
    )


def in_house(tables: Relations) -> Bool[np.ndarray, " n"] | None:
    """Per image whether it was made to show a model; None: nothing tells."""
    if "in_house" in tables.images:
        return tables.images["in_house"].to_numpy(dtype=bool)
    if "owner" not in tables.models or tables.uses.empty:
        return None
    owner = tables.models["owner"].reindex(tables.uses["model_id"]).to_numpy()
    maker = tables.images["user_id"].reindex(tables.uses["image_id"]).to_numpy()
    shown = tables.uses["image_id"][owner == maker]
    return among(tables.images.index, shown)


def _by_house(tables: Relations, which: InHouse) -> Relations:
    shown = in_house(tables)
    if which == "both":
        return tables
    if shown is None:
        if which == "only":
            raise DataError(f"{tables.root}: nothing tells which images are in-house",
                            fix="Add the column in_house to the images.")  # fmt: skip
        return tables.noted("nothing tells which images are in-house; all were kept")
    keep = ~shown if which == "out" else shown
    kind = "in-house" if which == "out" else "not in-house"
    return tables.with_images(keep, f"{int((~keep).sum()):,} images were {kind}")


def _by_label(tables: Relations, column: str, allowed: str) -> Relations:
    """Only images with one of the labels, which they have or one of their models has."""
    wanted = [name.strip() for name in allowed.split(",") if name.strip()]
    if not wanted:
        return tables
    of_images = column in tables.images
    table = tables.images if of_images else tables.models
    if column not in table:
        raise DataError(f"{tables.root}: no column {column}", fix=f"Add it, or leave {column} out.")
    known = sorted(map(str, table[column].astype("str").unique()))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ConfigError(
            f"{column}={unknown[0]!r} is nowhere in {tables.root}",
            fix=f"Use {', '.join(known[:20])}.",
        )
    fits = table.index[table[column].astype("str").isin(wanted)]
    if not of_images:
        fits = pd.Index(tables.uses["image_id"][among(tables.uses["model_id"], fits)])
    keep = among(tables.images.index, fits)
    return tables.with_images(keep, f"{int((~keep).sum()):,} images had another {column}")


def of_rank(tables: Relations, rank: int) -> Relations:
    """Only LoRAs of a rank (0: all) and images made with one; LoRAs of unknown rank are out."""
    if not rank:
        return tables
    if "rank" not in tables.models:
        raise DataError(f"{tables.root}: no column rank of the models", fix="Add it.")
    fits = tables.models.index[tables.models["rank"] == rank]
    uses = tables.uses[among(tables.uses["model_id"], fits)]
    keep = among(tables.images.index, uses["image_id"])
    kept = tables.with_images(keep, f"{int((~keep).sum()):,} images used no LoRA of rank {rank}")
    n_out = len(tables.models) - len(fits)
    note = f"{n_out:,} of {len(tables.models):,} LoRAs were of another or unknown rank"
    uses = kept.uses[among(kept.uses["model_id"], fits)].reset_index(drop=True)
    return Relations(
        kept.root, kept.images, kept.models.loc[fits], uses, (*kept.notes, note), kept.given
    )


def _by_topic(tables: Relations, config: FilterConfig) -> Relations:
    if not config.topic:
        if config.size != "all":
            raise ConfigError(f"size={config.size} without a topic", fix="Name a topic.")
        return tables
    keep = prompt_words.of_topic(tables.images["prompt"], config.topic)
    note = f"{int((~keep).sum()):,} images were not of {config.topic}, or showed human characters"
    kept = tables.with_images(keep, note)
    if config.size == "all":
        return kept
    n_pairs = prompt_words.PAIRS.get((config.topic, config.size))
    if n_pairs is None:
        raise ConfigError(f"there is no {config.size} set of {config.topic}", fix="Use size=small.")
    some = prompt_words.drawn(kept.images.index, 2 * n_pairs, config.seed)
    return kept.with_images(some, f"{int((~some).sum()):,} images were not drawn ({config.size})")
