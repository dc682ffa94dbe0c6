"""The method: a base recommender's list, whose first items a judge puts into another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import LISTED_LENGTH, NOTE_LENGTH, Explanation, FitContext, Method
from persongen_bench.core.output import RANKING, Ranking
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import content_hash
from persongen_bench.methods._drawing import required_role
from persongen_bench.methods._items import Stateless, no_history, read_json, write_json
from persongen_bench.methods.personas import DescriptionBook
from persongen_bench.methods.vlm_ranker.captions import (
    Captions,
    ModelPrompts,
    SeenPictures,
    TaggedPictures,
)
from persongen_bench.methods.vlm_ranker.config import (
    GENERATE_FIELDS,
    PAPER,
    SANDBOX,
    VlmRankerConfig,
)
from persongen_bench.util.judging.judges import Judge, PictureJudge, RubricJudge, TextJudge
from persongen_bench.util.judging.rubric import Question
from persongen_bench.util.judging.scoring import Judged, judged, subsets


@final
class VlmRanker(Stateless):
    """Re-ranks the first ten items of a recommender by a rubric of 100 points.

    The user's latest likes become a profile in words under four headings; the judge scores random
    subsets of the candidates against it and says why, every candidate equally often; the mean
    scores make the order (ImageGem, paper 004, sec. 4.2 and app. B.1). Equal scores keep the
    base's order. A reply that is not the JSON asked for is refused by name and asked for once
    more; a candidate that no reply scores stands behind the scored ones, and where no reply can be
    read at all the answer fails. Items behind the first ten follow as they stood.
    """

    Config = VlmRankerConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"paper": PAPER, "sandbox": SANDBOX}
    generate_fields: ClassVar[frozenset[str]] = GENERATE_FIELDS
    makes: ClassVar[str] = RANKING.name

    def __init__(self, config: VlmRankerConfig) -> None:
        self.config = config
        cls = registry.get("methods", config.base)
        if cls.makes != RANKING.name:
            raise ConfigError(
                f"vlm-ranker re-ranks lists, and its base {config.base} makes {cls.makes}s",
                fix="Use a recommender, such as base=item-knn.",
            )
        values = {**cls.presets.get(config.base_preset, {}), **config.base_config}
        self.base: Method = cls(cls.Config.model_validate(values))
        self._said: dict[tuple[str, ...], Judged] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The base's, and those of who captions and who judges."""
        own = {"llm": ("llm",), "lmm": ("lmm",), "rubric": ()}[self.config.judge]
        captions = () if self.config.items == "models" else (self.config.captions,)
        return tuple(dict.fromkeys((*self.base.roles, *captions, *own)))

    def fit(self, train: View, context: FitContext) -> None:
        """Fit the base; nothing else is learned."""
        if not context.base_fitted:
            self.base.fit(train, context)
        self._seed = context.seed
        self._open(context.stack, train)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Ranking | Failure]:
        """The base's lists, their first items in the judge's order."""
        lists = self.base.generate(samples) if samples else []
        return [self._reranked(s, made) for s, made in zip(samples, lists, strict=True)]

    def _reranked(self, sample: Sample, made: Ranking | Failure) -> Ranking | Failure:
        if isinstance(made, Failure):
            return made
        if not sample.request.history:
            return no_history(sample)
        said = self._judge_list(sample.request, made)
        if not said.scores:
            return Failure("method_error", f"no reply of the judge can be read: {said.problem}")
        return reordered(made, said.scores, self.config.n_candidates)

    def explain(self, request: Request) -> Explanation:
        """How many replies were read, and why each of the scored items stands where it stands."""
        sample = Sample(content_hash("explain", request.request_id), 0, request)
        (made,) = self.base.generate([sample])
        if isinstance(made, Failure) or not request.history:
            return Explanation()
        said = self._judge_list(request, made)
        config = self.config
        note = f"first {config.n_candidates} of {config.base} by judge {config.judge}"
        unread = f"; {said.n_unread} of {said.n_subsets} replies unread" if said.n_unread else ""
        why = {item: f"{said.scores[item]:.1f} {words}"[:LISTED_LENGTH]
               for item, words in said.explanations.items()}  # fmt: skip
        return Explanation(note=f"{note}{unread}"[:NOTE_LENGTH], listed=why)

    def _judge_list(self, request: Request, made: Ranking) -> Judged:
        items = made.item_ids[: self.config.n_candidates]
        key = (request.request_id, *items)
        if key not in self._said:
            self._said[key] = judged(self._judge, self._questions(request, items))
        return self._said[key]

    def _questions(self, request: Request, items: Sequence[str]) -> list[Question]:
        profile = self._captions.profile(request.history[-self.config.n_history :])
        told = dict(zip(items, self._captions.of(items), strict=False))
        rng = np.random.default_rng(int(content_hash(self._seed, request.request_id), 16))
        drawn = subsets(len(items), self.config.subset_size, self.config.n_subsets, rng)
        return [
            Question(
                self._captions.task,
                profile,
                tuple(items[k] for k in places),
                tuple(told[items[k]] for k in places) if told else (),
            )
            for places in drawn
        ]

    def save(self, folder: Path) -> None:
        """Store the base and the seed that draws subsets."""
        (folder / "base").mkdir()
        self.base.save(folder / "base")
        write_json(folder, {"seed": self._seed})

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore them."""
        self.base.load(folder / "base", stack, train)
        self._seed = int(read_json(folder)["seed"])
        self._open(stack, train)

    def _open(self, stack: Stack, train: View) -> None:
        self._judge, self._captions = self._opened(stack, train)
        self._said.clear()

    def _opened(self, stack: Stack, train: View) -> tuple[Judge, Captions]:
        config, catalog = self.config, train.catalog
        judge: Judge = RubricJudge()
        if config.judge == "llm":
            llm = required_role(stack, "llm", "score items")
            judge = TextJudge(llm, config.max_new_tokens)
        if config.judge == "lmm":
            lmm = required_role(stack, "lmm", "score items")
            judge = PictureJudge(lmm, catalog.images, config.max_new_tokens)
        if config.items == "models" or (config.items == "auto" and not catalog.pictured):
            return judge, ModelPrompts(catalog, judge)
        seer = required_role(stack, config.captions, "put pictures into words")
        if config.captions == "captioner":
            return judge, TaggedPictures(DescriptionBook(seer, catalog), config.words)
        told = config.judge != "lmm"
        return judge, SeenPictures(seer, catalog, config.max_new_tokens, told=told)


def reordered(made: Ranking, scores: Mapping[str, float], n: int) -> Ranking:
    """The first ``n`` items by score, those without one behind them; the rest as it stood.

    Equal scores, and no scores, keep the base's order. The new scores are minus the places, equal
    where the base ties two items that the judge does not tell apart either.
    """
    own = made.scores or tuple(-float(k) for k in range(len(made.item_ids)))
    keys = [
        (0 if item in scores else 1, -scores.get(item, 0.0), -score) if k < n else (2, 0.0, -score)
        for k, (item, score) in enumerate(zip(made.item_ids, own, strict=True))
    ]
    order = sorted(range(len(keys)), key=lambda k: (keys[k], k))
    places = [0]
    for one, other in pairwise(order):
        places.append(places[-1] if keys[one] == keys[other] else len(places))
    return Ranking(tuple(made.item_ids[k] for k in order), tuple(-float(p) for p in places))
