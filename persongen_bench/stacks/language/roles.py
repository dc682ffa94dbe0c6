"""The roles ``llm`` and ``vit`` of the published stacks, opened when they are used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch

from persongen_bench.core.language import LanguageModel
from persongen_bench.stacks.judges.encoder import Deferred, EncoderCard, JudgeEncoder
from persongen_bench.stacks.language import files, qwen, vit
from persongen_bench.stacks.language.chat import ChatModel
from persongen_bench.stacks.published.locate import Places
from persongen_bench.stacks.published.pinned import pinned_files

ROLES = ("llm", "vit")


@dataclass(frozen=True)
class Languages:
    """Opens the models from the files of the manifest ``language``."""

    places: Places
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rows: int = 4
    """Pictures per network call."""

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """One of `ROLES`. No file is read; what misses one says so when it is used."""
        makers: dict[str, Callable[[], Any]] = {
            "llm": lambda: DeferredChat(self),
            "vit": lambda: Deferred(self._vit),
        }
        return makers[name]()

    def chat(self) -> ChatModel:
        """The language model; raises `MissingWeightsError` where files are missing."""
        opened = pinned_files(self.places, files.QWEN)
        model, words = qwen.open_qwen(self.places.folder(files.QWEN), self.device)
        dtype = str(qwen.dtype_on(self.device)).removeprefix("torch.")
        signature = f"qwen2.5-7b-instruct|dtype:{dtype}|weights:{opened.sha256}"
        return ChatModel(model, words, signature, qwen.ROWS.get(self.device.type, 1))

    def _vit(self) -> JudgeEncoder:
        opened = pinned_files(self.places, files.VIT)
        config_file, weights = opened.paths
        config = vit.read_config(config_file)
        card = EncoderCard(
            "vit-base-in21k", opened.sha256, config.hidden_size, vit.preparation(config),
            self.device, self.rows,
        )  # fmt: skip
        return JudgeEncoder(card, partial(vit.open_vit_network, config, weights))


class DeferredChat:
    """A language model that needs its files only when it is used; implements `LanguageModel`."""

    def __init__(self, languages: Languages) -> None:
        self._languages = languages

    @cached_property
    def _chat(self) -> LanguageModel:
        return self._languages.chat()

    @property
    def signature(self) -> str:
        """The model's."""
        return self._chat.signature

    @property
    def model(self) -> Any:  # noqa: ANN401  # a Qwen2ForCausalLM
        """The model's."""
        return self._chat.model

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401  # a PreTrainedTokenizerFast
        """The model's."""
        return self._chat.tokenizer

    def template(self, prompt: str) -> str:
        """As the model's."""
        return self._chat.template(prompt)

    def reply(self, prompts: Sequence[str], max_new_tokens: int = 128) -> list[str]:
        """As the model's."""
        return self._chat.reply(prompts, max_new_tokens)
