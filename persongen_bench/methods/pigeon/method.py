"""Pigeon: masked history and a masked reference in one prompt of a multimodal model (paper 003).

A language model that reads and writes visual tokens sees the liked pictures without their least
telling tokens, the reference in words and as one vector, and writes the tokens of a new picture.
Stage 1 teaches it to rebuild a person's next like from the likes before it and from that like
itself, of which a share of the most telling tokens is hidden; stage 2 prefers, of its own answers,
those that are near to the history (DPO). At inference the least telling tokens of the reference are
hidden instead; how many is the trade between taste and agreement.

What is ours: the visual vector comes from the image encoder, since the models here have no
tokenizer decoder (`visual_features`); a ratio of 1 leaves one token, and a picture of one token
keeps it; all windows whose target is among a user's last likes are for validation, where the ratio
and the end of both stages are chosen, and none of that looks at held-out data. A request needs a
reference; its history may be empty.

The mask generator scores history and reference alike, and the two masks pull at it: the loss would
rather keep the tokens of the reference that tell most, so these come to score least. At inference
they are the first to go, as a taste needs it; but the history's mask, which hides what scores
least, then hides the very tokens that show it. Where a picture has nine tokens, a fifth of them
hidden was every picture's style, and taste fell to what it is without any history (.30 against .40
in another world; with gradients through the history alone: .29). The preset ``sandbox`` hides none.

The paper's own numbers take, for every test request, the
best of eleven ratios by the metrics that it reports: that is ``ratio=oracle``, no fair row beside
methods that get one answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import torch

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError, RunError
from persongen_bench.core.method import Explanation, FitContext
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image, content_hash
from persongen_bench.methods._drawing import required_role
from persongen_bench.methods.pigeon.alignment import align
from persongen_bench.methods.pigeon.composing import Case, Composer, Parts, Setting
from persongen_bench.methods.pigeon.config import (
    GENERATE_FIELDS,
    PRESETS,
    RATIOS,
    PigeonConfig,
)
from persongen_bench.methods.pigeon.fitted import Fitted
from persongen_bench.methods.pigeon.pairs import make_pairs
from persongen_bench.methods.pigeon.pictures import Pictures
from persongen_bench.methods.pigeon.reconstruction import reconstruct
from persongen_bench.methods.pigeon.studio import Models, Studio, cut, write
from persongen_bench.methods.pigeon.telling import told
from persongen_bench.methods.pigeon.validation import Gauge, Oracle, choose_ratio
from persongen_bench.methods.pigeon.visual import AdditiveFeatures, DrawnFeatures, VisualFeatures
from persongen_bench.methods.tuning.lora import POLICY, REFERENCE, injected
from persongen_bench.methods.tuning.training import Bench, torch_seed
from persongen_bench.methods.tuning.windows import known_texts


@final
class Pigeon:
    """History, reference and words as one prompt; answers in visual tokens (paper 003)."""

    Config = PigeonConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = PRESETS
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = GENERATE_FIELDS
    makes: ClassVar[str] = "image"
    roles: ClassVar[tuple[str, ...]] = ("lmm", "image_encoder", "clip")
    config: PigeonConfig

    def __init__(self, config: PigeonConfig) -> None:
        self.config = config

    @property
    def unfair(self) -> str:
        """With ``ratio=oracle`` a choice on the metrics of the test."""
        words = "the best of eleven masks by the metrics of the test"
        return words if self.config.ratio == "oracle" else ""

    def fit(self, train: View, context: FitContext) -> None:
        """Both stages on the windows of the training view, then the choice of the ratio.

        The language model is left as it was. `DataError` where no user has enough likes.
        """
        config, windows = self.config, cut(train, self.config)
        if not windows.fit:
            raise DataError(
                f"no user of the training data has more than {config.n_history} likes",
                fix="Set n_history to fewer.",
            )
        self._open(context.stack, train)
        rows = context.features("image_encoder", train)
        visual = self._learned_features(train, rows)
        with torch_seed(context.seed):
            parts = Parts(self._models.lmm, rows.shape[1], config).eval()
        parts.to(self._models.lmm.model.device)
        composer = Composer(config, parts, visual)
        names = (POLICY, REFERENCE) if config.stage == 2 else (POLICY,)
        with injected(self._models.lmm.model, config, context.seed, names) as adapters:
            studio = Studio(
                config, self._models, self._pictures, composer, adapters, windows,
                known_texts(train), dict(zip(train.catalog.ids, rows, strict=True)), context.seed,
            )  # fmt: skip
            ratio = self._learn(studio, train, context)
            lora = adapters.state()
        self._take(Fitted(lora, parts.state_dict(), visual.state(), ratio, studio.record))

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One picture per sample; a sample without a reference is a `Failure`."""
        able = [s for s in samples if s.request.reference is not None]
        if not able:
            return [_no_reference(sample) for sample in samples]
        with injected(self._models.lmm.model, self.config) as adapters:
            adapters.load(self._fitted.lora)
            made = iter(self._best(able) if self.config.ratio == "oracle" else self._plain(able))
        return [
            _no_reference(sample) if sample.request.reference is None else next(made)
            for sample in samples
        ]

    @torch.no_grad()
    def explain(self, request: Request) -> Explanation:
        """Shares of hidden tokens of each picture of the history, and of the reference.

        Nothing where they depend on the sample (``mask=released``, ``ratio=oracle``).
        """
        config = self.config
        if request.reference is None or config.mask == "released" or config.ratio == "oracle":
            return Explanation()
        setting = self._setting(0, self._ratio())
        (masks,) = self._composer.masks([self._case(request)], [setting])
        return told(self._shown(request), masks)

    def save(self, folder: Path) -> None:
        """LoRA, adapter, mask generator and visual features (safetensors), the record (JSON)."""
        self._fitted.save(folder)

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote; `RunError` where it does not fit the stack."""
        self._open(stack, train)
        self._take(Fitted.load(folder))

    def _learn(self, studio: Studio, train: View, context: FitContext) -> float:
        """Both stages; returns the chosen ratio."""
        record = studio.record
        record["n_windows"] = len(studio.windows.fit)
        record["n_validation_windows"] = len(studio.windows.validation)
        gauge = Gauge.of(studio, train.catalog)
        record["n_drawn_windows"] = len(gauge.owned) if gauge else 0
        record["stage 1"] = reconstruct(studio, self._bench(train, context, "stage-1"))
        if self.config.stage == 2:
            made = make_pairs(studio, self._bench(train, context, "pairs"))
            record |= {"n_pairs": len(made.pairs), "n_ties": made.n_ties, "n_equal": made.n_equal}
            watch = gauge.facts if gauge else dict
            bench = self._bench(train, context, "stage-2")
            record["stage 2"] = align(studio, made.pairs, watch, bench)
        ratio, record["ratios"] = choose_ratio(gauge, context.progress)
        return ratio

    def _bench(self, train: View, context: FitContext, stage: str) -> Bench:
        options = self.config.model_dump(mode="json", exclude=set(GENERATE_FIELDS))
        place = [train.hash, context.seed, context.stack.signature, stage]
        folder = context.checkpoints
        return Bench(
            content_hash("pigeon", options, place),
            None if folder is None else folder / stage,
            context.progress,
        )

    def _learned_features(self, train: View, rows: Any) -> VisualFeatures:  # noqa: ANN401  # array
        codes = [picture.codes for picture in self._pictures.of(train.catalog.ids)]
        if self.config.visual_features == "additive":
            return AdditiveFeatures.learn(codes, rows, self._models.lmm.n_codes)
        return DrawnFeatures.learn(codes, rows, self._models.lmm, self._models.image_encoder)

    def _take(self, fitted: Fitted) -> None:
        self._fitted = fitted
        if self.config.visual_features == "additive":
            visual: VisualFeatures = AdditiveFeatures(fitted.features)
        else:
            models = self._models
            visual = DrawnFeatures(models.lmm, models.image_encoder, fitted.features)
        with torch_seed(0):
            parts = Parts(self._models.lmm, len(fitted.features["centre"]), self.config)
        try:
            parts.load_state_dict(dict(fitted.parts))
        except RuntimeError as error:
            raise RunError(f"the fit is of another shape ({error})", fix="Fit it again.") from None
        parts.eval().to(self._models.lmm.model.device)
        self._composer = Composer(self.config, parts, visual)

    def _open(self, stack: Stack, train: View) -> None:
        lmm = required_role(stack, "lmm", "read and write pictures")
        encoder = required_role(stack, "image_encoder", "see what a reference means")
        clip = required_role(stack, "clip", "choose the mask ratio")
        self._models = Models(lmm, encoder, clip)
        self._pictures, self._train = Pictures(lmm, train.catalog), train

    @torch.no_grad()
    def _plain(self, samples: Sequence[Sample]) -> list[Image]:
        settings = [self._setting(sample.seed, self._ratio()) for sample in samples]
        cases, seeds = [self._case(s.request) for s in samples], [s.seed for s in samples]
        return self._draw(cases, settings, seeds)

    def _best(self, samples: Sequence[Sample]) -> list[Image]:
        """Eleven pictures per sample, and of them the one that the metrics will like best."""
        oracle, made = Oracle(self._models.clip), []
        for sample in samples:
            n, request = len(RATIOS), sample.request
            settings = [self._setting(sample.seed, ratio) for ratio in RATIOS]
            images = self._draw([self._case(sample.request)] * n, settings, [sample.seed] * n)
            history = self._train.catalog.images(self._shown(request))
            place = oracle.best(images, history, request.instruction, request.open_reference())
            made.append(images[place])
        return made

    def _draw(
        self, cases: Sequence[Case], settings: Sequence[Setting], seeds: Sequence[int]
    ) -> list[Image]:
        lmm = self._models.lmm
        return lmm.draw(write(lmm, self._composer, cases, settings, seeds), seeds)

    def _shown(self, request: Request) -> tuple[str, ...]:
        """The pictures of the history that the prompt holds."""
        return request.history[-(self.config.n_shown or self.config.n_history) :]

    def _case(self, request: Request) -> Case:
        history = self._pictures.of(self._shown(request))
        (reference,) = self._pictures.outside([request.open_reference()])
        return Case(tuple(history), reference, request.instruction)

    def _ratio(self) -> float:
        """The given one, or the chosen one."""
        given = self.config.ratio
        return self._fitted.ratio if given is None else float(given)

    def _setting(self, seed: int, ratio: float) -> Setting:
        given = self.config.history_ratio
        history = self.config.training_history_ratio if given is None else given
        return Setting(ratio, history, "inference", seed)


def _no_reference(sample: Sample) -> Failure:
    reason = f"user {sample.request.user_id} asks for no picture to follow"
    return Failure("method_error", reason)
