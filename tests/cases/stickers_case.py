"""SER30K in its published layout: a few stickers that are drawn, or a folder of pictures."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from persongen_bench.core.types import content_hash

N_THEMES, N_EACH = 4, 10


def entries(n_themes=N_THEMES, n_each=N_EACH):
    """As published: themes ``00-cat``, ...; labels in turn; every third sticker has a text."""
    return [
        {
            "topic": f"{theme:02d}-cat", "file_name": f"sticker_{k}.png",
            "anno1": 1, "anno2": 1, "anno3": 2,
            "anno": (theme + k) % 7 + 1, "text": "OK then" if k % 3 == 0 else "",
        }
        for theme in range(n_themes) for k in range(1, n_each + 1)
    ]  # fmt: skip


def write_stickers(root, stickers=None):
    """Annotations in three parts, and a small picture of each; returns ``root``."""
    stickers = entries() if stickers is None else stickers
    write_parts(root / "Annotations/image-level", stickers)
    for number, sticker in enumerate(stickers):
        path = root / "Images" / sticker["topic"] / sticker["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        pixels[:4] = 40 * int(sticker["topic"][:2])
        Image.fromarray(pixels).save(path)
    return root


def write_parts(folder: Path, stickers):
    """``train.json``, ``val.json`` and ``test.json``: eight, one and one of every ten."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": range(8), "val": [8], "test": [9]}
    for name, places in parts.items():
        part = [sticker for k, sticker in enumerate(stickers) if k % 10 in places]
        (folder / f"{name}.json").write_text(json.dumps({"annotations": part}, ensure_ascii=False))


EMOTION_WORDS = {
    1: ("angry", "rage", "mad"), 2: ("nauseated", "sick", "vomit"), 3: ("fear", "scared", "scream"),
    4: ("happy", "smile", "grin", "love", "joy"), 6: ("sad", "cry", "tear"),
    7: ("surprised", "astonished", "wow"),
}  # fmt: skip
"""Labels by keywords; what has none of them is neutral, 5."""


def catalogue_as_stickers(folder: Path, root: Path, n_themes: int, least: int = 6) -> Path:
    """A catalogue with ``items.csv`` (``image, theme, style, keywords``) in the layout of SER30K.

    A theme is a theme of the catalogue in one style, as a pack of stickers is; the first
    ``n_themes`` of at least ``least`` pictures by a hash of their name. Pictures are copied.
    """
    items = pd.read_csv(folder / "items.csv", dtype=str, keep_default_na=False)
    packs = items.groupby(items["style"] + " " + items["theme"])
    able = sorted((name for name, pack in packs if len(pack) >= least), key=content_hash)
    stickers, captions = [], {}
    for name in sorted(able[:n_themes]):
        (root / "Images" / name).mkdir(parents=True)
        for k, row in enumerate(packs.get_group(name).itertuples(index=False), start=1):
            shutil.copy(folder / row.image, root / "Images" / name / f"sticker_{k}.png")
            words = {*row.caption.split(), *row.keywords.split("|")}
            label = next((n for n, some in EMOTION_WORDS.items() if words & set(some)), 5)
            entry = {"topic": name, "file_name": f"sticker_{k}.png", "anno": label, "text": ""}
            stickers.append(entry)
            captions[f"{name}/sticker_{k}.png"] = row.caption
    write_parts(root / "Annotations", stickers)
    (root / "ser30k_captions.json").write_text(json.dumps(captions))
    return root
