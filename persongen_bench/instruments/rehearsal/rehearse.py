"""A rehearsal: a published stack with random weights, through the whole loop, without a download.

It proves the loading code, the shapes and the memory, and measures speed and size. Its pictures
are noise, so it prints no quality number, and its run is thrown away.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from persongen_bench.api.models import manifest, require_space
from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.stack import Stack
from persongen_bench.instruments.rehearsal.data import gradients, picture
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import World, WorldRef
from persongen_bench.stacks.diffusion.hub_layout import WeightFile
from persongen_bench.stacks.diffusion.random_weights import write
from persongen_bench.stacks.published.blueprints import FULL, TINY
from persongen_bench.stacks.published.stack import PublishedStack, Sd15Stack, SdxlStack
from persongen_bench.stacks.with_lora import base_of, with_lora
from persongen_bench.util.execution import fixed_threads, peak_memory_mb
from persongen_bench.util.files import folder_atomic
from persongen_bench.util.lora.reading import read_lora

STACKS: dict[str, type[PublishedStack]] = {"sd15": Sd15Stack, "sdxl": SdxlStack}
MARK = "random-weights.json"
"""Says that a folder holds a rehearsal's weights; no other folder is written to or used."""
METHOD = "mean-embedding"
METRICS = ("true-taste", "novelty")
"""One that reads pixels alone and one that reads the image encoder; their values go nowhere."""


@dataclass(frozen=True)
class Rehearsal:
    """What to rehearse."""

    stack: str = "sd15"
    n_users: int = 1
    n_images: int = 1
    n_steps: int = 2
    """Denoising steps."""
    tiny: bool = False
    """Narrow networks of the same layout instead of the full-size ones."""
    folder: Path | None = None
    """Keeps the weights for the next rehearsal; None: a temporary folder."""
    threads: int = 1
    lora: Path | None = None
    """A LoRA file that the decoder draws with; of full-size weights a published one fits."""


@dataclass(frozen=True)
class Report:
    """What was measured; holds no quality number."""

    rehearsal: Rehearsal
    facts: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[str, int, int | None]] = field(default_factory=list)
    """Label, bytes written, bytes of the published file (None: not known)."""


def rehearse(rehearsal: Rehearsal, progress: Progress = no_progress) -> Report:
    """Write random weights, run the loop on them, measure; leaves nothing but ``rehearsal.folder``.

    Raises `RunError` where a picture was not made, naming the reason.
    """
    manifest(rehearsal.stack)
    with tempfile.TemporaryDirectory(prefix="pgbench-rehearsal-") as name:
        scratch = Path(name)
        start, cpu_start = time.perf_counter(), time.process_time()
        weights = _weights(rehearsal, rehearsal.folder or scratch / "weights", progress)
        facts: dict[str, Any] = {"write_seconds": time.perf_counter() - start}
        with _own_cache(scratch / "cache"), fixed_threads(rehearsal.threads):
            stack = STACKS[rehearsal.stack](weights, {"n_inference_steps": rehearsal.n_steps})
            facts |= _opened(stack)
            facts |= _looped(rehearsal, _drawing(stack, rehearsal.lora), scratch / "runs", progress)
        files = [(p.label, p.n_bytes or 0, p.file.n_bytes) for p in stack.places.files]
    facts["cpu_seconds"] = time.process_time() - cpu_start
    return Report(rehearsal, facts | _memory(), files)


def _weights(rehearsal: Rehearsal, folder: Path, progress: Progress) -> Path:
    """``folder`` with the weights, written where it does not hold them yet."""
    mark = {"stack": rehearsal.stack, "tiny": rehearsal.tiny}
    try:
        stored = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        stored = None
    if stored == mark:
        return folder
    if stored is not None:
        raise ConfigError(f"{folder}: holds the weights of {stored}", fix="Name another folder.")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder}: not empty and without {MARK}, so not a rehearsal's folder",
            fix="Name a new folder; weights that are there are never written over.",
        )
    blueprint = (TINY if rehearsal.tiny else FULL)[rehearsal.stack]
    require_space(folder, sum(c.n_bytes for c in blueprint.values() if isinstance(c, WeightFile)))
    with folder_atomic(folder) as fresh:
        write(fresh, blueprint, progress=progress)
        (fresh / MARK).write_text(json.dumps(mark), encoding="utf-8")
    return folder


@contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    """Features and fits of noise do not go to the user's cache."""
    before = os.environ.get("PGBENCH_CACHE")
    os.environ["PGBENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PGBENCH_CACHE"]
        else:
            os.environ["PGBENCH_CACHE"] = before


def _opened(stack: PublishedStack) -> dict[str, Any]:
    """Open every role, and use the one that the loop does not."""
    facts: dict[str, Any] = {"signature": stack.signature}
    for role in stack.roles:
        start = time.perf_counter()
        stack.role(role)
        facts[f"open_{role}_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    clip = stack.role("clip")
    rows = [clip.encode([picture(0)]), clip.encode_texts(["a rehearsal"])]
    if not all(np.isfinite(row).all() for row in rows):
        raise RunError("role clip: NaN or infinity in an embedding")
    facts["clip_seconds"] = time.perf_counter() - start
    return facts


def _drawing(stack: PublishedStack, lora: Path | None) -> Stack:
    """The stack, with the LoRA of a file in its decoder where there is one."""
    return stack if lora is None else with_lora(stack, read_lora(lora, base_of(stack)))


def _looped(rehearsal: Rehearsal, stack: Stack, runs: Path, progress: Progress) -> dict[str, Any]:
    """Prepare, fit, generate and score one method."""
    dataset = gradients(rehearsal.n_users)
    ref = WorldRef(dataset.name, f"rehearsal/{stack.name}", {})  # no cell could open it by a name
    world = World(ref, dataset, dataset.split(), stack, progress)
    protocol = Terms("rehearsal", "prompt-free", METRICS, rehearsal.n_images, n_history=2)
    job = Job(world, protocol, MethodChoice(METHOD), threads=rehearsal.threads)
    start = time.perf_counter()
    world.features.rows("image_encoder", dataset.catalog.ids)
    encoded = time.perf_counter()
    results = run(job, runs, Execution(batch_size=1, progress=progress))
    done = time.perf_counter()
    _require_pictures(results)
    kept = ("fit_seconds", "bytes_per_user", "seconds_per_image_p50", "seconds_per_image_p95")
    return {
        "encode_seconds": encoded - start,
        "loop_seconds": done - encoded,
        **{name: results.cost[name] for name in kept},
        "n_images": results.summary.n_ok,
    }


def _require_pictures(results: RunResults) -> None:
    bad = results.samples[results.samples["state"] != "ok"]
    if len(bad):
        raise RunError(
            f"{len(bad)} of {len(results.samples)} pictures failed: {bad.iloc[0].reason}"
        )


def _memory() -> dict[str, Any]:
    import torch

    facts: dict[str, Any] = {"peak_memory_mb": peak_memory_mb()}
    if torch.cuda.is_available():
        facts["device"] = torch.cuda.get_device_name(0)
        facts["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 1e6
    return facts
