"""Every split of every data set that ships keeps its promise, pictures included."""

from pathlib import Path

import pandas as pd
import pytest

from persongen_bench import datasets
from persongen_bench.core import registry
from persongen_bench.datasets.audit import audit
from persongen_bench.datasets.dsprites import DSprites, DSpritesConfig
from persongen_bench.datasets.folder import Folder, FolderConfig
from persongen_bench.datasets.splits import CONTENTS, ITEMS, ROWS, TIME, USERS
from persongen_bench.datasets.supports import with_new_people
from persongen_bench.datasets.tasteworld import Tasteworld, TasteworldConfig
from persongen_bench.instruments.rehearsal.data import gradients
from persongen_bench.testing.datasets import DatasetContract
from persongen_bench.testing.toy import toy_world, write_folder


def folder(root, **options):
    """The toy world as files, neighbouring items of a hue as versions of one picture."""
    write_folder(toy_world(), root)
    items = pd.read_csv(root / "items.csv")
    place = items.groupby("theme").cumcount() // 2
    items.assign(content_id=items["theme"] + "-" + place.astype(str)).to_csv(
        root / "items.csv", index=False
    )
    if options:
        (root / "interactions.csv").unlink()
    return Folder.load(FolderConfig(**options), root)


LOADED = {
    "toy": lambda _: toy_world().dataset,
    "rehearsal": lambda _: gradients(4),
    "dsprites": lambda _: DSprites.load(DSpritesConfig(n_images=200), None),
    "folder": folder,
    "pseudo-users": lambda root: folder(
        root, pseudo_users=8, pseudo_columns="theme", ratings_per_user=20
    ),
}
SMALL = {
    "n_panel": 6, "n_cold": 4, "n_users": 12, "n_items": 400, "n_ratings": 1500,
    "panel_ratings": 40, "cold_ratings": 40,
}  # fmt: skip
"""A tasteworld of seconds."""
PROMISES = {
    "toy": {"by-time": ITEMS | TIME, "open": ITEMS | TIME},
    "rehearsal": {"last": ITEMS | TIME},
    "dsprites": {"item": ITEMS, "row": ROWS},
    "folder": {
        "item": ITEMS, "content": CONTENTS, "row": ROWS, "per-user": ROWS, "user-disjoint": USERS,
        "temporal": TIME,
    },
    "pseudo-users": {
        "item": ITEMS, "content": CONTENTS, "row": ROWS, "per-user": ROWS, "user-disjoint": USERS,
    },
}  # fmt: skip
"""From what the documentation of each split says that it holds out."""


@pytest.mark.parametrize("name", LOADED)
def test_every_split_keeps_its_promise(name, tmp_path):
    data = LOADED[name](tmp_path)
    assert {split: data.split(split).promise for split in data.splits} == PROMISES[name]
    for split in data.splits:
        assert audit(data, data.split(split, seed=1)).leaks == ()


@pytest.mark.parametrize("name", [*LOADED, "tasteworld"])
def test_validation_rows_reach_methods_in_the_split_per_user_alone(name, tmp_path):
    """The others' validation parts tell of held-out items, as those for newcomers do."""
    load = LOADED.get(name, lambda _: Tasteworld.load(TasteworldConfig(**SMALL), None))
    data = with_new_people(load(tmp_path))
    assert data.cuts
    shown = {split for split in data.splits if data.validation_view(data.split(split)) is not None}
    assert shown == {"per-user"} & set(data.splits)


def test_one_split_of_the_package_lets_methods_see_validation_rows():
    """Whoever adds another one answers for it here: no tested item, no newcomer may be in it."""
    package = Path(datasets.__file__).parents[1]
    sources = {p: p.read_text(encoding="utf-8") for p in package.rglob("*.py")}
    users = [p.relative_to(package).as_posix() for p, s in sources.items() if "tuning=True" in s]
    assert users == ["datasets/splits.py"]
    assert sources[package / "datasets/splits.py"].count("tuning=True") == 1


class TestDSprites(DatasetContract):
    dataset = "dsprites"
    config = {"n_images": 200}  # noqa: RUF012  # the shape the contract asks for


def test_tracks_of_the_built_in_data_sets():
    """As in the table of DESIGN.md, section 5; the default is the first."""
    tracks = {n: registry.get("datasets", n).tracks for n in registry.entries("datasets")}
    assert {name: tracks[name] for name in sorted(tracks) if "/" not in name} == {
        "dsprites": ("controlled",),
        "flickr-aes": ("prompt-free",),
        "folder": ("prompt-free", "reference"),
        "imagegem": ("recommendation", "alignment", "model-editing"),
        "imagegem-models": ("recommendation",),
        "ml-latest-small": ("reference", "recommendation"),
        "pick-a-pic": ("alignment", "prompt-free"),
        "pog": ("reference",),
        "prompts": ("alignment",),
        "ser30k": ("reference",),
        "tasteworld": (
            "prompt-free",
            "cold-start",
            "reference",
            "recommendation",
            "alignment",
        ),
        "tasteworld-loras": ("recommendation",),
        "tasteworld-models": ("model-editing",),
    }
