"""Sheets of prompts: a row for each, with the pictures of one run, or a column for each method.

Nothing is chosen: the first prompts in the order of the protocol. Pictures of one row that stand
in columns of methods have the same seed, so that what differs is what was learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import ImageDraw

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.sheets import (
    GAP,
    HEAD,
    MARGIN,
    QUIET,
    TITLE,
    Type,
    line_width,
    new_sheet,
    place_image,
    wrapped,
    write_line,
    write_sheet,
)
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World

N_PROMPTS, N_IMAGES = 12, 6
"""Prompts on a sheet, and pictures of each where they are one run's."""
_CELL, _LABEL, _NAMES = 96, 190, 56
_HEADER, _WORDS = Type(13, bold=True), Type(14)


def prompt_sheet(
    rows: Mapping[str, Sequence[Image | None]],
    columns: Sequence[str],
    path: Path,
    *,
    title: str,
    subtitle: str,
) -> None:
    """Draw a row for each prompt and write a PNG; None: crossed, not delivered.

    Raises `ConfigError` where there is no prompt or no column.
    """
    if not rows or not columns:
        raise ConfigError("a sheet of prompts needs at least one prompt and one column")
    left, step = MARGIN + _LABEL, _CELL + GAP
    words = max(line_width(title, TITLE), line_width(subtitle, QUIET)) + 2 * MARGIN
    width = max(left + len(columns) * step + MARGIN, words)
    sheet = new_sheet(width, HEAD + _NAMES + len(rows) * step + MARGIN, title, subtitle)
    draw = ImageDraw.Draw(sheet)
    for k, name in enumerate(columns):
        lines = wrapped(name, _HEADER, _CELL, 3)
        for n, line in enumerate(lines):
            y = HEAD + _NAMES - 8 - 16 * (len(lines) - n)
            write_line(draw, (left + k * step, y), line, _HEADER, _CELL)
    for n, (prompt, pictures) in enumerate(rows.items()):
        top = HEAD + _NAMES + n * step
        for k, line in enumerate(wrapped(prompt, _WORDS, _LABEL - 16, 4)):
            write_line(draw, (MARGIN, top + 20 + 18 * k), line, _WORDS, _LABEL - 16)
        for k, picture in enumerate(pictures):
            place_image(sheet, picture, (left + k * step, top), _CELL)
    write_sheet(sheet, path)


def draw_prompts(results: RunResults, world: World, path: Path) -> None:
    """The pictures of one run, those of a prompt side by side."""
    prompts = prompts_of(results, world)
    n = min(results.config.n_images, N_IMAGES)
    rows = {prompt: made[:n] for prompt, made in pictures_of(results, prompts, world).items()}
    columns = [f"picture {k + 1}" for k in range(n)]
    said = described(results, prompts, world)
    prompt_sheet(rows, columns, path, title=results.config.method.label, subtitle=said)


def draw_methods(runs: Sequence[RunResults], world: World, path: Path, title: str) -> None:
    """The first picture of every prompt by every run, of the same seed."""
    prompts = prompts_of(runs[0], world)
    made = [pictures_of(run, prompts, world) for run in runs]
    rows = {prompt: [own[prompt][0] for own in made] for prompt in prompts}
    columns = [run.config.method.label for run in runs]
    said = f"{described(runs[0], prompts, world)}; the first picture of each, of the same seed"
    prompt_sheet(rows, columns, path, title=title, subtitle=said)


def prompts_of(results: RunResults, world: World) -> list[str]:
    """The first prompts that were asked for."""
    asked = world.asked(results.config).requests
    return [request.instruction or "" for request in asked[:N_PROMPTS]]


def described(results: RunResults, prompts: Sequence[str], world: World) -> str:
    """What is shown, in a line."""
    total = len(world.asked(results.config).requests)
    if len(prompts) == total:
        return f"all {total} prompts"
    return f"the first {len(prompts)} of {total} prompts, in the order of the protocol"


def pictures_of(
    results: RunResults, prompts: Sequence[str], world: World
) -> dict[str, list[Image | None]]:
    """Prompt => the pictures that were made of it, in their order; None: not delivered."""
    run = RunDirectory(results.path, results.config)
    asked = {r.instruction or "": r.request_id for r in world.asked(results.config).requests}
    made: dict[str, list[Image | None]] = {}
    for prompt in prompts:
        its_own = results.samples["request_id"] == run.veil.request(asked[prompt])
        rows = results.samples[its_own].sort_values("index")
        made[prompt] = [
            run.read_image(str(row.sample_id), str(row.pixel_hash)) if row.state == "ok" else None
            for row in rows.itertuples()
        ]
    return made
