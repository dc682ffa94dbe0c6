"""Signature kNN: recommends models whose pictures change in the way of those that were liked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import numpy as np
import pandas as pd
from jaxtyping import Float
from pydantic import Field
from safetensors.numpy import load_file, save_file

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.core.method import FitContext
from persongen_bench.core.output import Ranking
from persongen_bench.core.request import Sample
from persongen_bench.core.roles import Condition
from persongen_bench.core.stack import Stack
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.methods._drawing import drawing_decoder, required_role
from persongen_bench.methods._items import Stateless
from persongen_bench.util.signatures import Signatures, signatures
from persongen_bench.util.vectors import unit_rows

_FILE = "signatures.safetensors"


class SignatureKnnConfig(Config):
    """How models are compared by their signatures.

    The defaults did best on the people of another world (tasteworld-loras, seed 1).
    """

    weight: Literal["none", "consistency"] = "none"
    """Whether a liked model counts by how much its own changes agree (0 where they do not)."""
    dislikes: float = Field(default=1.0, ge=0)
    """Weight against their neighbours of models that were tried and not liked."""
    centred: bool = True
    """Whether what all models do alike, such as any training on few pictures, is taken out."""


@final
class SignatureKnn(Stateless):
    """Mean cosine of a model's signature with those of the models that the user liked.

    A signature is the mean change of CLIP embeddings between pictures drawn with a model and the
    same pictures without it (`util.signatures`), so that it does not depend on the format, rank
    or base of the weights. Ours; ImageGem (paper 004) retrieves models by their users alone.
    """

    Config: ClassVar[type[Config]] = SignatureKnnConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"sandbox": {}}
    roles: ClassVar[tuple[str, ...]] = ("decoder", "clip")
    makes: ClassVar[str] = "ranking"

    def __init__(self, config: SignatureKnnConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Encode the examples of all models, and the same pictures without one."""
        self._train, zoo = train, _zoo(train)
        found = zoo_signatures(zoo, context)
        self._ids = zoo.ids
        self._direction = self._ways(found).astype(np.float32)
        self._consistency = np.nan_to_num(found.consistency, nan=1.0).astype(np.float32)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Ranking]:
        """All models that the user has not tried in training, best first; ties by id."""
        return [self._ranking(sample.request.user_id) for sample in samples]

    def save(self, folder: Path) -> None:
        """The signatures, in the order of the zoo."""
        arrays = {"direction": self._direction, "consistency": self._consistency}
        save_file(arrays, folder / _FILE)

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """Read the signatures; `RunError` where they are not those of the view's models."""
        self._train, self._ids = train, _zoo(train).ids
        kept = load_file(folder / _FILE)
        self._direction, self._consistency = kept["direction"], kept["consistency"]
        if len(self._direction) != len(self._ids):
            raise RunError(f"{folder}: signatures of other models", fix="Fit the method again.")

    def _ways(self, found: Signatures) -> Float[np.ndarray, "n d"]:
        if not self.config.centred:
            return found.direction
        change = found.direction * found.strength[:, None]
        change = change - change.mean(axis=0)
        return unit_rows(change)

    def _ranking(self, user: str) -> Ranking:
        rows = self._train.interactions[self._train.interactions["user_id"] == user]
        place = {name: number for number, name in enumerate(self._ids)}
        rows = rows[rows["item_id"].isin(place)]
        tried = [place[str(item)] for item in rows["item_id"]]
        counts = np.where(rows["liked"].to_numpy(dtype=bool), 1.0, -self.config.dislikes)
        if self.config.weight == "consistency":
            counts = counts * np.maximum(self._consistency[tried], 0)
        profile = counts @ self._direction[tried].astype(np.float64)
        scores = np.round(self._direction.astype(np.float64) @ profile, 9)
        left = sorted(set(range(len(self._ids))) - set(tried), key=lambda k: (-scores[k], k))
        return Ranking(tuple(self._ids[k] for k in left), tuple(float(scores[k]) for k in left))


def zoo_signatures(zoo: ModelZoo, context: FitContext) -> Signatures:
    """Signatures of a zoo's models, in its order, in the space of the role ``clip``.

    Its examples must have the columns ``prompt`` and ``seed``, and all models the same ones:
    `ConfigError` otherwise.
    """
    shown = zoo.examples.items
    if not {"prompt", "seed"} <= set(shown.columns):
        raise ConfigError("the example pictures of the models do not say what they show", fix=(
            "Use models whose examples have the columns prompt and seed."))  # fmt: skip
    asked = [_asked(shown.loc[list(zoo.examples_of(model))]) for model in zoo.ids]
    if any(one != asked[0] for one in asked):
        raise ConfigError("the models' examples differ in their prompts or seeds",
                          fix="Draw the same pictures with every model.")  # fmt: skip
    encoder: Any = required_role(context.stack, "clip", "compare pictures")
    plain = drawing_decoder(context.stack).draw(
        [Condition(prompt) for prompt, _ in asked[0]], [seed for _, seed in asked[0]]
    )
    rows = unit_rows(context.features("clip", View.unrated(zoo.examples)))
    own = [pd.Index(zoo.examples_of(model)) for model in zoo.ids]
    drawn = np.stack([rows[shown.index.get_indexer(names)] for names in own])
    return signatures(drawn, unit_rows(encoder.encode(plain)))


def _asked(rows: pd.DataFrame) -> list[tuple[str, int]]:
    return list(zip(rows["prompt"].astype(str), rows["seed"].astype(int), strict=True))


def _zoo(train: View) -> ModelZoo:
    if train.models is None:
        raise ConfigError("signature-knn ranks models, and these data hold none", fix=(
            "Use a data set of models, such as tasteworld-loras."))  # fmt: skip
    return train.models
