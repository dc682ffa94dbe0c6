"""Malformed files of the published data sets, each in a folder that is good without them."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_case import Case
from fuzz_inputs import STRANGERS, damages, special, write
from fuzz_tables import PICTURE
from imagegem_case import write_gem, write_pairs
from stickers_case import write_stickers

from persongen_bench.datasets.dsprites_file import FILE_NAME, PublishedFile
from persongen_bench.datasets.flickr_aes import FlickrAes, FlickrAesConfig
from persongen_bench.datasets.flickr_aes_files import RATINGS, SCORES, TEST_WORKERS
from persongen_bench.datasets.imagegem import Imagegem, ImagegemConfig
from persongen_bench.datasets.ml_latest_small import MlLatestSmall, MlLatestSmallConfig
from persongen_bench.datasets.pick_a_pic import PickAPic, PickAPicConfig
from persongen_bench.datasets.pog import Pog, PogConfig
from persongen_bench.datasets.prompt_sets import read_prompts
from persongen_bench.datasets.ser30k import Ser30k, Ser30kConfig
from persongen_bench.stacks.sandbox.loras.files import SHEET, SHIPPED, TABLE, open_zoo

HUGE = "9" * 5_000


def _write_movies(root: Path) -> None:
    rows = [f"{user},{movie},{1 + (user + movie) % 5},{964_980_000 + 60 * movie}"
            for user in range(1, 7) for movie in range(1, 25)]  # fmt: skip
    movies = [
        f'{k},"Movie {k} ({1950 + k})",{"Drama" if k % 2 else "Comedy"}' for k in range(1, 25)
    ]
    (root / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows]) + "\n")
    (root / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies]) + "\n")
    (root / "links.csv").write_text("movieId,imdbId,tmdbId\n" + "".join(
        f"{k},{k:07d},{k}\n" for k in range(1, 25)))  # fmt: skip
    (root / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,1,fun,1445714994\n")
    for k in range(1, 25):
        write(f"posters/{k}.png", PICTURE)(root)


def _write_flickr(root: Path) -> None:
    rows = [f"W{user}, p{k}.jpg, {1 + (user + k) % 5}" for user in range(4) for k in range(24)]
    (root / RATINGS).write_text("\n".join(["worker, imagePair, score", *rows]) + "\n")
    (root / SCORES).write_text("".join(f"p{k}.jpg 0.5\n" for k in range(24)))
    (root / TEST_WORKERS).write_text("ID\nW0\n")
    for k in range(24):
        write(f"40K/p{k}.jpg", PICTURE)(root)


def _write_pog(root: Path) -> None:
    clicks = [";".join(f"i{(k + user) % 30}" for k in range(20)) for user in range(4)]
    lines = {
        "user": [f"u{user},{items},o{user}" for user, items in enumerate(clicks)],
        "outfit": [f"o{k},i{k};i{k + 1};i{k + 2}" for k in range(4)],
        "item": [f"i{k},c{k % 5},//img.example.com/{k}.jpg,Coat, long" for k in range(30)],
    }
    for name, rows in lines.items():
        (root / f"{name}_data.txt").write_text("\n".join(rows) + "\n")
    for k in range(30):
        write(f"images/i{k}.png", PICTURE)(root)


def _write_sprites(root: Path) -> None:
    (root / FILE_NAME).write_bytes(_npz(**_sprites()))


def _sprites(**changes: np.ndarray) -> dict[str, np.ndarray]:
    classes = np.zeros((4, 6), np.int64)
    classes[:, 5] = range(4)
    good = {"imgs": np.zeros((4, 64, 64), np.uint8), "latents_classes": classes,
            "latents_values": np.zeros((4, 6))}  # fmt: skip
    return good | changes


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _zipped(method: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x02\0" + len(text).to_bytes(4, "little") + text + data


def _read_sprites(root: Path) -> None:
    file = PublishedFile.open(root)
    assert len(file.masks(np.zeros((1, 6), np.int64))) == 1


def _write_zoo(root: Path) -> None:
    shutil.copytree(SHIPPED, root, dirs_exist_ok=True)


def _read_zoo(root: Path) -> None:
    zoo = open_zoo(root)
    zoo.open(zoo.ids[:2])
    assert zoo.examples is not None
    zoo.examples.images(zoo.examples.ids[:2])


SETS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any], Sequence[str]]] = {
    "ml": (_write_movies,
           lambda root: MlLatestSmall.load(MlLatestSmallConfig(), root).interactions,
           ("ratings.csv", "movies.csv", "links.csv", "tags.csv")),
    "flickr": (_write_flickr, lambda root: FlickrAes.load(FlickrAesConfig(), root).revision,
               (RATINGS, SCORES, TEST_WORKERS)),
    "pog": (_write_pog, lambda root: Pog.load(PogConfig(), root).revision,
            ("user_data.txt", "item_data.txt", "outfit_data.txt")),
    "ser30k": (write_stickers, lambda root: Ser30k.load(Ser30kConfig(), root).revision,
               ("Annotations/image-level/train.json", "ser30k_captions.json")),
    "gem": (partial(write_gem, pictures=False),
            lambda root: Imagegem.load(ImagegemConfig(pictures="none"), root).revision,
            ("images.csv", "models.csv", "columns.toml")),
    "pairs": (write_pairs, lambda root: PickAPic.load(PickAPicConfig(), root).revision, ()),
    "sprites": (_write_sprites, _read_sprites, (FILE_NAME,)),
    "zoo": (_write_zoo, _read_zoo, (TABLE, SHEET)),
    "prompts": (lambda root: None,
    lambda root: [read_prompts(path) for path in sorted(root.iterdir())
                                                 if path.suffix != ".2"],
                ("prompts.csv", "prompts.tsv", "prompts.txt", "prompts.parquet")),
}  # fmt: skip
"""Name => who writes a good folder, who reads it, and which of its files are spoilt."""
OPTIONAL = ("tags.csv", "links.csv", SCORES, TEST_WORKERS, "ser30k_captions.json", "models.csv",
            "columns.toml", "outfit_data.txt", "prompts.txt")  # fmt: skip
"""Files that need not be there, or in which any line of text is right."""
CRAFTED: dict[tuple[str, str], dict[str, str | bytes]] = {
    ("ser30k", "Annotations/image-level/train.json"): {
        what: f'{{"annotations": {text}}}' for what, text in {
            "huge": f'[{{"topic": "a", "file_name": "b.png", "anno": {HUGE}}}]', "no list": "7",
            "null": "[null]", "paths": '[{"topic": "..", "file_name": "/etc/passwd", "anno": 1}]',
            "NaN": '[{"topic": "a", "file_name": "b", "anno": NaN}]',
            "half": '[{"topic": "\\ud800", "file_name": "b", "anno": 1, "text": ""}]',
            "colour": '[{"topic": "\\u001b[31m", "file_name": "\\u202e", "anno": 9}]',
            "deep": "[" * 100_000,
            "a list for a name": '[{"topic": [], "file_name": {}, "anno": 1}]',
        }.items()},
    ("ser30k", "ser30k_captions.json"): {"huge": f'{{"a": {HUGE}}}', "numbers": '{"a": 1}'},
    ("gem", "columns.toml"): {
        "deep": "a = " + "[" * 50_000, "huge": f"a = {HUGE}", "infinite": "[images]\nprompt = inf",
        "twice": "[images]\n[images]\n", "dotted": "a." * 5_000 + "b = 1",
        "a date": "images = 1979-05-27",
    },
    ("zoo", TABLE): {
        "a number": "7", "an object": "{}", "null": "[null]", "no columns": '[{"model_id": "a"}]',
        "huge": f'[{{"model_id": {HUGE}}}]', "deep": "[" * 100_000,
        "half": '[{"model_id": "\\ud800"}]',
        "odd": '[{"model_id": "a", "pictures": 7, "tags": {}, "rank": "x"}]',
        "twice": '[{"model_id": "a", "pictures": [], "tags": "", "rank": 1}]' * 2,
    },
    ("flickr", SCORES): {"huge": f"p0.jpg {HUGE}\n", "NaN": "p0.jpg nan\n", "colour": "\x1b[31m\n"},
    ("pog", "user_data.txt"): {
        "a long line": "u," + "i;" * 2_000_000, "paths": "u,../../etc/passwd;i1,o\n",
        "colour": "\x1b[31m,i1,o\n", "no cells": ",,\n", "a header": "user_id,item_ids,outfit_id\n",
    },
    ("sprites", FILE_NAME): {
        "nothing in it": _zipped(), "other names": _npz(a=np.ones(2)),
        "another shape": _npz(**_sprites(imgs=np.zeros((4, 8, 8), np.uint8))),
        "floats": _npz(**_sprites(imgs=np.zeros((4, 64, 64)))),
        "other order": _npz(**_sprites(latents_classes=np.zeros((4, 6), np.int64))),
        "far away": _npz(**_sprites(latents_classes=np.full((4, 6), 99))),
        "NaN": _npz(**_sprites(latents_classes=np.full((4, 6), np.nan))),
        "greys": _npz(**_sprites(imgs=np.full((4, 64, 64), 7, np.uint8))),
        "a pickle": _npz(**_sprites(latents_values=np.array([{}] * 4, dtype=object))),
        "stored as nothing known": _zipped(imgs=b"", latents_classes=b"",
        latents_values=b"").replace(
            b"\x08\0\0\0", b"\x63\0\0\0"),
        **{f"a header of {what}": _zipped(**{name: _npy(text) for name in (
            "imgs", "latents_classes", "latents_values")}) for what, text in {
                "nothing": "", "code": "__import__('os').system('true')", "brackets": "(" * 5_000,
                "terabytes": "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 6)}",
                "pixels": "{'descr': '|u1', 'fortran_order': False, 'shape': (10**9, 64, 64)}",
                "a type": "{'descr': 'x', 'fortran_order': False, 'shape': (4, 64, 64)}",
        }.items()},
    },
    ("prompts", "prompts.tsv"): {"other names": "a\tb\n", "cells": "Prompt\tCategory\nx\n"},
    ("prompts", "prompts.csv"): {"other names": "a,b\n", "no share": "prompt,prompt_nsfw\nx,7\n",
                                 "humans": "prompt\n" + "x" * 200_000},
}  # fmt: skip


def cases(templates: Path) -> list[Case]:
    """Every file of every data set; the good folders lie in ``templates``."""
    made = []
    for name, (_, _, files) in SETS.items():
        for file in files:
            crafted = CRAFTED.get((name, file), {})
            for what, data in (STRANGERS | crafted).items():
                text = file.endswith((".txt", ".tsv")) or file in OPTIONAL
                made.append(Case(f"{name} {file}: {what}", _spoilt(templates, name, write(file,
                data)),
                                 may_pass=text and what not in crafted))  # fmt: skip
            for what, make in special(file).items():
                made.append(Case(f"{name} {file}: {what}", _spoilt(templates, name, make),
                                 may_pass=file in OPTIONAL))  # fmt: skip
    return made + _shards(templates)


def _shards(templates: Path) -> list[Case]:
    """Shards of pairs, cut and flipped."""
    shard = next(iter(sorted((templates / "pairs").rglob("*.parquet"))))
    place = str(shard.relative_to(templates / "pairs"))
    return [Case(f"pairs {what}", _spoilt(templates, "pairs", write(place, data)),
                 may_pass=what not in STRANGERS)
            for what, data in (damages(shard.read_bytes(), 6, 10) | STRANGERS).items()] + [
        Case(f"pairs {what}", _spoilt(templates, "pairs", make))
        for what, make in special(place).items()]  # fmt: skip


def write_templates(folder: Path) -> None:
    """The good folders."""
    for name, (writer, _, _) in SETS.items():
        (folder / name).mkdir(parents=True)
        writer(folder / name)
    (folder / "ser30k/ser30k_captions.json").write_text(json.dumps({}))


def _spoilt(templates: Path, name: str, make: Callable[[Path], Any]) -> Any:
    def made(folder: Path) -> str:
        shutil.copytree(templates / name, folder, dirs_exist_ok=True)
        make(folder)
        return name

    return made


def read(folder: Path, name: Any) -> None:
    """Reads the data set as a run does."""
    SETS[name][1](folder)
