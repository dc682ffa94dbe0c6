"""What the methods share that move LoRAs along directions of their weights."""

from __future__ import annotations

import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from safetensors.numpy import load_file, save_file

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, UnsupportedRequestError
from persongen_bench.core.method import Explanation, FitContext
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.core.roles import Adapter
from persongen_bench.core.stack import Stack
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.methods._items import Stateless
from persongen_bench.methods.w2w.config import SpaceConfig
from persongen_bench.methods.w2w.corpus import Corpus
from persongen_bench.methods.w2w.directions import Direction
from persongen_bench.methods.w2w.layout import Layout, fits_rank
from persongen_bench.methods.w2w.pca import GramPca
from persongen_bench.methods.w2w.signs import align
from persongen_bench.util.lora.layers import LoraLayers
from persongen_bench.util.lora.writing import from_adapter, to_adapter

EVERYBODY = ""
"""Stands for all users where a direction is the same for all."""
LEAST = 4
"""Models that a fit needs."""
CHUNK = 16
"""LoRAs open at a time."""


@dataclass(frozen=True)
class Move:
    """One user's direction as a change of vectors."""

    change: np.ndarray
    """float32 ``(d,)``: a step of one standard deviation of the training models' projections."""
    alpha: float
    """That step in units of the unit direction."""
    raw_alpha: float
    """That step in the papers' units, along the classifier's normal as it came."""


class EditsModels(Stateless, ABC):
    """Base of the methods that answer with the request's model, moved along a direction.

    A subclass says which directions there are. The fit reads every training model twice and keeps
    one vector of the layout's length for each direction.
    """

    makes: ClassVar[str] = "adapter"
    generate_fields: ClassVar[frozenset[str]] = frozenset({"strength", "residual"})
    config: SpaceConfig

    def __init__(self, config: SpaceConfig) -> None:
        self.config = config

    @property
    def roles(self) -> tuple[str, ...]:
        """None, where the directions need none."""
        return ()

    @abstractmethod
    def directions(
        self, train: View, coordinates: np.ndarray, rows: Sequence[int], context: FitContext
    ) -> Mapping[str, Direction]:
        """Directions of the coordinates by user.

        ``coordinates``: ``(n, m)`` of the models at the positions ``rows`` of the zoo's table.
        """

    def fit(self, train: View, context: FitContext) -> None:
        """Vectors, components, directions; `ConfigError` where there are too few models."""
        zoo, config = models_of(train), self.config
        rows = [
            k for k, lora in enumerate(_opened(zoo, zoo.ids))
            if fits_rank(lora, config.space, config.rank)
        ]  # fmt: skip
        if len(rows) < LEAST:
            what = "" if config.space == "svd" else f" of rank {config.rank}"
            raise ConfigError(
                f"{len(rows)} of {len(zoo)} models can be learned from{what}, {LEAST} are needed",
                fix="Use more models, space=svd or another rank.",
            )
        ids = [zoo.ids[k] for k in rows]
        self._layout = Layout.of(_opened(zoo, ids), config.space, config.rank, config.least_share)
        folder = Path(tempfile.mkdtemp(prefix="w2w-", dir=_existing(context.checkpoints)))
        try:
            self._learn(train, ids, rows, context, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _learn(
        self,
        train: View,
        ids: Sequence[str],
        rows: Sequence[int],
        context: FitContext,
        folder: Path,
    ) -> None:
        config, layout = self.config, self._layout
        corpus = Corpus(folder, (len(ids), layout.size), config.corpus_dtype)
        loras = context.progress(_opened(models_of(train), ids), "models", len(ids))
        corpus.write(map(layout.vector, loras))
        if config.space == "svd" and config.sign == "corpus":
            self._layout = replace(layout, signs=align(corpus, layout.places))
        pca = GramPca.fit(corpus, config.n_components, config.sd_floor)
        found = self.directions(train, pca.coordinates, rows, context)
        users = sorted(found)
        normals = np.stack([found[u].unit for u in users], axis=1) if users else None
        changes = [] if normals is None else list(pca.directions(corpus, normals))
        self._moves = {
            user: Move(change * np.float32(own.alpha(1)), own.alpha(1), own.raw_alpha(1))
            for user, change in zip(users, changes, strict=True)
            for own in [found[user]]
        }
        corpus.remove()

    def generate(self, samples: Sequence[Sample]) -> Sequence[Adapter | Failure]:
        """The edited model of every sample, the same for all of a request's."""
        return [self._edited(sample.request) for sample in samples]

    def moved(self, lora: LoraLayers, strengths: Mapping[str, float]) -> LoraLayers:
        """A model moved along several directions at once: user => strength.

        Raises `UnsupportedRequestError` for a user without a direction, or a model of another rank
        than the space takes.
        """
        refusal = self._layout.refusal(lora)
        if refusal:
            cut = f"`pgbench convert lora IN OUT --rank {self._layout.rank}`"
            raise UnsupportedRequestError(
                refusal, fix=f"Cut a larger rank ({cut}), or use a method with space=svd."
            )
        change = sum(
            (np.float32(t) * self._move(user).change for user, t in strengths.items()),
            np.zeros(self._layout.size, dtype=np.float32),
        )
        return self._layout.moved(lora, change, self.config.residual)

    @property
    def moves(self) -> Mapping[str, Move]:
        """By user; one that is the same for all under `EVERYBODY`."""
        return self._moves

    @property
    def layers(self) -> Mapping[str, tuple[int, ...]]:
        """Path => shape of the weights that directions change."""
        return self._layout.shapes

    def explain(self, request: Request) -> Explanation:
        """What the strength is in other units."""
        if EVERYBODY not in self._moves and request.user_id not in self._moves:
            return Explanation()
        move, t = self._move(request.user_id), self.config.strength
        raw = f"raw alpha {t * move.raw_alpha:.3g}"
        return Explanation(note=f"{t:g} sd = alpha {t * move.alpha:.3g}, {raw}")

    def save(self, folder: Path) -> None:
        """A direction each as safetensors, the layout as JSON."""
        users = sorted(self._moves)
        save_file(
            {str(k): self._moves[user].change for k, user in enumerate(users)},
            folder / "moves.safetensors",
        )
        signs = {path: np.asarray(way) for path, way in self._layout.signs.items()}
        save_file(signs, folder / "signs.safetensors")
        document = {
            "space": self._layout.space,
            "rank": self._layout.rank,
            "shapes": {path: list(shape) for path, shape in self._layout.shapes.items()},
            "moves": [[u, self._moves[u].alpha, self._moves[u].raw_alpha] for u in users],
        }
        (folder / "space.json").write_text(json.dumps(document), encoding="utf-8")

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """What `save` wrote; no model of the stack is needed."""
        said = json.loads((folder / "space.json").read_text(encoding="utf-8"))
        shapes = {path: tuple(shape) for path, shape in said["shapes"].items()}
        signs = load_file(folder / "signs.safetensors")
        self._layout = Layout(said["space"], shapes, said["rank"], signs)
        changes = load_file(folder / "moves.safetensors")
        self._moves = {
            user: Move(changes[str(k)], alpha, raw)
            for k, (user, alpha, raw) in enumerate(said["moves"])
        }

    def _edited(self, request: Request) -> Adapter | Failure:
        if request.model is None:
            raise UnsupportedRequestError("the request names no model to edit")
        try:
            model = request.open_model()
            user = EVERYBODY if EVERYBODY in self._moves else request.user_id
            moved = self.moved(from_adapter(model), {user: self.config.strength})
            return replace(to_adapter(moved), words=model.words)
        except UnsupportedRequestError as error:
            return Failure("method_error", str(error))

    def _move(self, user: str) -> Move:
        move = self._moves.get(EVERYBODY, self._moves.get(user))
        if move is None:
            raise UnsupportedRequestError(f"there is no direction for user {user}")
        return move


def models_of(train: View) -> ModelZoo:
    """The training models; `ConfigError` where the data hold none."""
    if train.models is None or not len(train.models):
        raise ConfigError(
            "these data hold no models to learn from",
            fix="Use data with models, such as tasteworld.",
        )
    return train.models


def _opened(zoo: ModelZoo, ids: Sequence[str]) -> Iterator[LoraLayers]:
    """LoRAs one after another, `CHUNK` open at a time."""
    for start in range(0, len(ids), CHUNK):
        yield from map(from_adapter, zoo.open(list(ids[start : start + CHUNK])))


def _existing(folder: Path | None) -> Path | None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder
