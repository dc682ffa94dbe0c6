"""A LoRA on windows of the training view: a person's likes, and the one that came next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError, RunError
from persongen_bench.core.language import MultimodalModel
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import content_hash
from persongen_bench.methods._items import read_json, write_json
from persongen_bench.methods.lmm_baselines.prompting import Prompt, Prompter, blinded
from persongen_bench.methods.tuning.config import TuningConfig
from persongen_bench.methods.tuning.lora import Adapters, injected
from persongen_bench.methods.tuning.training import (
    Bench,
    Course,
    Facts,
    Trainer,
    best_of,
    rows,
    torch_seed,
)
from persongen_bench.methods.tuning.windows import (
    Owned,
    Windows,
    cut_windows,
    known_texts,
    others,
)

FILE = "lora.safetensors"
ORDER, STEP, LOOK = 1, 2, 3
"""Purposes of the seeds."""

Answers = Callable[[Sequence[Prompt], Sequence[str]], Tensor]
"""``(b,)`` mean log-likelihood of what is to be learned of the target items, after prompts."""


@dataclass(frozen=True)
class Tuned:
    """What a fit leaves."""

    lora: Mapping[str, Tensor]
    record: Mapping[str, Any]
    """What the fit says of itself."""

    def save(self, folder: Path) -> None:
        """Safetensors and JSON."""
        save_file({key: value.contiguous() for key, value in self.lora.items()}, folder / FILE)
        write_json(folder, self.record)

    @classmethod
    def load(cls, folder: Path) -> Tuned:
        """What `save` wrote; `RunError` where it is damaged."""
        try:
            return cls(load_file(folder / FILE), read_json(folder))
        except (OSError, ValueError, SafetensorError) as error:
            raise RunError(f"{folder}: no LoRA to load ({error})", fix="Fit again.") from None


@dataclass(frozen=True)
class Tuner:
    """Learns what answers windows."""

    config: TuningConfig
    lmm: MultimodalModel
    prompter: Prompter
    answers: Answers
    name: str
    """Of the method; names its checkpoints."""

    def fit(self, train: View, context: FitContext) -> Tuned:
        """Learn; the model is left as it was. `DataError` where no user has enough likes."""
        config = self.config
        windows = cut_windows(
            train, config.n_history, config.n_validation, config.n_validation_windows
        )
        if not windows.fit:
            raise DataError(
                f"no user of the training data has more than {config.n_history} likes",
                fix="Set n_history to fewer.",
            )
        texts = known_texts(train)
        judge = best_of(config.stop_on, config.patience, lower=config.stop_on == "loss")
        course = Course("tuning", config.n_steps, config.n_warmup_steps, config.check_every, judge)
        with injected(self.lmm.model, config, context.seed) as adapters:
            trainer = Trainer([(config.learning_rate, adapters.parameters())], course)
            lesson = _Lesson(self, windows, texts, adapters, context.seed)
            looks = trainer.train(lesson.loss, lesson.look, self._bench(train, context))
            lora = adapters.state()
        record = {"n_windows": len(windows.fit), "n_validation": len(windows.validation)}
        return Tuned(lora, {**record, "looks": looks})

    def _bench(self, train: View, context: FitContext) -> Bench:
        options = self.config.model_dump(mode="json")
        place = [train.hash, context.seed, context.stack.signature]
        return Bench(content_hash(self.name, options, place), context.checkpoints, context.progress)


@dataclass(frozen=True)
class _Lesson:
    """Batches of windows."""

    tuner: Tuner
    windows: Windows
    texts: Mapping[str, str]
    adapters: Adapters
    seed: int

    def loss(self, step: int) -> Tensor:
        """Mean negative log-likelihood of a step's windows."""
        size = self.tuner.config.batch_size
        places = rows(len(self.windows.fit), self.seed + ORDER, step * size, size)
        owned = [self.windows.fit[place] for place in places]
        rng = np.random.default_rng([self.seed, STEP, step])
        blind = rng.random(size) < self.tuner.config.history_dropout
        with torch_seed(int(rng.integers(1 << 62))), self.adapters.dropping():
            return -self._likelihood(owned, owned, blind.tolist()).mean()

    @torch.no_grad()
    def look(self) -> Facts:
        """``loss`` of the validation windows and ``gain`` of the own history over a stranger's."""
        owned = self.windows.validation
        if not owned:
            return {}
        strangers = [owned[place] for place in others(owned, self.seed + LOOK)]
        mine, theirs = self._whole(owned, owned), self._whole(owned, strangers)
        return {"loss": -mine, "gain": mine - theirs}

    def _whole(self, owned: Sequence[Owned], histories: Sequence[Owned]) -> float:
        size, parts = self.tuner.config.batch_size, list[Tensor]()
        for start in range(0, len(owned), size):
            block = slice(start, start + size)
            parts.append(self._likelihood(owned[block], histories[block]))
        return float(torch.cat(parts).mean())

    def _likelihood(
        self, owned: Sequence[Owned], histories: Sequence[Owned], blind: Sequence[bool] = ()
    ) -> Tensor:
        """``(b,)``, with the histories of other windows where they differ."""
        prompts = [
            self.tuner.prompter.window(
                h.window.history, o.window.target, self.texts.get(o.window.target, "")
            )
            for o, h in zip(owned, histories, strict=True)
        ]
        hidden = blind or [False] * len(prompts)
        prompts = [blinded(p) if hide else p for p, hide in zip(prompts, hidden, strict=True)]
        return self.tuner.answers(prompts, [o.window.target for o in owned])
