"""A map of embeddings: pictures that were made or liked, laid out in the plane (001, Fig 2)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from jaxtyping import Float

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.types import Embeddings
from persongen_bench.leaderboards.drawn.opened import evaluation_of, world_of
from persongen_bench.leaderboards.drawn.tables import Asked, Drawn, open_table, short, write_around
from persongen_bench.leaderboards.figures import SOFT_GREY, figure_at, plain, styles
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World
from persongen_bench.util.vectors import unit_rows

MOST_POINTS, LEAST_POINTS = 3000, 10
MOST_COLOURS = 10
OTHERS = "others"
PERPLEXITY = 30


def map_figure(folder: Path, asked: Asked, path: Path) -> None:
    """Pictures by nearness in the space of one encoder, coloured by method, user or attribute.

    ``asked.of``: ``made`` (by the rows of the table) or ``liked`` (by users, in training). Both by
    t-SNE (van der Maaten and Hinton 2008) from a fixed start; with more than `MOST_POINTS`
    pictures every k-th is taken.

    Raises:
        ConfigError: for fewer than `LEAST_POINTS` pictures, or a colour that there is not.
    """
    drawn = open_table(folder, asked)
    world = world_of(drawn, asked)
    if asked.of not in ("made", "liked"):
        raise ConfigError(f"a map is not of pictures {asked.of!r}", fix="Write --of made or liked.")
    vectors, about = (_made if asked.of == "made" else _liked)(drawn, asked, world)
    colour = asked.colour or ("method" if asked.of == "made" else "user")
    if colour not in about:
        raise ConfigError(
            f"these pictures have no {colour}", fix=f"Colours are: {', '.join(about.columns)}."
        )
    if len(vectors) < LEAST_POINTS:
        raise ConfigError(f"{len(vectors)} pictures are too few for a map, {LEAST_POINTS} are few")
    kept = np.linspace(0, len(vectors) - 1, min(len(vectors), MOST_POINTS)).astype(int)
    places, groups = laid_out(vectors[kept]), about[colour].astype(str).to_numpy()[kept]
    with figure_at(path, (7.4, 5.0)) as figure:
        axes = figure.add_subplot()
        ordered = _largest(groups)
        rest = ~np.isin(groups, ordered)
        if rest.any():
            axes.plot(*places[rest].T, ".", color=SOFT_GREY, markersize=4, label=OTHERS)
        for name, (shade, marker) in zip(ordered, styles(), strict=False):
            own = places[groups == name]
            said = f"{short(name, 28)} ({len(own)})"
            axes.plot(*own.T, marker, color=shade, markersize=4, alpha=0.7, markeredgewidth=0,
                      label=plain(said))  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal")
        figure.legend(loc="outside right center", fontsize=8)
        which = f"{len(kept)} of {len(vectors)}" if len(kept) < len(vectors) else f"{len(kept)}"
        note = (
            f"{drawn.data}. {which} pictures {asked.of}, each once; t-SNE of {asked.role} "
            f"({world.stack.name}): near means alike, distances between groups and axes mean "
            "nothing. No interval: it is a picture, no measurement."
        )
        title = f"{drawn.board.title}: map of pictures {asked.of}, by {colour}"
        write_around(figure, title, note)


def _made(drawn: Drawn, asked: Asked, world: World) -> tuple[Embeddings, pd.DataFrame]:
    parts, about = [], []
    for row in drawn.rows:
        for run in drawn.runs_of(row):
            seen = evaluation_of(run, world)
            parts.append(seen.features(asked.role))
            veil = RunDirectory(run.path, run.config).veil
            users = [veil.user(str(user)) for user in seen.samples["user_id"]]
            about.append(pd.DataFrame({"method": row.label, "user": users}))
    return np.concatenate(parts), pd.concat(about, ignore_index=True)


def _liked(drawn: Drawn, asked: Asked, world: World) -> tuple[Embeddings, pd.DataFrame]:
    first = next(iter(drawn.runs.values()))
    veil = RunDirectory(first.path, first.config).veil
    rows = world.train.interactions
    liked = rows[rows["liked"].astype(bool)].drop_duplicates("item_id")
    items = [str(item) for item in liked["item_id"]]
    about = world.train.catalog.items.loc[items].reset_index(drop=True)
    about = about.assign(user=[veil.user(str(user)) for user in liked["user_id"]])
    return world.features.rows(asked.role, items), about


def _largest(groups: np.ndarray) -> list[str]:
    counts = Counter(groups.tolist())
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return ordered[:MOST_COLOURS]


def laid_out(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
    """Places in the plane by t-SNE of the cosines, the same for the same vectors."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rows = unit_rows(vectors)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    with threadpool_limits(1):  # sums of several threads differ in the last bit
        made = TSNE(perplexity=perplexity, init="pca", random_state=0, n_jobs=1).fit_transform(rows)
    return np.asarray(made, dtype=np.float64)
