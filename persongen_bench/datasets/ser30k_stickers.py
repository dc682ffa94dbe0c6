"""The stickers of SER30K that have a picture and a theme of some size, as a table of items."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular
from persongen_bench.datasets.image_files import checksums
from persongen_bench.datasets.ser30k_annotations import (
    MOST_BYTES,
    Annotations,
    Sticker,
    natural_order,
)

IMAGES = "Images"
CAPTIONS = "ser30k_captions.json"


def kept(root: Path, annotations: Annotations, least: int) -> tuple[list[Sticker], list[str]]:
    """Stickers with a picture, of themes with at least ``least`` of them; and what was left out."""
    notes = []
    if annotations.n_repeated:
        notes.append(f"dropped {annotations.n_repeated:,} repeated entries")
    every = annotations.stickers
    there = _listed(root, {sticker.theme for sticker in every})
    present = [sticker for sticker in every if sticker.item_id in there]
    if not present:
        raise DataError(
            f"{root / IMAGES}: holds none of the {len(every):,} stickers",
            fix="Lay them out as published: Images/<topic>/<file>.",
        )
    if len(present) < len(every):
        notes.append(
            f"dropped {len(every) - len(present):,} of {len(every):,} stickers, whose pictures are "
            f"not in {IMAGES}"
        )
    spare = len(there - {sticker.item_id for sticker in every})
    if spare:
        notes.append(f"passed over {spare:,} pictures that are not annotated")
    size = pd.Series([sticker.theme for sticker in present]).value_counts()
    small = size[size < least]
    kept = [sticker for sticker in present if size[sticker.theme] >= least]
    if not kept:
        raise DataError(
            f"{root}: no theme has {least} stickers, the largest of {len(size):,} has {max(size)}",
            fix="Take the published files, or name a lower number (--data-option least_likes=2).",
        )
    if len(small):
        notes.append(
            f"dropped {len(small):,} themes of fewer than {least} stickers with {small.sum():,} "
            "stickers"
        )
    return kept, notes


def _listed(root: Path, themes: set[str]) -> set[str]:
    """``theme/file`` of the files there are; a link to outside of the folder raises `DataError`."""
    real_root = os.path.realpath(root) + os.sep
    files = set()
    for theme in sorted(themes):
        folder = root / IMAGES / theme
        if not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir()):
            if not os.path.realpath(entry).startswith(real_root):
                raise DataError(
                    f"{entry}: is a link to outside {root}",
                    fix="Put the picture itself there.",
                )
            if entry.is_file():
                files.add(f"{theme}/{entry.name}")
    return files


def items(root: Path, stickers: Sequence[Sticker], emotions: Sequence[str]) -> pd.DataFrame:
    """By id: ``image, theme, emotion, text, subject``, ``caption`` where known, and ``sha256``."""
    ordered = sorted(stickers, key=lambda sticker: sticker.item_id)
    table = pd.DataFrame(
        {
            "image": [f"{IMAGES}/{s.item_id}" for s in ordered],
            "theme": [s.theme for s in ordered],
            "emotion": [emotions[s.label - 1] for s in ordered],
            "text": [s.text for s in ordered],
            "subject": [_subject(s, emotions) for s in ordered],
        },
        index=pd.Index([s.item_id for s in ordered], name="item_id", dtype="str"),
        dtype="str",
    )
    captions = _captions(root / CAPTIONS)
    if captions is not None:
        table["caption"] = [captions.get(item, "") for item in table.index]
    table["sha256"] = checksums(root, table["image"])
    return table


def _subject(sticker: Sticker, emotions: Sequence[str]) -> str:
    """What it is of, but for its theme and how it is drawn."""
    emotion = emotions[sticker.label - 1]
    words = f"a sticker with the emotion of {emotion}"
    if emotion == "neutral":
        words = "a sticker with a neutral emotion"
    return f'{words} and the text "{sticker.text}"' if sticker.text else words


def _captions(path: Path) -> Mapping[str, str] | None:
    if not path.is_file():
        return None
    try:
        said = json.loads(read_regular(path, "JSON", MOST_BYTES).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})", fix="Correct or remove it.") from None
    if not isinstance(said, dict) or not all(isinstance(text, str) for text in said.values()):
        raise DataError(
            f"{path}: expected an object of 'topic/file': 'caption'", fix="Correct or remove it."
        )
    return said


def themes(stickers: Sequence[Sticker]) -> dict[str, list[str]]:
    """Item ids of every theme, by the natural order of their files."""
    themes: dict[str, list[str]] = {}
    for sticker in sorted(stickers, key=lambda s: (s.theme, natural_order(s.file), s.file)):
        themes.setdefault(sticker.theme, []).append(sticker.item_id)
    return themes
