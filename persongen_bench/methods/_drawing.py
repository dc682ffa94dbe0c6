"""What the methods share that steer the decoder by words and image prompts and train nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from persongen_bench.methods._instructed import draw_each
from persongen_bench.methods._items import Stateless

PUBLISHED_DRAWING: Mapping[str, object] = {"guidance_scale": 5.0, "n_inference_steps": 50}
"""The decoder's settings for every method of REBECA's comparison (001, sec. 4.3, app. G.3)."""


class DrawingConfig(Config):
    """Settings of the denoiser."""

    guidance_scale: float | None = Field(default=None, ge=0)
    """Classifier-free guidance of the decoder; None: the stack's own."""
    n_inference_steps: int | None = Field(default=None, ge=1)
    """Denoising steps; None: the stack's own."""

    @property
    def draw_options(self) -> DrawOptions:
        """The same for the decoder."""
        return DrawOptions(self.guidance_scale, self.n_inference_steps)


DRAWING_FIELDS = frozenset(DrawingConfig.model_fields)
"""They change no fit."""


class DrawsConditions(Stateless, ABC):
    """Base of the methods that say what each sample's picture is drawn from.

    It learns nothing; a method that does overrides `fit`, `save` and `load`.
    """

    Config: ClassVar[type[Config]] = DrawingConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": PUBLISHED_DRAWING,
        "sandbox": {},
    }
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS
    roles: ClassVar[tuple[str, ...]] = ("decoder",)
    config: DrawingConfig

    def __init__(self, config: DrawingConfig) -> None:
        self.config = config

    @abstractmethod
    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition | Failure]:
        """One condition per sample, or why there is none; each from its own sample alone."""

    def fit(self, train: View, context: FitContext) -> None:
        """Take the models."""
        self._open(context.stack, train)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One picture per sample; failures stay where they are."""
        asked = self.conditions(samples)
        drawn = [
            (condition, sample)
            for condition, sample in zip(asked, samples, strict=True)
            if isinstance(condition, Condition)
        ]
        made = iter(self._draw(drawn) if drawn else ())
        return [next(made) if isinstance(c, Condition) else c for c in asked]

    def options(self, sample: Sample) -> DrawOptions:  # noqa: ARG002  # for who looks at it
        """How a sample's picture is drawn: as configured."""
        return self.config.draw_options

    def save(self, folder: Path) -> None:
        """Nothing is learned."""

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """Take the models."""
        self._open(stack, train)

    def _open(self, stack: Stack, train: View) -> None:  # noqa: ARG002  # for who needs pictures
        """Take what the method needs of the stack and the training view."""
        self._decoder = drawing_decoder(stack)

    def _draw(self, asked: Sequence[tuple[Condition, Sample]]) -> list[Image]:
        conditions, samples = zip(*asked, strict=True)
        options = [self.options(sample) for sample in samples]
        return draw_each(self._decoder, conditions, [sample.seed for sample in samples], options)


def drawing_decoder(stack: Stack) -> Any:  # noqa: ANN401  # what of PromptDecoder draws
    """The stack's decoder; raises `MissingRoleError` for one that takes no conditions."""
    decoder = required_role(stack, "decoder", "draw pictures")
    if callable(getattr(decoder, "draw", None)):
        return decoder
    raise MissingRoleError(
        f"the decoder of stack {stack.name} takes neither words nor several image prompts",
        fix="Use a text-to-image stack, such as sandbox.",
    )


def required_role(stack: Stack, role: str, purpose: str) -> Any:  # noqa: ANN401  # any role
    """The model for ``role``; the error of a stack without it says what it is needed for."""
    if role in stack.roles:
        return stack.role(role)
    raise MissingRoleError(
        f"stack {stack.name} has no {role}, which this method needs to {purpose} "
        f"(it has {', '.join(stack.roles)})",
        fix=f"Use a stack with the role {role}, such as sandbox.",
    )
