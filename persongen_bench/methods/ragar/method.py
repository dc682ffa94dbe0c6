"""RAGAR: retrieval-augmented personalized image generation guided by recommendation (paper 002)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import torch
from safetensors.torch import load_file, save_file

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import Explanation, FitContext
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.core.roles import Condition
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Catalog
from persongen_bench.methods._drawing import DrawsConditions, required_role
from persongen_bench.methods.ragar.config import CHECK, PAPER, SANDBOX, RagarConfig
from persongen_bench.methods.ragar.detail import frozen_language
from persongen_bench.methods.ragar.fitting import Fitting
from persongen_bench.methods.ragar.generator import Generator, prompt_states
from persongen_bench.methods.ragar.preferences import Asked, ItemWords, Models, Preferences
from persongen_bench.methods.ragar.states import TextStates, states_decoder
from persongen_bench.util.training import seeded

WEIGHTS, RECORD = "generator.safetensors", "ragar.json"


@final
class Ragar(DrawsConditions):
    """Keywords of the history's items most like the reference, calibrated by a ranking model.

    Retrieval picks the k items of the history whose captions are nearest to the reference's; a
    language model lists their keywords; its special tokens, mapped to the decoder's prompt space,
    and the calibrator make prompt states of reference and keywords; a ranking model's rewards
    train the calibrator. Users need not be known: their history is in the request. The paper does
    not say how special tokens and mapper are trained (stage 0 here), and the calibrator's warm
    start is ours; see the options for what else is.
    """

    Config: ClassVar[type[Config]] = RagarConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": PAPER,
        "sandbox": SANDBOX,
        "check": CHECK,
    }
    generate_fields: ClassVar[frozenset[str]] = frozenset()
    config: RagarConfig

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]  # the configuration decides
        """Always decoder, captioner and llm; clip and vit where something looks through them."""
        config = self.config
        asked = ["decoder", "captioner", "llm"]
        if config.reflects or config.similarity == "clip":
            asked.append("clip")
        if config.reflects and (config.rewarded or config.calibrator_weight > 0):
            asked.append("vit")
        return tuple(asked)

    def fit(self, train: View, context: FitContext) -> None:
        """Mine keywords, train special tokens and mapper, start the calibrator, reflect."""
        self._prepare(context.stack, train.catalog, {}, {})
        self._generator = seeded(self._new_generator, context.seed % (1 << 63))
        fitting = Fitting(train, context, self.config, self._preferences)
        with frozen_language(self._llm.model), torch.enable_grad():
            fitting.mine()
            log = fitting.fit(self._generator, self._states, self._decoder)
        self.record = {
            "reflection": log.document(),
            "keywords": self._preferences.mined(),
            "descriptions": self._preferences.described,
            "replies": self._preferences.counts,
        }
        self._generator.eval().requires_grad_(False)

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition | Failure]:
        """Prompt states per request, each request alone."""
        requests = {sample.request.request_id: sample.request for sample in samples}
        made = {name: self._condition(request) for name, request in requests.items()}
        return [made[sample.request.request_id] for sample in samples]

    def save(self, folder: Path) -> None:
        """Weights as safetensors, keywords and the log of the reflection as JSON."""
        state = {k: v.contiguous().cpu() for k, v in self._generator.state_dict().items()}
        save_file(state, folder / WEIGHTS)
        (folder / RECORD).write_text(json.dumps(self.record), encoding="utf-8")

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore the generator; the language model and the decoder are the stack's."""
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        self._prepare(stack, train.catalog, record["keywords"], record["descriptions"])
        self._generator = seeded(self._new_generator, 0)
        self._generator.load_state_dict(load_file(folder / WEIGHTS))
        self._generator.eval().requires_grad_(False)
        self.record = record

    def asked(self, request: Request) -> Asked:
        """What a request says and wants: its text, keywords and retrieved items."""
        return self._preferences.of_request(request)

    def explain(self, request: Request) -> Explanation:
        """The items of the history that were retrieved; with retrieval off no item is special."""
        asked = self.asked(request)
        used = () if self.config.retrieval == "off" else asked.retrieved
        return Explanation(dict.fromkeys(used, "retrieved"), ", ".join(asked.keywords))

    def _condition(self, request: Request) -> Condition:
        states = prompt_states(self._generator, self._states, self.asked(request))
        return Condition(prompt_embeds=states)

    def _new_generator(self) -> Generator:
        return Generator(self._llm, self._states.shape, self.config)

    def _prepare(
        self, stack: Stack, catalog: Catalog, keywords: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        """Take the models."""
        self._decoder = states_decoder(stack)
        self._states = TextStates(self._decoder.pipeline)
        self._llm = required_role(stack, "llm", "list keywords")
        captioner = required_role(stack, "captioner", "put pictures into words")
        clip = None
        if self.config.similarity == "clip":
            clip = required_role(stack, "clip", "compare captions")
        models = Models(captioner, self._llm, clip)
        words = ItemWords(catalog, captioner, said)
        self._preferences = Preferences(models, words, self.config, keywords)
