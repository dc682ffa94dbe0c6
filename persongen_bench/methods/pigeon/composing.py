"""The hybrid prompt: masked history, and what the reference means (eq. 4 to 7)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from persongen_bench.core.language import MultimodalModel, PicturePart, PromptPart
from persongen_bench.methods.pigeon.adapter import VisualAdapter
from persongen_bench.methods.pigeon.config import PromptConfig
from persongen_bench.methods.pigeon.generator import MaskGenerator, lay_out
from persongen_bench.methods.pigeon.masks import (
    Phase,
    gumbel,
    history_logits,
    keep_count,
    keep_mask,
    reference_logits,
)
from persongen_bench.methods.pigeon.pictures import Picture
from persongen_bench.methods.pigeon.visual import VisualFeatures


@dataclass(frozen=True)
class Case:
    """What one prompt is made of."""

    history: tuple[Picture, ...]
    """Oldest first; may be empty."""
    reference: Picture
    text: str | None = None
    """The reference in words."""


@dataclass(frozen=True)
class Setting:
    """How one prompt is masked."""

    ratio: float
    """Share of the reference's tokens that is hidden."""
    history_ratio: float
    phase: Phase
    seed: int
    """Of the noise on the scores, where there is any."""
    blind: bool = False
    """Hide the history's pictures from the attention: what guidance moves away from."""


@dataclass(frozen=True)
class Masks:
    """1 where a token stays, 0 where it is hidden."""

    history: tuple[Tensor, ...]
    """One ``(t,)`` per picture; the ratio is one of all their tokens together."""
    reference: Tensor
    """``(t,)``"""


class Parts(nn.Module):
    """What is trained beside the LoRA."""

    def __init__(self, lmm: MultimodalModel, embedding_size: int, config: PromptConfig) -> None:
        super().__init__()
        width = int(lmm.model.get_input_embeddings().weight.shape[1])
        self.generator = MaskGenerator(width, lmm.n_tokens, config)
        self.adapter = VisualAdapter(embedding_size, width, config)


class Composer:
    """Makes prompts, in batches while something learns and one by one where bits count."""

    def __init__(self, config: PromptConfig, parts: Parts, features: VisualFeatures) -> None:
        self.config, self.parts, self.features = config, parts, features

    def prompts(self, cases: Sequence[Case], settings: Sequence[Setting]) -> list[list[PromptPart]]:
        """One prompt per case; gradients reach the parts where they are to be trained."""
        masks = self.masks(cases, settings)
        vectors = self._vectors(cases, masks)
        return [
            self._prompt(case, mask, vector, blind=setting.blind)
            for case, mask, vector, setting in zip(cases, masks, vectors, settings, strict=True)
        ]

    @torch.no_grad()
    def prompts_alone(
        self, cases: Sequence[Case], settings: Sequence[Setting]
    ) -> list[list[PromptPart]]:
        """The same, where each prompt depends on its own case to the last bit."""
        pairs = zip(cases, settings, strict=True)
        return [self.prompts([case], [setting])[0] for case, setting in pairs]

    def masks(self, cases: Sequence[Case], settings: Sequence[Setting]) -> list[Masks]:
        """What the scores hide of each case."""
        learns = self.config.mask == "differentiable"
        with nullcontext() if learns else torch.no_grad():
            layout = lay_out(
                [[p.tokens for p in case.history] for case in cases],
                [case.reference.tokens for case in cases],
            )
            scores = self.parts.generator(layout)
            return [
                self._masks(case, row, setting)
                for case, row, setting in zip(cases, scores, settings, strict=True)
            ]

    def _masks(self, case: Case, scores: Tensor, setting: Setting) -> Masks:
        lengths = [len(picture.codes) for picture in case.history]
        n, t = sum(lengths), len(case.reference.codes)
        noisy = setting.phase == "fit" or self.config.mask == "released"
        noise = gumbel(n + t, setting.seed) if noisy else torch.zeros(n + t)
        kept = keep_mask(
            history_logits(scores[:n]), keep_count(n, setting.history_ratio), noise[:n]
        )
        scheme = self.config.reference_mask
        logits = reference_logits(scores[n : n + t], scheme, setting.phase, self.config.mask)
        n_kept = t if scheme == "none" else keep_count(t, setting.ratio)
        reference = keep_mask(logits, n_kept, noise[n:])
        return Masks(torch.split(kept, lengths) if lengths else (), reference)

    def _vectors(self, cases: Sequence[Case], masks: Sequence[Masks]) -> list[Tensor | None]:
        """``(1, d)`` visual parts; None where the prompt has none."""
        if self.config.without in ("visual", "encoding"):
            return [None] * len(cases)
        codes = [case.reference.codes for case in cases]
        features = self.features.of(codes, [mask.reference for mask in masks])
        weight = next(self.parts.adapter.parameters())
        return list(self.parts.adapter(features.to(weight)).split(1))

    def _prompt(
        self, case: Case, masks: Masks, vector: Tensor | None, *, blind: bool
    ) -> list[PromptPart]:
        config = self.config
        prompt: list[PromptPart] = [config.instruction] if config.instruction else []
        if case.history:
            prompt.append(config.history_words)
        prompt += [
            PicturePart(picture.codes, keep, hidden=blind)
            for picture, keep in zip(case.history, masks.history, strict=True)
        ]
        text = None if config.without == "text" else case.text
        words = f"{config.reference_words} {text or ''}".strip()
        vectors = [] if vector is None else [vector]
        prompt += [*vectors, words] if config.visual_place == "before" else [words, *vectors]
        if config.without == "encoding":
            prompt.append(PicturePart(case.reference.codes, masks.reference, guided=False))
        return [part for part in prompt if not (isinstance(part, str) and not part)]
