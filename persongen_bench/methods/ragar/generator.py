"""Everything of RAGAR that has weights, and the prompt states it makes of a request."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from persongen_bench.core.language import LanguageModel
from persongen_bench.methods.ragar.calibrator import BalanceCalibrator
from persongen_bench.methods.ragar.config import GeneratorConfig
from persongen_bench.methods.ragar.detail import DetailedFeatures
from persongen_bench.methods.ragar.preferences import Asked
from persongen_bench.methods.ragar.states import TextStates
from persongen_bench.methods.ragar.words import preference_prompt


class Generator(nn.Module):
    """Detailed feature and calibrator."""

    def __init__(self, llm: LanguageModel, shape: tuple[int, int], config: GeneratorConfig) -> None:
        """``shape``: rows and width of the decoder's prompt states."""
        super().__init__()
        self.detail = DetailedFeatures(llm, shape, config)
        self.calibrator = BalanceCalibrator(shape[1], config.calibrator_heads)
        self.calibrated = config.calibrator == "on"
        self.to(next(self.detail.base.parameters()).device)

    def general(
        self, detail: Float[Tensor, "b rows w"], overall: Float[Tensor, "b rows w"]
    ) -> Float[Tensor, "b rows w"]:
        """P of D and G (eq. 9); D where the calibrator is off."""
        out: Tensor = self.calibrator(detail, overall) if self.calibrated else detail
        return out

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.detail.tokens.device


def global_text(asked: Asked) -> str:
    """What the text encoder's global feature G is made of: the keywords alone."""
    return ", ".join(asked.keywords)


@torch.no_grad()
def detailed(generator: Generator, asked: Asked) -> Float[Tensor, "rows w"]:
    """D of one request, computed alone."""
    prompt = preference_prompt(asked.text, asked.keywords)
    whole: Tensor = generator.detail([prompt]).whole[0]
    return whole


@torch.no_grad()
def prompt_states(
    generator: Generator, states: TextStates, asked: Asked
) -> Float[np.ndarray, "rows w"]:
    """P of one request, computed alone, so that no other can change a digit."""
    detail = detailed(generator, asked)[None]
    overall = states.of(global_text(asked)).to(detail)[None]
    return np.asarray(generator.general(detail, overall)[0].float().cpu().numpy())
