"""The terms of a run: what all runs of a board have in common, and the identity that follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from persongen_bench.core.track import open_track
from persongen_bench.loop.schema import DatasetRef, MethodRef, RunConfig, StackRef
from persongen_bench.loop.world import World
from persongen_bench.util.files import data_root
from persongen_bench.util.privacy import without_places


@dataclass(frozen=True)
class Terms:
    """What every run of a board has in common."""

    board: str
    track: str
    metrics: tuple[str, ...]
    n_images: int
    n_history: int
    pseudonyms: str | None = None
    """The key that names of users in the run directory are made with; see `RunConfig`."""
    permute: tuple[str, ...] = ()
    """Instruments of permutation tests besides the board's (`loop.taste_instruments`)."""
    permute_images: int | None = None
    """Images of every user that these tests take; None: all."""
    taste: str | None = None
    """The board's metric whose instrument is tested unasked; None: the first that has one."""


def dataset_ref(world: World) -> DatasetRef:
    """How a run directory records the data."""
    root = world.ref.root or data_root(world.ref.dataset)
    return DatasetRef(
        name=world.ref.dataset,
        options=dict(world.ref.options),
        root=None if root is None else str(root.resolve()),
        revision=world.dataset.revision,
        split=world.split.name,
        split_seed=world.split.seed,
        split_hash=world.split.hash,
        notes=tuple(map(without_places, world.dataset.card.notes)),
    )


def run_config(
    world: World, terms: Terms, method: MethodRef, *, seed: int, code: str, threads: int
) -> RunConfig:
    """The full identity of a run."""
    track = open_track(terms.track)
    return RunConfig(
        track=terms.track,
        output=track.output,
        unit=track.unit,
        board=terms.board,
        dataset=dataset_ref(world),
        method=method,
        stack=StackRef(name=world.ref.stack, signature=world.stack.signature, lora=world.lora),
        seed=seed,
        n_images=terms.n_images,
        n_history=terms.n_history,
        metrics=terms.metrics,
        code=code,
        threads=threads,
        pseudonyms=terms.pseudonyms,
        permute=terms.permute,
        permute_images=terms.permute_images,
        taste=terms.taste,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
