"""What ImageGem's tables hold: the numbers of paper 004, Tables 1 and 3, Figures 5 to 9."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core.statistics import Cell, CountTable, Distribution, Statistics
from persongen_bench.datasets import imagegem_parts as parts
from persongen_bench.datasets import log_statistics as logs
from persongen_bench.datasets import prompt_words
from persongen_bench.datasets.imagegem_filters import filtered, in_house, safe
from persongen_bench.datasets.imagegem_parts import ImagegemConfig
from persongen_bench.datasets.imagegem_relation import among
from persongen_bench.datasets.imagegem_schema import ASPECTS, EMOJI
from persongen_bench.datasets.imagegem_tables import Relations, read_relations
from persongen_bench.datasets.large_tables import LIST_MARK
from persongen_bench.datasets.leave_one_last import leave_one_last
from persongen_bench.datasets.novel_prompt import by_words, near_duplicates, share_closer_than

TABLE_1 = (
    "stage", "images", "unique prompts", "LoRAs", "unique tags", "users", "model uploaders",
    "images per uploader", "models per uploader", "images per model", "in-house",
)  # fmt: skip
AVERAGES = (
    "Averages per uploader leave out the highest count, as in the paper; in brackets: with it.",
    "An uploader of images is whoever made one, of models whoever uploaded one (our reading).",
    "Images per model count an image once for each of its LoRAs.",
    "Raw: as read. Safe: without unsafe prompts, and LoRAs that only such images used.",
    "Kept: after all filters.",
)
CLOSE = 0.8
"""Of all words of two prompts, the share that both have and from which they are versions."""
_WORDS = (0, 1, 11, 21, 51, 101, 201, 501, 1001)
_POWERS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ImagegemStatistics:
    """The part of both loaders that counts."""

    @classmethod
    def statistics(cls, config: ImagegemConfig, root: Path | None) -> Statistics:
        """Of the tables in ``root``, before and after the filters of ``config``."""
        raw = read_relations(parts.existing(root, "imagegem"))
        kept = filtered(raw, config)
        stages = {"raw": raw, "safe": _of_safe(safe(raw, config.toxicity_threshold)), "kept": kept}
        first = CountTable(
            "Tables", TABLE_1, tuple(table_1(n, t) for n, t in stages.items()), AVERAGES
        )
        return Statistics((first, _words(raw), *_logs(kept, config)), distributions(raw))


def table_1(stage: str, tables: Relations) -> tuple[Cell, ...]:
    """A row of paper 004, Table 1, and how many images are in-house."""
    images, models = tables.images, tables.models
    owners = models["owner"] if "owner" in models else pd.Series(dtype="str")
    users = len(set(images["user_id"].unique()) | set(owners.unique()))
    tags = models["tags"][models["tags"] != ""].str.split(LIST_MARK).explode().str.strip()
    shown = in_house(tables)
    return (
        stage, len(images), images["prompt"][images["prompt"] != ""].nunique(), len(models),
        tags.nunique(), users, owners.nunique(),
        _average(images["user_id"]), _average(owners),
        round(len(tables.uses) / len(models), 1) if len(models) else "-",
        "unknown" if shown is None else int(shown.sum()),
    )  # fmt: skip


def _average(owners: pd.Series) -> str:
    """Rows per owner without the one who has most; in brackets with that one."""
    counts = owners.value_counts().to_numpy()
    if not len(counts):
        return "-"
    rest = (counts.sum() - counts.max()) / (len(counts) - 1) if len(counts) > 1 else np.nan
    return f"{rest:.1f} ({counts.mean():.1f})"


def _of_safe(tables: Relations) -> Relations:
    """Only LoRAs that an image is left of."""
    if tables.uses.empty:
        return tables
    models = tables.models[among(tables.models.index, tables.uses["model_id"])]
    return Relations(tables.root, tables.images, models, tables.uses, tables.notes, tables.given)


def _words(tables: Relations) -> CountTable:
    """Words of the prompts that are there (paper 004, 3.3: 48.5 on average)."""
    prompts = tables.images["prompt"]
    counts = prompt_words.n_words(prompts[prompts != ""])
    if not len(counts):
        return CountTable("Words of a prompt", ("images with a prompt",), ((0,),))
    row = (len(counts), round(float(counts.mean()), 1), round(float(np.median(counts)), 1),
           int(counts.max()), int((counts > 200).sum()))  # fmt: skip
    names = ("images with a prompt", "mean", "median", "longest", "above 200")
    return CountTable("Words of a prompt", names, (row,))


def _logs(kept: Relations, config: ImagegemConfig) -> tuple[CountTable, ...]:
    """Paper 004, Table 3, of what the two data sets hold, and the twins of held-out images."""
    rows, least = [], config.least_interactions
    images, _ = parts.active(parts.image_rows(kept.images), least)
    log = parts.log_of(images)
    rows.append(logs.log_row("imagegem", log))
    if len(kept.uses):
        models, _ = parts.active(parts.last_uses(kept), least)
        rows.append(logs.log_row("imagegem-models", models))
    left_out = tuple(note for note in kept.notes if note)
    interactions = CountTable("Interactions", logs.COLUMNS, tuple(rows), left_out)
    return interactions, _twins(log, kept.images["prompt"], config)


def _twins(log: pd.DataFrame, prompts: pd.Series, config: ImagegemConfig) -> CountTable:
    split = leave_one_last(max(3, config.least_interactions))(log, 0)
    forms = prompt_words.normal_forms(prompts.reindex(log["item_id"].unique()))
    near = near_duplicates(split, forms, 60 * config.session_minutes)
    close = share_closer_than(split, by_words(forms), CLOSE)
    shares = (near.same_prompt, near.same_session, near.either, close)
    return CountTable(
        "Twins of the held-out images (leave-one-last)",
        ("held out", "prompt trained on", "session trained on", "either", "words trained on"),
        ((near.n, *(f"{share:.1%}" for share in shares)),),
        (
            "Whoever finds twins finds these; the split novel-prompt holds the twins out too.",
            f"Words trained on: a training prompt of the user shares {CLOSE:.0%} of its words.",
        ),
    )  # fmt: skip


def distributions(tables: Relations) -> tuple[Distribution, ...]:
    """Prompt words, feedback, people's activity, unsafe prompts, ranks and base models."""
    images, models = tables.images, tables.models
    shown = [
        logs.binned("Words of a prompt", [("images", prompt_words.n_words(images["prompt"]))],
                    _WORDS),
        logs.top_users("Images of the most active users", _counts(images["user_id"])),
    ]  # fmt: skip
    emoji = [(name, images[name].to_numpy()) for name in EMOJI if name in images]
    if emoji:
        shown.append(logs.binned("Feedback on an image", emoji, _POWERS))
    if "owner" in models and len(models):
        shown.append(logs.top_users("LoRAs of the most active owners", _counts(models["owner"])))
    if "rank" in models and len(models):
        shown.append(logs.by_value("Rank of a LoRA", models["rank"].to_numpy(), "unknown"))
    named = models if "base_model" in models and len(models) else images
    if "base_model" in named:
        shown.append(logs.shares("Base model", named["base_model"]))
    tenths = [(n, np.floor(10 * images[n].to_numpy())) for n in ASPECTS if n in images]
    if tenths:
        told = [(name, values[~np.isnan(values)]) for name, values in tenths]
        shown.append(logs.binned("Tenths of probability that a prompt is unsafe", told,
                                 tuple(range(10))))  # fmt: skip
    return tuple(shown)


def _counts(names: pd.Series) -> np.ndarray:
    return names.value_counts().to_numpy()
