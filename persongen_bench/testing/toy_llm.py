"""A language model without weights: it lists the words of its prompt that it knows, by count."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.testing.toy_words import HUES
from persongen_bench.util.keyword_requests import RatedKeywords, counted

_KNOWN = frozenset((*HUES, "bright", "dark", "left", "right"))


class ToyLanguageModel:
    """Answers the requests of `persongen_bench.util.keyword_requests`; implements `LanguageModel`.

    It has no network; a method that trains one is tested on real ones.
    """

    signature = "toy-llm|impl:1"

    def reply(self, prompts: Sequence[str], max_new_tokens: int = 128) -> list[str]:  # noqa: ARG002
        """JSON lists; answer i from prompt i alone."""
        return [json.dumps(list(_keywords(prompt))) for prompt in prompts]

    def template(self, prompt: str) -> str:
        """Question and answer."""
        return f"Q: {prompt}\nA: "

    @property
    def model(self) -> Any:  # noqa: ANN401  # there is none
        """Raises `MissingRoleError`."""
        raise MissingRoleError("the llm of stack toy has no network", fix="Use the stack sandbox.")

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401  # there is none
        """Raises `MissingRoleError`."""
        raise MissingRoleError("the llm of stack toy reads no tokens", fix="Use the stack sandbox.")


def _keywords(prompt: str) -> tuple[str, ...]:
    lines = prompt.splitlines()
    rated = [line for line in lines if line[:2] in ("+ ", "- ")]
    if not rated:
        return _known(lines[0]) if lines else ()
    asked = re.search(r"\d+", lines[-1])
    history = [RatedKeywords(_known(line[2:]), line[0] == "+") for line in rated]
    return counted(history, int(asked[0]) if asked else 1)


def _known(text: str) -> tuple[str, ...]:
    words = re.findall("[a-z]+", text.lower())
    return tuple(dict.fromkeys(word for word in words if word in _KNOWN))
