"""What the multimodal model reads: liked pictures, then what the new one is to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from persongen_bench.core.language import Codes, MultimodalModel, PicturePart, PromptPart
from persongen_bench.core.request import Sample
from persongen_bench.core.types import Catalog
from persongen_bench.methods.lmm_baselines.config import PromptConfig
from persongen_bench.util.multimodal.prompts import wish
from persongen_bench.util.opening import opened_items

Prompt = list[PromptPart]
CHUNK = 64
"""Pictures tokenized at a time; bounds memory."""


class Prompter:
    """Prompts of requests; a picture of the catalogue is tokenized once."""

    def __init__(self, config: PromptConfig, lmm: MultimodalModel, catalog: Catalog) -> None:
        self._config, self._lmm, self._catalog = config, lmm, catalog
        self._known: dict[str, Codes] = {}

    def codes(self, item_ids: Sequence[str]) -> list[Codes]:
        """Visual tokens of catalogue items in their order."""
        wanted = [item for item in dict.fromkeys(item_ids) if item not in self._known]
        for ids, images in opened_items(self._catalog, wanted, CHUNK):
            self._known.update(zip(ids, self._lmm.tokenize(images), strict=True))
        return [self._known[item] for item in item_ids]

    def prompts(self, samples: Sequence[Sample]) -> list[Prompt]:
        """One prompt per sample, from its request alone; empty where that says nothing."""
        shown = [self._recent(sample.request.history) for sample in samples]
        self.codes([item for items in shown for item in items])
        return [
            self.prompt(items, *self._reference(sample))
            for items, sample in zip(shown, samples, strict=True)
        ]

    def prompt(self, history: Sequence[str], text: str, reference: Codes | None = None) -> Prompt:
        """The prompt for items, words and perhaps a picture."""
        return wish(self.codes(self._recent(history)), text, reference)

    def window(self, history: Sequence[str], target: str, text: str) -> Prompt:
        """The prompt that ``target`` answers: it is itself the reference, as Pigeon trains.

        With its picture in the prompt the answer is a copy: ``reference`` other than ``words``
        teaches that.
        """
        words = text if self._config.reference != "picture" else ""
        (own,) = self.codes([target])
        return self.prompt(history, words, own if self._config.reference != "words" else None)

    def _recent(self, history: Sequence[str]) -> Sequence[str]:
        return history[-self._config.n_history :] if self._config.n_history else ()

    def _reference(self, sample: Sample) -> tuple[str, Codes | None]:
        request, words = sample.request, sample.request.instruction or ""
        if self._config.reference == "words" or request.reference is None:
            return words, None
        (codes,) = self._lmm.tokenize([request.open_reference()])
        return (words if self._config.reference == "both" else ""), codes


def blinded(prompt: Prompt) -> Prompt:
    """The prompt with its history hidden: what guidance moves away from."""
    return [
        replace(part, hidden=True) if isinstance(part, PicturePart) and part.guided else part
        for part in prompt
    ]


@dataclass(frozen=True)
class Asked:
    """The prompts that say something, and where their samples stand."""

    places: list[int]
    prompts: list[Prompt]

    @classmethod
    def of(cls, prompts: Sequence[Prompt]) -> Asked:
        """Leave the empty ones out."""
        places = [place for place, prompt in enumerate(prompts) if prompt]
        return cls(places, [prompts[place] for place in places])

    def __iter__(self) -> Iterator[tuple[int, Prompt]]:
        return iter(zip(self.places, self.prompts, strict=True))
