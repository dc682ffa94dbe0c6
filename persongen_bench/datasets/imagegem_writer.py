"""Writes a simulated ImageGem: the tables that `imagegem` reads, and its pictures if wanted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from persongen_bench.core import images
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.datasets.imagegem_schema import ASPECTS, EMOJI
from persongen_bench.util.files import usable_folder
from persongen_bench.worlds import imagegem_images as drawn
from persongen_bench.worlds.imagegem_images import GemImages, mixed
from persongen_bench.worlds.imagegem_log import BASE_MODELS, GemWorld, make_world
from persongen_bench.worlds.imagegem_plan import GemPlan
from persongen_bench.worlds.tasteworld.render import render

Form = Literal["parquet", "csv"]
PROMPTS = "held_out_prompts.txt"
N_PROMPTS = 60
"""Held-out prompts, which no image was made with."""
_USERS, _MODELS, _IMAGES = 1, 2, 3


def write_imagegem(
    folder: Path, plan: GemPlan, *, form: Form = "parquet", pictures: bool = False,
    progress: Progress = no_progress,
) -> dict[str, int]:  # fmt: skip
    """Write ``images``, ``models``, ``tags``, ``uses`` and the held-out prompts into a new folder.

    Images are written as they are made, so that memory does not grow with their number. Returns
    how many rows each table has. Raises `ConfigError` where the folder holds something already.
    """
    usable_folder(folder, "the folder of the data", "Name another one.")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty", fix="Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    world = make_world(plan)
    counts = {name: _whole(folder, name, frame, form) for name, frame in _tables(world).items()}
    counts |= {"images": 0, "uses": 0}
    with _Stream(folder / f"images.{form}") as rows, _Stream(folder / f"uses.{form}") as uses:
        blocks = list(range(-(-len(world.sessions.user) // drawn.SESSIONS)))
        for block, _ in zip(drawn.image_blocks(world), progress(blocks, "images", len(blocks))):  # noqa: B905
            frame = _image_rows(world, block)
            counts["images"] += rows.write(frame)
            counts["uses"] += uses.write(_use_rows(world, block, frame["image_id"].to_numpy()))
            if pictures:
                _draw(folder / "images", block, frame["image_id"])
    (folder / PROMPTS).write_text("\n".join(_prompts(plan)) + "\n", encoding="utf-8")
    return counts | {"prompts": N_PROMPTS}


class _Stream:
    """A table that is written in parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parquet: pq.ParquetWriter | None = None
        self._begun = False

    def write(self, frame: pd.DataFrame) -> int:
        """Add rows; returns how many."""
        if self.path.suffix == ".csv":
            frame.to_csv(self.path, mode="a", index=False, header=not self._begun)
        else:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self.path, table.schema)
            self._parquet.write_table(table)
        self._begun = True
        return len(frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._parquet is not None:
            self._parquet.close()


def _whole(folder: Path, name: str, frame: pd.DataFrame, form: Form) -> int:
    with _Stream(folder / f"{name}.{form}") as stream:
        return stream.write(frame)


def _ids(kind: str, stream: int, numbers: np.ndarray, seed: int) -> list[str]:
    bits = mixed(np.asarray(numbers), 16 * seed + stream)
    return [f"{kind}-{value:016x}" for value in bits.tolist()]


def _tables(world: GemWorld) -> dict[str, pd.DataFrame]:
    models, seed = world.models, world.plan.seed
    number = np.arange(world.plan.n_models)
    ids = np.array(_ids("lora", _MODELS, number, seed), dtype=object)
    rng = np.random.default_rng([seed, 0x2B])
    of_models = {
        "model_id": ids, "owner": _ids("user", _USERS, models.owner, seed),
        "base_model": _named(BASE_MODELS, models.base), "rank": models.rank,
        "timestamp": np.round(rng.uniform(1.68e9, 1.69e9, len(ids))),
        "license": _named(drawn.LICENSES, rng.integers(0, len(drawn.LICENSES), len(ids))),
    }  # fmt: skip
    tags = drawn.tags_of(world)
    return {
        "models": pd.DataFrame(of_models),
        "tags": pd.DataFrame({"model_id": ids[[m for m, _ in tags]], "tag": [t for _, t in tags]}),
    }


def _image_rows(world: GemWorld, block: GemImages) -> pd.DataFrame:
    sessions, seed = world.sessions, world.plan.seed
    ids = _ids("image", _IMAGES, block.number, seed)
    columns: Mapping[str, Any] = {
        "image_id": ids,
        "user_id": _ids("user", _USERS, sessions.user[block.session], seed),
        "prompt": block.prompts,
        "timestamp": block.timestamp.astype(np.int64),
        "base_model": _named(BASE_MODELS, world.models.base[sessions.model[block.session]]),
        "in_house": sessions.in_house[block.session].astype(int),
        "nsfw": _named(drawn.NSFW, block.nsfw),
        "license": _named(drawn.LICENSES, block.license),
        **{name: block.feedback[:, k] for k, name in enumerate(EMOJI)},
        **{name: block.unsafe[:, k] for k, name in enumerate(ASPECTS)},
    }
    return pd.DataFrame(columns)


def _named(names: tuple[str, ...], codes: np.ndarray) -> np.ndarray:
    return np.asarray(np.array(names, dtype=object)[codes])


def _use_rows(world: GemWorld, block: GemImages, ids: np.ndarray) -> pd.DataFrame:
    first, second = world.sessions.model[block.session], world.sessions.second[block.session]
    both = second >= 0
    image = np.concatenate([ids, ids[both]])
    model = np.concatenate([first, second[both]])
    model_ids = _ids("lora", _MODELS, model, world.plan.seed)
    return pd.DataFrame({"image_id": image, "model_id": model_ids})


def _draw(folder: Path, block: GemImages, ids: pd.Series) -> None:
    folder.mkdir(exist_ok=True)
    seeds = mixed(block.number, 99)
    for part in range(0, len(ids), 256):
        rows = slice(part, part + 256)
        for name, picture in zip(
            ids.iloc[rows], render(block.scenes[rows], seeds[rows]), strict=True
        ):
            (folder / f"{name}.png").write_bytes(images.png_bytes(picture))


def _prompts(plan: GemPlan) -> list[str]:
    """Prompts of a small world of another seed."""
    other = make_world(GemPlan(n_users=40, n_images=400, n_models=40, seed=plan.seed + 7_919))
    block = next(drawn.image_blocks(other))
    return list(dict.fromkeys(block.prompts))[:N_PROMPTS]
