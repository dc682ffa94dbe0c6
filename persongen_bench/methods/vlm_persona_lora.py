"""VLM persona + LoRA: each user's LoRA, asked with the user's persona (REBECA, 001, sec. 4.3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, final

from pydantic import Field

from persongen_bench.core.dataset import View
from persongen_bench.core.method import Explanation, FitContext
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from persongen_bench.methods._drawing import DRAWING_FIELDS, PUBLISHED_DRAWING, DrawingConfig
from persongen_bench.methods._items import Stateless
from persongen_bench.methods.finetune.config import LoraUserConfig
from persongen_bench.methods.lora_user import LoraUser
from persongen_bench.methods.personas.config import PAPER_PERSONA
from persongen_bench.methods.vlm_persona import VlmPersona, VlmPersonaConfig


class VlmPersonaLoraConfig(DrawingConfig):
    """Settings of `VlmPersonaLora`."""

    base: Literal["lora-user"] = "lora-user"
    """The method whose fit is shared with its own run."""
    lora: LoraUserConfig = Field(default_factory=LoraUserConfig)
    """How the LoRAs are trained; its prompt and drawing settings are not read."""
    persona: VlmPersonaConfig = Field(default_factory=VlmPersonaConfig)
    """How personas are written; its drawing settings are not read."""


@final
class VlmPersonaLora(Stateless):
    """`lora-user` draws what `vlm-persona` says; neither is trained differently for it."""

    Config = VlmPersonaLoraConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {**PUBLISHED_DRAWING, "persona": PAPER_PERSONA},
        "sandbox": {
            "lora": LoraUser.presets["sandbox"],
            "persona": VlmPersona.presets["sandbox"],
        },
    }
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS

    def __init__(self, config: VlmPersonaLoraConfig) -> None:
        self.config = config
        self.base = LoraUser(config.lora)
        self._persona = VlmPersona(config.persona)

    @property
    def roles(self) -> tuple[str, ...]:
        """Those of the LoRAs and of the personas."""
        return tuple(dict.fromkeys((*self.base.roles, *self._persona.roles)))

    def fit(self, train: View, context: FitContext) -> None:
        """Train the LoRAs, where the loop has not done so, and write the personas."""
        if not context.base_fitted:
            self.base.fit(train, context)
        self._persona.fit(train, context)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """Each sample's persona prompt, drawn with its user's LoRA."""
        asked = self._persona.conditions(samples)
        return self.base.draw(samples, asked, self.config.draw_options)

    def explain(self, request: Request) -> Explanation:
        """As `VlmPersona.explain`."""
        return self._persona.explain(request)

    def save(self, folder: Path) -> None:
        """Store the LoRAs and the personas."""
        for name in ("lora", "persona"):
            (folder / name).mkdir()
        self.base.save(folder / "lora")
        self._persona.save(folder / "persona")

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore the LoRAs and the personas."""
        self.base.load(folder / "lora", stack, train)
        self._persona.load(folder / "persona", stack, train)
