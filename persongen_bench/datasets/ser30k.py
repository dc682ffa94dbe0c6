"""SER30K: 30,739 stickers of 1,887 themes with their emotion (Liu et al., ACM MM 2022).

Read as published: ``Annotations/image-level/{train,val,test}.json`` (or ``Annotations/``, or the
whole in ``all_annos.json``) and ``Images/<topic>/<file>``. There are no users; papers 002 and 003
make some of the themes, see `ser30k_users`. ``ser30k_captions.json`` (an object of
``topic/file: caption``) is read where it is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard, SplitFunction
from persongen_bench.core.errors import DataError
from persongen_bench.core.types import Catalog
from persongen_bench.datasets import reference_splits as ways
from persongen_bench.datasets import ser30k_stickers as stickers_of
from persongen_bench.datasets import ser30k_users as people
from persongen_bench.datasets.image_files import ImageFiles
from persongen_bench.datasets.reference_asks import NeutralReferences
from persongen_bench.datasets.reference_config import ReferenceConfig
from persongen_bench.datasets.reference_data import ReferenceData
from persongen_bench.datasets.reference_users import windows_as_users
from persongen_bench.datasets.ser30k_annotations import Annotations, read_annotations
from persongen_bench.datasets.ser30k_stickers import IMAGES

N_PAIRS = 2230
"""Users of two themes (RAGAR, paper 002, Table 2)."""
INSTRUCTIONS = (
    "Apply for it with the form in https://github.com/nku-shengzheliu/SER30K (academic use) and "
    "lay it out as published: ROOT/Annotations/image-level/train.json, val.json and test.json, and "
    f"ROOT/{IMAGES}/<topic>/<file>."
)


class Ser30kConfig(ReferenceConfig):
    """Whom the stickers are made users of."""

    users: people.StickerUsers = "theme"
    """``theme``: everybody likes one theme (Pigeon). ``two-themes``: two random ones (RAGAR).
    ``windows``: every six consecutive stickers of a theme are a user, divided by
    ``paper-samples``."""
    n_pairs: int = Field(default=N_PAIRS, ge=1)
    """How many users of two themes (RAGAR: 2,230), at most."""
    dislikes: int = Field(default=1, ge=0)
    """Random stickers of other themes that stand for dislikes, per like; none with windows."""


class Ser30k:
    """Stickers, and pseudo-users who like the stickers of a theme."""

    Config: ClassVar[type[BaseConfig]] = Ser30kConfig
    tracks: ClassVar[tuple[str, ...]] = ("reference",)

    @classmethod
    def load(cls, config: Ser30kConfig, root: Path | None) -> Dataset:
        """Read annotations and list pictures; what is left out is counted in the card.

        Raises `DataError` with file and entry for what is malformed, and with instructions where
        the data are not there.
        """
        root = _existing(root)
        annotations = read_annotations(root)
        stickers, notes = stickers_of.kept(root, annotations, config.least_likes)
        catalog = Catalog(stickers_of.items(root, stickers, annotations.emotions), ImageFiles(root))
        themes = stickers_of.themes(stickers)
        plan = people.StickerPlan(
            config.users, config.n_pairs, config.dislikes * (config.users != "windows"),
            config.test_fraction, config.seed,
        )  # fmt: skip
        log = people.sticker_log(themes, plan)
        if config.users == "windows":
            log = windows_as_users(log)
        data = ReferenceData("ser30k", catalog, log, notes)
        card, rule = _card(annotations, data, config), NeutralReferences(catalog, "theme")
        return data.dataset(card, rule, _split(themes, config), config.requests_per_user)


def _existing(root: Path | None) -> Path:
    if root is None:
        raise DataError("dataset ser30k: no data folder named (--data ROOT)", fix=INSTRUCTIONS)
    for name in ("Annotations", IMAGES):
        if not (root / name).is_dir():
            raise DataError(f"{root}: no folder {name}", fix=INSTRUCTIONS)
    return root


def _split(themes: people.Themes, config: Ser30kConfig) -> tuple[str, SplitFunction] | None:
    if config.users == "windows":
        return None
    return ways.HELD_OUT_ITEMS, ways.of_items(people.theme_ends(themes, config.test_fraction))


def _card(annotations: Annotations, data: ReferenceData, config: Ser30kConfig) -> DatasetCard:
    n_users, n_themes = data.log["user_id"].nunique(), data.catalog.items["theme"].nunique()
    said = (
        f"{len(data.catalog):,} stickers of {n_themes:,} themes, of {len(annotations.stickers):,} "
        f"that are annotated; {n_users:,} pseudo-users ({_WHO[config.users]})."
    )
    return DatasetCard(
        title="SER30K",
        description=data.described(said),
        license="academic use, on application",
        source="https://github.com/nku-shengzheliu/SER30K",
        citation="Liu et al., SER30K: A Large-Scale Dataset for Sticker Emotion Recognition, "
        "ACM MM 2022",
        instructions=INSTRUCTIONS,
        notes=_meaning(config, annotations),
    )


_WHO = {
    "theme": "each likes all stickers of one theme",
    "two-themes": "each likes all stickers of two random themes",
    "windows": "each is six consecutive stickers of one theme",
}


def _meaning(config: Ser30kConfig, annotations: Annotations) -> tuple[str, ...]:
    notes = [
        f"Nobody rated: users are made of themes ({_WHO[config.users]}).",
        "The order of the files of a theme stands for time.",
        "The reference is a held-out sticker of a theme that the user does not like.",
    ]
    if config.users == "windows":
        notes.append(
            "Windows of a theme share stickers: the pictures asked for are trained on, and "
            "intervals over windows are too narrow."
        )
    elif config.dislikes:
        notes.append(
            f"Dislikes are random stickers of other themes, {config.dislikes} per like (seed "
            f"{config.seed}): what needs dislikes tells how far a theme is told from others."
        )
    if not annotations.named:
        notes.append(
            "The files do not name the emotions; labels 1 to 7 are read as "
            f"{', '.join(annotations.emotions)}."
        )
    return tuple(notes)
