"""Images made elsewhere: a folder with a manifest becomes a run that is scored like any other.

``manifest.csv`` has the columns ``user_id`` and ``image`` (path relative to the folder) and
optionally ``index`` (0, 1, ... per user; the order of the rows where it is absent).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from persongen_bench.core import images
from persongen_bench.core.errors import DataError
from persongen_bench.core.progress import Progress
from persongen_bench.core.types import content_hash
from persongen_bench.datasets.tables import Table, find_table, read_table
from persongen_bench.loop import prepare
from persongen_bench.loop.prepare import Protocol, World
from persongen_bench.loop.run import run_name
from persongen_bench.loop.schema import MethodRef
from persongen_bench.loop.store import Outcome, RunDirectory
from persongen_bench.util.files import file_sha256

CODE = "external"
"""In place of a hash of code: images made elsewhere are touched by none of ours."""


@dataclass(frozen=True)
class Delivery:
    """What somebody sends us: a folder, and what to call the method that made it."""

    folder: Path
    label: str
    seed: int = 0


def ingest(
    delivery: Delivery, world: World, protocol: Protocol, runs: Path, progress: Progress
) -> RunDirectory:
    """Check the manifest and every image, then enter them as a run below ``runs``.

    Nothing is written unless the whole manifest is good. Users without an image get the state
    ``missing`` when the run is scored.
    """
    table = read_manifest(delivery.folder, world.test.users)
    protocol = replace(protocol, n_images=max(protocol.n_images, int(table["index"].max()) + 1))
    config = prepare.run_config(
        world,
        protocol,
        MethodRef(
            name="external", distribution="external", version="", label=delivery.label,
            config={"delivered": len(table), "content": _content(delivery.folder, table)},
            external=True,
        ),
        seed=delivery.seed,
        code=CODE,
        threads=1,
    )  # fmt: skip
    samples = prepare.plan(world, config)
    ids = {(s.request.user_id, s.index): s.sample_id for s in samples}
    run = RunDirectory.create(runs / run_name(config), config, samples)
    rows = _rows(table)
    for user, name, index in progress(rows, "import images", len(rows)):
        image = images.read(delivery.folder / name, delivery.folder)
        sample_id = ids[(user, index)]
        run.record([Outcome(sample_id, "ok", pixel_hash=run.write_image(sample_id, image))])
    return run


def _rows(table: pd.DataFrame) -> list[tuple[str, str, int]]:
    return list(zip(table["user_id"], table["image"], table["index"].astype(int), strict=True))


def read_manifest(folder: Path, users: Sequence[str]) -> pd.DataFrame:
    """The checked manifest: columns ``user_id, image, index``; every image opens."""
    path = find_table(folder, "manifest")
    if path is None:
        raise DataError(
            f"{folder}: neither run.json nor manifest.csv is there",
            fix="Write manifest.csv with the columns user_id, image (see docs/manifest.md).",
        )
    table = read_table(path)
    table.require(["user_id", "image"])
    unknown = ~table.ids("user_id").isin(list(users)).to_numpy()
    fix = f"Users of the test split are {', '.join(users[:3])}, ... ({len(users)} in all)."
    table.reject(unknown, "unknown user {user_id}", fix)
    frame = table.frame.assign(index=_indices(table))
    numbered = Table(path, frame.astype({"index": "str"}))
    numbered.unique(["user_id", "index"])
    _check_images(table, folder)
    return frame[["user_id", "image", "index"]]


def _indices(table: Table) -> pd.Series:
    if "index" not in table.frame.columns:
        return table.frame.groupby("user_id").cumcount()
    numbers = table.numbers("index")
    wrong = (numbers < 0) | (numbers != numbers.round()) | (numbers > 100_000)
    table.reject(wrong, "index is {index}, expected 0, 1, 2, ...", "Correct it.")
    return pd.Series(numbers.astype(int), index=table.frame.index)


def _check_images(table: Table, folder: Path) -> None:
    for row, image in table.ids("image").items():
        try:
            images.read(folder / image, folder)
        except DataError as error:
            raise DataError(f"{table.path} row {row}: {error}") from None


def _content(folder: Path, table: pd.DataFrame) -> str:
    """Hash of the delivered files, so that another delivery is another run."""
    return content_hash([(u, k, file_sha256(folder / name)) for u, name, k in _rows(table)])
