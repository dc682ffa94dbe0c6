"""The contact sheet of a run: what its users liked above, what was made for them below.

Ranked lists have a strip for each user (`list_gallery`). Where requests have a picture to
follow, every request has a strip of its own; where prompts are asked, every prompt has a row.
"""

from __future__ import annotations

from pathlib import Path

from persongen_bench.core.output import IMAGE, RANKING
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.list_gallery import draw_list_sheet
from persongen_bench.leaderboards.pictures import UserStrip, contact_sheet
from persongen_bench.leaderboards.prompt_gallery import draw_prompts
from persongen_bench.leaderboards.request_gallery import draw_request_sheet
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World

CONTACT_SHEET = "contact_sheet.png"
N_COLUMNS = 10
N_USERS = 12


def draw_contact_sheet(results: RunResults, world: World) -> Path:
    """Write the contact sheet into the run directory, unless it is up to date.

    Nothing is drawn of data without pictures.
    """
    path = results.path / CONTACT_SHEET
    made = results.path / "summary.json"
    if path.exists() and path.stat().st_mtime >= made.stat().st_mtime:
        return path
    if not world.dataset.catalog.pictured:
        return path
    kind = RunDirectory(results.path, results.config).kind
    if kind is RANKING:
        draw_list_sheet(results, world, path)
        return path
    if kind is IMAGE:
        if results.config.unit == "prompt":
            draw_prompts(results, world, path)
            return path
        if _follows(results, world):
            draw_request_sheet(results, world, path)
            return path
    shown = set(results.samples["user_id"].astype(str))
    veil = RunDirectory(results.path, results.config).veil
    likers = {veil.user(user): user for user in world.train.users}
    users = sorted(shown)
    headline = get_board(results.config.board).headline
    scores = results.scores[results.scores["metric"] == headline].set_index("unit")["value"]
    strips = [
        UserStrip(
            user,
            _liked(world, likers.get(user, user)),
            _made(results, user),
            float(scores.get(user, "nan")),
        )
        for user in users[:N_USERS]
    ]
    contact_sheet(
        strips, path, title=results.config.method.label, headline=headline, n_users=len(users)
    )
    return path


def _follows(results: RunResults, world: World) -> bool:
    return any(request.reference for request in world.asked(results.config).requests)


def _liked(world: World, user: str) -> list[Image]:
    likes = world.train.liked_items.get(user, ())[-N_COLUMNS:]
    return world.train.catalog.images(likes)


def _made(results: RunResults, user: str) -> list[Image | None]:
    """The first images made for a user; None for those that were not delivered."""
    run = RunDirectory(results.path, results.config)
    rows = results.samples[results.samples["user_id"] == user].head(N_COLUMNS)
    made: list[Image | None] = []
    for row in rows.itertuples():
        if row.state != "ok":
            made.append(None)
        else:
            made.append(run.read_image(str(row.sample_id), str(row.pixel_hash)))
    return made[:N_COLUMNS]
