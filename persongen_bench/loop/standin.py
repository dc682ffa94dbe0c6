"""For whom a metric is defined: the data and the request decide, never what was delivered.

It is found by scoring a stand-in: every planned sample answered with a picture of the training
catalogue. A unit for which the stand-in has no value is outside the metric's domain, for every
method alike; inside it, whoever delivers nothing that can be scored counts the failed value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import Metric
from persongen_bench.core.metric_values import checked
from persongen_bench.core.output import IMAGE, RANKING, Ranking
from persongen_bench.core.stack import FixedSize
from persongen_bench.core.types import Image, content_hash
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.world import World

N_PICTURES = 32
"""Different pictures that stand in; those of one request are different up to so many."""
LARGEST_SIDE = 1024
"""Larger pictures are scaled down where the stack fixes no size."""


def defined(metric: Metric, evaluation: Evaluation) -> pd.Series:
    """Per unit whether the metric is defined for it; the same for every method of a world.

    A metric that reads adapters is tried on one that was delivered, since none can be made up;
    where none was delivered, nobody has a value.
    """
    about = (type(metric), metric.signature(evaluation), evaluation.unit)
    key = (*about, evaluation.world.split.hash, _plan(evaluation))
    known = evaluation.world.domains
    if key not in known:
        known[key] = _domain(metric, evaluation)
    return pd.Series(evaluation.units, index=list(evaluation.units)).isin(known[key])


def _domain(metric: Metric, evaluation: Evaluation) -> frozenset[str]:
    if not len(evaluation.world.train.catalog):
        return frozenset()
    if metric.info.reads not in (IMAGE.name, RANKING.name) and evaluation.samples.empty:
        return frozenset()
    seen = evaluation.memo("stand-in", lambda: stand_in(evaluation))
    values = checked(metric.info, metric.per_unit(seen), evaluation.units)
    return frozenset(values.index[values.notna()])


def _plan(evaluation: Evaluation) -> str:
    """Which samples are asked for; not by whom or with which seed."""
    planned = evaluation.planned
    pairs = zip(planned["request_id"], planned["index"], strict=True)
    return evaluation.memo(
        "plan", lambda: content_hash(sorted((str(request), int(k)) for request, k in pairs))
    )


def stand_in(evaluation: Evaluation) -> Evaluation:
    """The same plan with every sample delivered: a picture, or a list, by request and index."""
    planned, opened = evaluation.planned, {}
    pairs = list(zip(planned["request_id"], planned["index"], strict=True))
    if evaluation.kind is RANKING:  # of items that may have no pictures
        digits = [content_hash(request, int(k)) for request, k in pairs]
    else:
        pictures = _pictures(evaluation.world)
        opened = {imaging.pixel_hash(picture): picture for picture in pictures}
        digits = _dealt(pairs, list(opened))
    return Evaluation(
        evaluation.world,
        evaluation.all_samples.assign(state="ok", pixel_hash=digits, digest=digits),
        evaluation.requests,
        lambda _, digit: opened[digit],
        unit=evaluation.unit,
        targets=evaluation.targets,
        open_output=_answers(evaluation, opened),
        instruments=evaluation.instruments,
    )


def _dealt(pairs: Sequence[tuple[str, int]], hashes: Sequence[str]) -> list[str]:
    """A picture for each request and index, different ones within a request."""
    starts = {request: int(content_hash(request), 16) % len(hashes) for request, _ in pairs}
    return [hashes[(starts[request] + int(k)) % len(hashes)] for request, k in pairs]


def _answers(evaluation: Evaluation, opened: dict[str, Image]) -> Callable[[str, str], Any]:
    """What opens the stand-in's answers, of the kind that the run has."""
    if evaluation.kind is IMAGE:
        return lambda _, digit: opened[digit]
    if evaluation.kind is RANKING:
        ids = _some_items(evaluation.world)
        return lambda _, digit: Ranking(tuple(np.roll(ids, int(digit, 16) % len(ids)).tolist()))
    return lambda _, __: evaluation.outputs([0])[0]


def _some_items(world: World) -> list[str]:
    return sorted(world.train.catalog.ids, key=content_hash)[:N_PICTURES]


def _pictures(world: World) -> list[Image]:
    """Training pictures, each once, of the size that the stack draws where it fixes one."""
    side = side_of(world)
    opened = (world.train.catalog.images([item])[0] for item in _some_items(world))
    scaled = [_bounded(image) if side is None else imaging.resize(image, side) for image in opened]
    return list({imaging.pixel_hash(image): image for image in scaled}.values())


def side_of(world: World) -> int | None:
    """Side in pixels of the square images that the stack draws; None where it fixes none."""
    try:
        return world.stack.image_size if isinstance(world.stack, FixedSize) else None
    except PgbenchError:
        return None


def smallest_side(world: World) -> int:
    """The shortest side among the training pictures that stand in."""
    opened = (world.train.catalog.images([item])[0] for item in _some_items(world))
    return min((min(image.shape[1:]) for image in opened), default=1)


def _bounded(image: Image) -> Image:
    height, width = image.shape[1:]
    if max(height, width) <= LARGEST_SIDE:
        return image
    scale = LARGEST_SIDE / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return imaging.from_pil(imaging.to_pil(image).resize(shape))
