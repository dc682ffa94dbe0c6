"""Strips of runs whose requests have something to follow: of one run, or of a whole table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.output import ADAPTER, IMAGE, RANKING
from persongen_bench.core.progress import no_progress
from persongen_bench.core.request import Request
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.gathering import gather
from persongen_bench.leaderboards.list_gallery import draw_list_strips
from persongen_bench.leaderboards.prompt_gallery import draw_methods
from persongen_bench.leaderboards.standings import MethodRow, Standings
from persongen_bench.leaderboards.strength_strips import (
    edit_sheet,
    ordered_columns,
    shown_edits,
    strips_of,
    subtitle_of,
)
from persongen_bench.leaderboards.strips import (
    N_LIKED,
    N_USED,
    HistoryUse,
    RequestStrip,
    request_sheet,
)
from persongen_bench.loop.explaining import Explained, read_explanations
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World, reopen_world

N_USERS, N_REQUESTS = 6, 2
"""Users on a sheet, and requests of each."""
N_IMAGES = 6
"""Images of one request at most, where they stand side by side."""


def shown_requests(requests: Sequence[Request]) -> list[Request]:
    """The first `N_REQUESTS` of each of the first `N_USERS` users, in the order of the users."""
    of_user: dict[str, list[Request]] = {}
    for request in requests:
        of_user.setdefault(request.user_id, []).append(request)
    return [r for user in islice(sorted(of_user), N_USERS) for r in of_user[user][:N_REQUESTS]]


def draw_request_sheet(results: RunResults, world: World, path: Path) -> None:
    """The strips of one run, its images of a request side by side."""
    n = min(results.config.n_images, N_IMAGES)
    requests = world.asked(results.config).requests
    shown = shown_requests(requests)
    made = _made(results, shown)
    uses = _uses(world, [results], shown)
    strips = [
        _strip(world, results, request, made[request.request_id][:n], uses) for request in shown
    ]
    columns = [f"image {k + 1}" for k in range(n)]
    said = _said(shown, requests)
    request_sheet(strips, columns, path, title=results.config.method.label, subtitle=said)


def draw_strips(table: Standings, folder: Path, path: Path) -> None:
    """The strips of a table: a column for each method and anchor, with its first image.

    The methods stand in the order of the table, by their first seed. Where the answers are ranked
    lists, a strip for each method and user (`list_gallery`).

    Raises:
        ConfigError: if the board's answers are neither images nor lists of items with pictures.
    """
    runs = _runs_of(table.rows, folder)
    kind = RunDirectory(runs[0].path, runs[0].config).kind if runs else None
    if kind is ADAPTER:
        _draw_edits(table, folder, path)
        return
    if kind not in (IMAGE, RANKING):
        raise ConfigError(f"board {table.board.name}: there are no images to draw strips of")
    world = reopen_world(runs[0].config, None, no_progress)
    if kind is RANKING:
        if not world.dataset.catalog.pictured:
            raise ConfigError(f"board {table.board.name}: its items have no pictures to draw")
        draw_list_strips(runs, world, path, table.board.title)
        return
    if runs[0].config.unit == "prompt":
        draw_methods(runs, world, path, table.board.title)
        return
    requests = world.asked(runs[0].config).requests
    shown = shown_requests(requests)
    made, uses = [_made(run, shown) for run in runs], _uses(world, runs, shown)
    strips = [
        _strip(world, runs[0], request, [own[request.request_id][0] for own in made], uses)
        for request in shown
    ]
    columns = [run.config.method.label for run in runs]
    said = f"{_said(shown, requests)}; the first image of each"
    request_sheet(strips, columns, path, title=table.board.title, subtitle=said)


def has_pictures(table: Standings, folder: Path) -> bool:
    """Whether the lists of a table are of items with pictures; False where no run is there."""
    runs = _runs_of(table.rows, folder)
    if not runs:
        return False
    return reopen_world(runs[0].config, None, no_progress).dataset.catalog.pictured


def _draw_edits(table: Standings, folder: Path, path: Path) -> None:
    """The strips of edited models, over the strengths that were run."""
    runs = _runs_of(ordered_columns(table.rows), folder)
    world = reopen_world(runs[0].config, None, no_progress)
    veil = RunDirectory(runs[0].path, runs[0].config).veil
    requests = world.asked(runs[0].config).requests
    shown = shown_edits(requests)
    liked = {
        request.request_id: world.train.catalog.images(request.history[-N_LIKED:])
        for request in shown
    }
    names = {request.request_id: veil.user(request.user_id) for request in shown}
    strips = strips_of(shown, [_made(run, shown) for run in runs], liked, names)
    columns = [run.config.method.label for run in runs]
    said = subtitle_of(shown, requests)
    edit_sheet(strips, columns, path, title=table.board.title, subtitle=said)


def _runs_of(rows: Sequence[MethodRow], folder: Path) -> list[RunResults]:
    """One run for each row of a table."""
    known = {run.config.run_id: run for run in gather(folder)[0]}
    return [known[row.run_ids[0]] for row in rows if row.run_ids[0] in known]


def _said(shown: Sequence[Request], requests: Sequence[Request]) -> str:
    n, total = (len({r.user_id for r in some}) for some in (shown, requests))
    most = max(sum(r.user_id == one.user_id for r in shown) for one in shown)
    who = f"the first {n} of {total} users" if n < total else f"all {n} users"
    which = f"the first {most} requests of " if most > 1 else "the first request of "
    return f"{which}{who}, in the order of the protocol"


def _strip(
    world: World,
    results: RunResults,
    request: Request,
    made: Sequence[Image | None],
    uses: Mapping[str, Sequence[HistoryUse]],
) -> RequestStrip:
    """The names are those of the run directory, which may be pseudonyms."""
    veil = RunDirectory(results.path, results.config).veil
    catalog = world.dataset.catalog
    return RequestStrip(
        veil.user(request.user_id),
        request.instruction or "",
        world.train.catalog.images(request.history[-N_LIKED:]),
        None if request.reference is None else catalog.images([request.reference])[0],
        made,
        uses[request.request_id],
    )


def _uses(
    world: World, runs: Sequence[RunResults], requests: Sequence[Request]
) -> Mapping[str, list[HistoryUse]]:
    """Request id => what the methods of the runs say of its history, in the order of the runs."""
    uses: dict[str, list[HistoryUse]] = {request.request_id: [] for request in requests}
    for results in runs:
        said = read_explanations(results.path)
        veil, label = RunDirectory(results.path, results.config).veil, results.config.method.label
        for request in requests:
            one = said.get(veil.request(request.request_id)) if said else None
            if one is not None:
                uses[request.request_id].append(_use(world, label, request, one))
    return uses


def _use(world: World, method: str, request: Request, said: Explained) -> HistoryUse:
    places = range(len(request.history))[-N_USED:]
    images = world.train.catalog.images(request.history[-N_USED:])
    marks = [said.marks.get(place, "") for place in places]
    return HistoryUse(method, list(zip(images, marks, strict=True)), said.note)


def _made(results: RunResults, requests: Sequence[Request]) -> Mapping[str, list[Image | None]]:
    """Request id => the images made for it; None for those that were not delivered."""
    run = RunDirectory(results.path, results.config)
    made: dict[str, list[Image | None]] = {}
    for request in requests:
        name = request.request_id
        its_own = results.samples["request_id"] == run.veil.request(name)
        rows = results.samples[its_own].sort_values("index")
        made[name] = [
            run.read_image(str(row.sample_id), str(row.pixel_hash)) if row.state == "ok" else None
            for row in rows.itertuples()
        ]
    return made
