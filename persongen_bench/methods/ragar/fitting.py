"""The stages of a fit in their order: mining, stage 0, warm start, reflection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Literal

import numpy as np
import torch

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.roles import PromptDecoder
from persongen_bench.core.types import Embeddings
from persongen_bench.methods.ragar.config import RagarConfig
from persongen_bench.methods.ragar.generator import Generator
from persongen_bench.methods.ragar.losses import fit_projection
from persongen_bench.methods.ragar.pool import Pool, Pools, fill_pools, requests_of
from persongen_bench.methods.ragar.preferences import Preferences
from persongen_bench.methods.ragar.reflection import Reflection, ReflectionLog
from persongen_bench.methods.ragar.retrieval import preference
from persongen_bench.methods.ragar.rewards import RankReward
from persongen_bench.methods.ragar.stage0 import Examples, fit_detail
from persongen_bench.methods.ragar.states import TextStates
from persongen_bench.methods.ragar.tools import Tools, Visual
from persongen_bench.methods.ragar.warm import warm_up
from persongen_bench.rankers.micro import Micro, MicroConfig
from persongen_bench.rankers.ranker import Ranker, RankingData
from persongen_bench.rankers.vbpr import Vbpr, VbprConfig
from persongen_bench.util.training import Workshop

_FOR_PROJECTION = 2000
"""Catalogue items that the projection of the calibrator loss is fitted on, at most."""


class Fitting:
    """One fit; everything random comes from ``context.seed``."""

    def __init__(
        self,
        train: View,
        context: FitContext,
        config: RagarConfig,
        preferences: Preferences,
    ) -> None:
        self._train, self._context, self._config = train, context, config
        self._preferences = preferences
        self._users = [u for u in context.users or train.users if train.liked_items.get(u)]

    def mine(self) -> None:
        """Keywords of what histories will end with, each item once."""
        ends = [self._train.liked_items[user][-self._config.n_history :] for user in self._users]
        self._preferences.mine(chain.from_iterable(ends), self._context.progress)
        self._preferences.settle()

    def fit(
        self, generator: Generator, states: TextStates, decoder: PromptDecoder
    ) -> ReflectionLog:
        """Stage 0, and the calibrator's two stages where it is on."""
        subjects = self._preferences.words.subjects(self._train.catalog.ids)
        lists = [words for words in self._preferences.mined().values() if words]
        examples = Examples(subjects, lists, self._preferences)
        seed, config = self._context.seed, self._config
        fit_detail(generator.detail, examples, states, config, self._workshop("stage-0"), seed)
        rng = np.random.default_rng([seed % (1 << 63), 1])
        asked = requests_of(self._train, self._users, self._preferences, config, rng)
        if not generator.calibrated or not asked:
            return ReflectionLog()
        pools = fill_pools(asked, config.n_validation, generator, states)
        warm_up(generator, pools.trained, config, self._workshop("warm-start"), seed)
        return self._reflect(generator, pools, states, decoder)

    def _reflect(
        self, generator: Generator, pools: Pools, states: TextStates, decoder: PromptDecoder
    ) -> ReflectionLog:
        if not self._config.reflects:
            return ReflectionLog()
        clip = self._context.stack.role("clip")
        tools = Tools(decoder, self._reward(), clip, self._visual(pools.trained, states))
        reflection = Reflection(generator, pools, tools, self._config, self._context.seed)
        reflection.run(self._context.progress)
        return reflection.log

    def _reward(self) -> RankReward | None:
        """The ranking model of the training ratings; None where it has no say."""
        if not self._config.rewarded:
            return None
        text = None
        if self._config.ranker == "micro":
            captions = self._preferences.words.captions(self._train.catalog.ids)
            text = self._context.stack.role("clip").encode_texts(captions)
        data = RankingData.of(self._train, self._features(), text)
        ranker = ranker_called(self._config.ranker, self._config.ranker_settings)
        ranker.fit(data, self._context.seed, self._context.progress)
        return RankReward(ranker, self._context.stack.role("vit"), self._config.reward)

    def _visual(self, pool: Pool, states: TextStates) -> Visual | None:
        """Visual preferences of the pool and the projection to them; None where not used."""
        if self._config.calibrator_weight == 0:
            return None
        features, ids = self._features(), self._train.catalog.ids
        row = {item: place for place, item in enumerate(ids)}
        asked = [request.asked for request in pool.requests]
        wanted = [preference(features[[row[i] for i in a.retrieved]], a.shares) for a in asked]
        chosen = np.random.default_rng(0).permutation(len(ids))[:_FOR_PROJECTION]
        captions = self._preferences.words.captions([ids[place] for place in chosen])
        seen = torch.from_numpy(features[chosen])
        projection = fit_projection(_mean_rows(states, captions), seen)
        return Visual(projection, torch.from_numpy(np.stack(wanted)))

    def _features(self) -> Embeddings:
        return self._context.features("vit", self._train)

    def _workshop(self, stage: str) -> Workshop:
        folder = self._context.checkpoints
        return Workshop(None if folder is None else folder / stage, self._context.progress)


def ranker_called(
    name: Literal["vbpr", "micro"], settings: Literal["quick", "published"]
) -> Ranker:
    """An unfitted ranking model."""
    published = settings == "published"
    if name == "vbpr":
        return Vbpr(VbprConfig.model_validate(Vbpr.presets["paper"] if published else {}))
    return Micro(MicroConfig.model_validate(Micro.presets["paper"] if published else {}))


def _mean_rows(states: TextStates, texts: Sequence[str], size: int = 64) -> torch.Tensor:
    parts = [states.batch(texts[k : k + size]).mean(dim=1) for k in range(0, len(texts), size)]
    return torch.cat(parts)
