"""Metric hackers: images chosen to please one metric, by somebody who asks nothing else of them.

A hacker knows what the metric knows (the metric itself answers) and takes the best of N candidates
for every user: training items, the user's own history, and manipulated pictures. What true taste
it reaches says what the metric is worth as a target (Goodhart's law); whether it beats honest
methods on the metric although people like its images less says that the metric can be fooled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from PIL import Image as PilImage
from PIL import ImageEnhance, ImageFilter

from persongen_bench.core import images as imaging
from persongen_bench.core.metric import Metric
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Request
from persongen_bench.core.types import Image, content_hash
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.score import unit_values
from persongen_bench.loop.world import World


@dataclass(frozen=True)
class Effort:
    """How hard the hackers try."""

    n_items: int = 24
    """Training items among the candidates, the same for everybody."""
    n_manipulated: int = 24
    """Manipulated pictures among the candidates, the same for everybody."""
    n_own: int = 8
    """Items of the user's own history among the candidates, and as many manipulated ones."""
    n_sets: int = 32
    """Random sets tried where a metric says nothing of a single image."""
    seed: int = 0


@dataclass
class CandidatePool:
    """The candidates for every request, and how metrics see any choice of them.

    Choices and candidates are keyed by the request's id.
    """

    world: World
    requests: Sequence[Request]
    effort: Effort = Effort()
    progress: Progress = no_progress
    _instruments: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    @cached_property
    def pictures(self) -> dict[str, Image]:
        """Pixel hash => image."""
        return {}

    @cached_property
    def candidates(self) -> dict[str, list[str]]:
        """Request => pixel hashes, as many for each."""
        shared = [self._keep(image) for image in self._shared()]
        return {r.request_id: [*shared, *map(self._keep, self._own(r))] for r in self.requests}

    @property
    def n_candidates(self) -> int:
        """Candidates of every request."""
        return min(len(own) for own in self.candidates.values())

    @cached_property
    def columns(self) -> dict[str, int]:
        """Request => the place of its user among those asked for, as in `Evaluation.units`."""
        users = sorted({request.user_id for request in self.requests})
        return {r.request_id: users.index(r.user_id) for r in self.requests}

    def evaluation(self, choices: dict[str, list[str]]) -> Evaluation:
        """What metrics see if these images were the answers to these requests."""
        rows, requests = [], {}
        for request in self.requests:
            for k, digits in enumerate(choices[request.request_id]):
                sample = content_hash("candidate", request.key(), k)
                rows.append((sample, request.user_id, k, "ok", digits))
                requests[sample] = request
        columns = ["sample_id", "user_id", "index", "state", "pixel_hash"]
        return Evaluation(
            self.world,
            pd.DataFrame(rows, columns=columns),
            requests,
            lambda _, digits: self.pictures[digits],
            instruments=self._instruments,
        )

    def _keep(self, image: Image) -> str:
        digits = imaging.pixel_hash(image)
        self.pictures[digits] = image
        return digits

    def _shared(self) -> list[Image]:
        rng = np.random.default_rng([self.effort.seed, 1])
        ids = self.world.train.catalog.ids
        n = min(len(ids), self.effort.n_items + self.effort.n_manipulated)
        chosen = [ids[k] for k in rng.choice(len(ids), n, replace=False)]
        images = self.world.train.catalog.images(chosen)
        plain, rest = images[: self.effort.n_items], images[self.effort.n_items :]
        return plain + [manipulated(image, k, rng) for k, image in enumerate(rest)]

    def _own(self, request: Request) -> list[Image]:
        """History items, repeated where there are few, and manipulations of them."""
        rng = np.random.default_rng([self.effort.seed, int(content_hash(request.user_id), 16)])
        ids = list(request.history) or self.world.train.catalog.ids
        chosen = [ids[k % len(ids)] for k in range(self.effort.n_own)]
        images = self.world.train.catalog.images(chosen)
        return images + [manipulated(image, k, rng) for k, image in enumerate(images)]


def manipulated(image: Image, kind: int, rng: np.random.Generator) -> Image:
    """A picture changed in the ``kind``-th of eight ways (modulo 8): taste asks for none."""
    picture = imaging.to_pil(image)
    noise = rng.normal(0, 12, image.shape)
    changes = (
        lambda: picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 16)),
        lambda: ImageEnhance.Color(picture).enhance(3.0),
        lambda: ImageEnhance.Contrast(picture).enhance(2.5),
        lambda: ImageEnhance.Sharpness(picture).enhance(6.0),
        lambda: _tiled(picture),
        lambda: picture.transpose(PilImage.Transpose.FLIP_LEFT_RIGHT),
        lambda: picture.resize((1, 1)).resize(picture.size),
        lambda: imaging.to_pil(np.clip(image + noise, 0, 255).astype(np.uint8)),
    )
    return imaging.from_pil(changes[kind % len(changes)]())


def _tiled(picture: PilImage.Image) -> PilImage.Image:
    """Two by two copies at half the size."""
    width, height = picture.size
    small = picture.resize((max(1, width // 2), max(1, height // 2)))
    sheet = PilImage.new("RGB", picture.size)
    for left in (0, width // 2):
        for top in (0, height // 2):
            sheet.paste(small, (left, top))
    return sheet


def single_scores(pool: CandidatePool, metrics: Sequence[Metric]) -> dict[str, np.ndarray]:
    """Metric => ``(n_candidates, users)``: its value if a candidate were the only answer."""
    scores: dict[str, list[np.ndarray]] = {metric.info.name: [] for metric in metrics}
    for k in pool.progress(range(pool.n_candidates), "hackers try", pool.n_candidates):
        seen = pool.evaluation({asked: [own[k]] for asked, own in pool.candidates.items()})
        for metric in metrics:
            scores[metric.info.name].append(_oriented(metric, seen))
    return {name: np.array(rows) for name, rows in scores.items()}


def set_scores(
    pool: CandidatePool, metrics: Sequence[Metric], n_images: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Random sets ``(n_sets, n_images)`` of candidates, and metric => ``(n_sets, users)``."""
    rng = np.random.default_rng([pool.effort.seed, 2])
    size = min(n_images, pool.n_candidates)
    sets = np.array(
        [rng.choice(pool.n_candidates, size, replace=False) for _ in range(pool.effort.n_sets)]
    )
    scores: dict[str, list[np.ndarray]] = {metric.info.name: [] for metric in metrics}
    for chosen in pool.progress(sets, "hackers try sets", len(sets)):
        seen = pool.evaluation({r: [own[k] for k in chosen] for r, own in pool.candidates.items()})
        for metric in metrics:
            scores[metric.info.name].append(_oriented(metric, seen))
    return sets, {name: np.array(rows) for name, rows in scores.items()}


def hack(
    pool: CandidatePool, metrics: Sequence[Metric], n_images: int
) -> dict[str, dict[str, list[str]]]:
    """Metric => the images its hacker makes, ``{request: pixel hashes}``.

    By single images where the metric values one; the best ``n_images`` of them. Otherwise the
    best of random sets, for every user alone or, for a number of all images, for all.
    """
    alone = [m for m in metrics if m.info.level == "user"]
    singles = single_scores(pool, alone)
    made = {
        m.info.name: _best_images(pool, singles[m.info.name], n_images)
        for m in alone
        if not np.isnan(singles[m.info.name]).all()
    }
    rest = [m for m in metrics if m.info.name not in made]
    if rest:
        sets, scores = set_scores(pool, rest, n_images)
        for metric in rest:
            values = scores[metric.info.name]
            if not np.isnan(values).all():
                made[metric.info.name] = _best_sets(pool, sets, values, metric)
    return made


def _oriented(metric: Metric, seen: Evaluation) -> np.ndarray:
    """Values per user, higher is better."""
    sign = -1.0 if metric.info.direction == "lower" else 1.0
    return sign * unit_values(metric, seen).to_numpy(dtype=float)


def _best_images(pool: CandidatePool, scores: np.ndarray, n_images: int) -> dict[str, list[str]]:
    chosen = {}
    for asked, own in pool.candidates.items():
        values = np.nan_to_num(scores[:, pool.columns[asked]], nan=-np.inf)
        best = np.argsort(-values, kind="stable")[:n_images]
        chosen[asked] = [own[k] for k in best]
    return chosen


def _best_sets(
    pool: CandidatePool, sets: np.ndarray, scores: np.ndarray, metric: Metric
) -> dict[str, list[str]]:
    if metric.info.level == "set":
        scores = np.repeat(np.nanmean(scores, axis=1, keepdims=True), scores.shape[1], axis=1)
    chosen = {}
    for asked, own in pool.candidates.items():
        best = int(np.argmax(np.nan_to_num(scores[:, pool.columns[asked]], nan=-np.inf)))
        chosen[asked] = [own[k] for k in sets[best]]
    return chosen
