"""Every split of every data set that ships keeps its promise, pictures included."""

import pandas as pd
import pytest

from persongen_bench.core import registry
from persongen_bench.datasets.audit import audit
from persongen_bench.datasets.dsprites import DSprites, DSpritesConfig
from persongen_bench.datasets.folder import Folder, FolderConfig
from persongen_bench.datasets.splits import CONTENTS, ITEMS, ROWS, TIME, USERS
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
