"""Answers that are not what the protocol asks for: how they were chosen, their sizes and modes."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from persongen_bench.core.output import IMAGE, LEAST_SIDE
from persongen_bench.loop.schema import NOT_RANKED
from persongen_bench.loop.standin import side_of, smallest_side
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World

MODES = "modes"
"""Note of a journal: mode of the delivered file => how many have it."""
REFUSED = "refused"
"""Note of a journal: what the method tried to touch and must not (`loop.wall`)."""
REMADE = "remade"
"""Note of a journal: of how many answers made again how many differ, where some do
(`loop.remade`)."""
UNFAIR = "unfair"
"""Note of a journal: why the method's settings are not fair (`core.method.HasUnfairSettings`)."""
MOST_TINY = 0.5
"""Share of a run's images that may be below a quarter of the side."""
_N_SHOWN = 3
_PNG = struct.Struct(">16xII")
"""Head of a PNG file: width and height stand in its first chunk."""


def deviations(run: RunDirectory, world: World) -> tuple[str, ...]:
    """One sentence for each way in which a run's answers differ, its pictures above all."""
    table = run.samples()
    made = table[(table["state"] == "ok") & (table["pixel_hash"] != "")]
    sizes = Counter(_sizes(run.output_path(str(s), IMAGE) for s in made["sample_id"]))
    modes = Counter(run.noted(MODES) or {})
    unfair = run.noted(UNFAIR)
    choice = [f"{NOT_RANKED}{unfair}"] if unfair else []
    choice += _of_remade(run.noted(REMADE))
    tried = run.noted(REFUSED) or []
    return (
        *choice,
        *map(run.veil.text, _of_reach(tried)),
        *_of_size(sizes, world),
        *_of_mode(modes),
    )


def _of_remade(counted: Sequence[int] | None) -> Iterable[str]:
    if counted:
        yield (
            f"{NOT_RANKED}its answers depend on the batch or the process: {counted[0]} of "
            f"{counted[1]} made again differ"
        )


def _of_reach(tried: Sequence[str]) -> Iterable[str]:
    if tried:
        yield (
            f"the method tried to reach what it must not see, and was refused {len(tried)} times: "
            f"{'; '.join(tried[:_N_SHOWN])}{'; ...' if len(tried) > _N_SHOWN else ''}"
        )


def _of_size(sizes: Counter[tuple[int, int]], world: World) -> Iterable[str]:
    """Where the stack fixes a size, every other one; else those far below the catalogue's.

    Of pictures below a quarter of the side that the stack draws or that the catalogue has, little
    can be seen, and they differ as noise does. They are counted, and a run that is mostly of them
    is not ranked; nor is one that holds what is no answer (`LEAST_SIDE`), as older versions let in.
    """
    side, total = side_of(world), sum(sizes.values())
    if side is not None:
        other = Counter({size: n for size, n in sizes.items() if size != (side, side)})
        rule, least = f"not {side}x{side}, which the stack draws", side / 2
    elif total:
        least = smallest_side(world) / 2
        other = Counter({size: n for size, n in sizes.items() if min(size) < least})
        rule = "less than half as large as the catalogue's smallest picture"
    else:
        return
    if other:
        n_tiny = sum(n for size, n in other.items() if min(size) < least / 2)
        out = n_tiny > total * MOST_TINY or min(map(min, other)) < LEAST_SIDE
        said = f"{sum(other.values())} of {total} images are {rule}: {_some(other)}"
        tiny = f"; {n_tiny} are below a quarter of the side" if n_tiny else ""
        yield f"{NOT_RANKED if out else ''}{said}{tiny}"


def _of_mode(modes: Counter[str]) -> Iterable[str]:
    other = Counter({mode: n for mode, n in modes.items() if mode != "RGB"})
    if other:
        yield (
            f"{sum(other.values())} of {sum(modes.values())} delivered files are not RGB of 8 bits "
            f"and were converted: {_some(other)}"
        )


def _some(counts: Counter[tuple[int, int]] | Counter[str]) -> str:
    """``1x1 (10), 300x17 (2)``, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))
    shown = [
        f"{key if isinstance(key, str) else 'x'.join(map(str, key))} ({n})" for key, n in ordered
    ]
    return ", ".join([*shown[:_N_SHOWN], *(["..."] if len(shown) > _N_SHOWN else [])])


def _sizes(files: Iterable[Path]) -> Iterable[tuple[int, int]]:
    """Width and height by the head of each PNG; a file that is none is reported by scoring."""
    for file in files:
        with file.open("rb") as opened:
            head = opened.read(_PNG.size)
        if len(head) == _PNG.size and head.startswith(b"\x89PNG"):
            width, height = _PNG.unpack(head)
            yield int(width), int(height)
