"""PMG (Shen et al., WWW 2024): keywords of a taste and of a target, weighed in one prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from persongen_bench.core.dataset import View
from persongen_bench.core.language import LanguageModel
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.core.roles import Condition
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from persongen_bench.methods._drawing import DRAWING_FIELDS, drawing_decoder, required_role
from persongen_bench.methods._items import Stateless, no_history, read_json, write_json
from persongen_bench.methods._keywords import KeywordReader
from persongen_bench.methods.finetune.pipeline import trainable_decoder
from persongen_bench.methods.personas.descriptions import DescriptionBook, descriptions_from
from persongen_bench.methods.pmg.config import PAPER, SANDBOX, PmgConfig
from persongen_bench.methods.pmg.picking import Picker
from persongen_bench.methods.pmg.prompts import SEPARATOR, Room, fitted, joined
from persongen_bench.methods.pmg.steering import Example, Steering
from persongen_bench.methods.pmg.taste import Histories, History, TasteWords
from persongen_bench.methods.pmg.together import Together

LEFT_OUT, CUT_OFF = "prompts shortened to fit", "prompts cut by the text encoder"


@dataclass(frozen=True)
class Words:
    """What one request is drawn from."""

    target: tuple[str, ...]
    preference: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of them in a row, the preference first."""
        return SEPARATOR.join((*self.preference, *self.target))


@final
class Pmg(Stateless):
    """Captions of the history => a language model's keywords => prompts => the best picture.

    The history is captioned, each caption becomes keywords, and the model is asked for keywords
    of the taste; the instruction becomes keywords of the target. One picture is drawn for each
    weight of the preference, and the one of the highest z = alpha log d_p + (1 - alpha) log d_t
    is kept, in the space of the role ``clip``.
    """

    Config = PmgConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"paper": PAPER, "sandbox": SANDBOX}
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS | {
        "alpha", "negative_prompt", "overflow", "weights",
    }  # fmt: skip
    roles: ClassVar[tuple[str, ...]] = ("decoder", "clip", "captioner", "llm")
    config: PmgConfig

    def __init__(self, config: PmgConfig) -> None:
        self.config = config
        self.prompts: Counter[str] = Counter({LEFT_OUT: 0, CUT_OFF: 0})
        """How many prompts were too long, and what was done about it."""

    def fit(self, train: View, context: FitContext) -> None:
        """Caption and read the pictures that histories come from, and the tastes of the users."""
        self._open(context.stack, train, {})
        users = context.users or train.users
        asked = [self._histories.of_user(user) for user in users]
        items = (seen.item_id for history in asked for seen in history)
        self._words.fill_items(items, context.progress, context.checkpoints)
        if self.config.history != "request":
            self._words.fill_tastes(asked, context.progress)
        self._together = Together(self._words.items.values())
        if self.config.soft_prompt:
            self._steering = Steering.new(*self._parts(context.stack), self.config, context.seed)
            examples = self._examples(train, users)
            self._steering.train(examples, train.catalog, self.config, context)

    @property
    def replies(self) -> Mapping[str, int]:
        """How the language model's answers were read (`_keywords.KeywordReader.counts`)."""
        return self._reader.counts

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """The best of a picture for each weight; failures stay where they are."""
        words = self._words_of([sample.request for sample in samples])
        asked = [self._prompts(own) if own.target or own.preference else [] for own in words]
        flat = [
            (self._condition(prompt, own), seed)
            for sample, prompts, own in zip(samples, asked, words, strict=True)
            for prompt, seed in zip(prompts, self._seeds(sample), strict=False)
        ]
        drawn = iter(self._draw(flat))
        made: list[Image | Failure] = []
        for sample, prompts, own in zip(samples, asked, words, strict=True):
            images = [next(drawn) for _ in prompts]
            made.append(self._best(images, own) if images else no_history(sample))
        return made

    def save(self, folder: Path) -> None:
        """Store captions, keywords, tastes, and how often answers were repaired or replaced."""
        document = {
            "descriptions": self._book.document(),
            "items": self._words.items,
            "tastes": [[list(map(list, h)), words] for h, words in self._words.tastes.items()],
            "replies": dict(self.replies),
        }
        write_json(folder, document)
        if self.config.soft_prompt:
            self._steering.save(folder)

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what was read."""
        self._open(stack, train, read_json(folder))
        if self.config.soft_prompt:
            self._steering = Steering.new(*self._parts(stack), self.config, 0)
            self._steering.load(folder)

    def _open(self, stack: Stack, train: View, known: Mapping[str, Any]) -> None:
        self._decoder = drawing_decoder(stack)
        captioner = required_role(stack, "captioner", "describe the history")
        llm = required_role(stack, "llm", "name keywords")
        clip = required_role(stack, "clip", "pick among its pictures")
        self._book = DescriptionBook(
            captioner, train.catalog, descriptions_from(known.get("descriptions", {}))
        )
        self._reader = KeywordReader(llm, self.config.max_new_tokens)
        self._reader.counts.update(known.get("replies", {}))
        self._words = TasteWords(self.config, self._reader, self._book)
        self._words.restore(known.get("items", {}), known.get("tastes", []))
        self._together = Together(self._words.items.values())
        self._histories: Histories = Histories(train, self.config)
        self._room = Room.of(self._decoder, self.config.n_image_tokens * self.config.soft_prompt)
        self._picker = Picker(clip, self.config.alpha)
        self._captioner = captioner

    def _parts(self, stack: Stack) -> tuple[Any, LanguageModel]:
        """Pipeline and language model that a soft prompt stands between."""
        llm: LanguageModel = required_role(stack, "llm", "write soft prompts")
        return trainable_decoder(stack, "the soft prompt of pmg").pipeline, llm

    def _examples(self, train: View, users: Sequence[str]) -> list[Example]:
        """The users' likes, each with what it is of as the target and the taste of its user."""
        liked = [(user, item) for user in users for item in self._likes(train, user)]
        items = [item for _, item in liked]
        texts = train.catalog.subjects(items) or [one.caption for one in self._book.of(items)]
        histories = [self._histories.of_user(user) for user, _ in liked]
        return [
            Example(item, fitted(own.target, own.preference, 1, self._room)[0], own.text)
            for item, own in zip(items, self._read(texts, histories), strict=True)
        ]

    def _likes(self, train: View, user: str) -> tuple[str, ...]:
        return train.liked_items.get(user, ())[-(self.config.n_history or 0) :]

    def _words_of(self, requests: Sequence[Request]) -> list[Words]:
        histories = [self._histories.of(request) for request in requests]
        return self._read([self._target_text(request) for request in requests], histories)

    def _read(self, texts: Sequence[str], histories: Sequence[History]) -> list[Words]:
        """Texts and histories in keywords, those that contradict one another left out."""
        self._words.fill_tastes(histories)
        self._words.fill_targets(filter(None, texts))
        made = []
        for text, history in zip(texts, histories, strict=True):
            target = self._words.targets[text] if text else ()
            preference = tuple(w for w in self._words.tastes[history] if w not in target)
            if self.config.exclusive:
                preference = self._together.kept(preference, target)
            whole = bool(text) and self.config.target == "instruction"
            made.append(Words((text,) if whole else target, preference))
        return made

    def _target_text(self, request: Request) -> str:
        """The instruction, else what the captioner says of the reference, else nothing."""
        if request.instruction or request.reference is None:
            return request.instruction or ""
        caption: str = self._captioner.describe([request.open_reference()])[0].caption
        return caption

    def _prompts(self, words: Words) -> list[str]:
        """One for each weight."""
        made = []
        for weight in self.config.weights:
            prompt = joined(words.target, words.preference, weight)
            if self.config.overflow == "fit":
                prompt, n_left_out = fitted(words.target, words.preference, weight, self._room)
                self.prompts[LEFT_OUT] += n_left_out > 0
            else:
                self.prompts[CUT_OFF] += self._room.excess(prompt) > 0
            made.append(prompt)
        return made

    def _condition(self, prompt: str, words: Words) -> Condition:
        if not self.config.soft_prompt:
            return Condition(prompt, self.config.negative_prompt)
        states = self._steering.states(prompt, words.text)
        return Condition("", self.config.negative_prompt, prompt_embeds=states)

    def _seeds(self, sample: Sample) -> list[int]:
        """The sample's own seed for the first weight, others drawn from it."""
        more = sample.rng().integers(0, 2**63, len(self.config.weights) - 1)
        return [sample.seed, *map(int, more)]

    def _draw(self, asked: Sequence[tuple[Condition, int]]) -> list[Image]:
        if not asked:
            return []
        conditions, seeds = zip(*asked, strict=True)
        images: list[Image] = self._decoder.draw(conditions, seeds, self.config.draw_options)
        return images

    def _best(self, images: Sequence[Image], words: Words) -> Image:
        place = self._picker.best(
            images, SEPARATOR.join(words.preference), SEPARATOR.join(words.target)
        )
        return np.ascontiguousarray(images[place])
