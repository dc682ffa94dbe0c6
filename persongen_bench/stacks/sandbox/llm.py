"""The role ``llm``: a small causal language model that lists keywords.

`Qwen3ForCausalLM` of transformers, the class of the published Qwen models, with a word-level
`PreTrainedTokenizerFast` (an AutoTokenizer swaps the one of a Qwen2 folder and loses words). It
was trained on `llm_dialogues` and knows tasteworld's words and these questions, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.language.chat import ChatModel
from persongen_bench.stacks.quiet import quiet
from persongen_bench.stacks.sandbox import data, llm_dialogues, llm_words
from persongen_bench.stacks.sandbox.standin_files import FIX, measured, weights_sha256
from persongen_bench.util.keyword_requests import ANYTHING, counted, taste_question
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train
from persongen_bench.worlds.tasteworld.attributes import NAMES

PLAN = TrainingPlan(
    steps=1200, batch_size=4, learning_rate=4e-3, weight_decay=0.01, ema=0.99, seed=601,
)  # fmt: skip
"""A batch holds so many people, and as many short dialogues beside them."""
N_MEASURED = 100
_SEED = 602


def new() -> Qwen3ForCausalLM:
    """An untrained model of three layers and 128 numbers a token; 0.4 M parameters."""
    numbers = {token: number for number, token in enumerate(llm_words.vocabulary())}
    config = Qwen3Config(
        vocab_size=len(numbers), hidden_size=128, intermediate_size=192, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, head_dim=32, max_position_embeddings=1024,
        tie_word_embeddings=True, initializer_range=0.07, bos_token_id=None,
        pad_token_id=numbers[llm_words.PAD], eos_token_id=numbers[llm_words.END], use_cache=True,
    )  # fmt: skip
    return Qwen3ForCausalLM(config)


def open_llm(folder: Path) -> ChatModel:
    """The trained model in float32; raises `ConfigError` where files are missing or damaged."""
    sha256 = weights_sha256(folder)
    try:
        with quiet():
            model = Qwen3ForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32
            )
            words = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{folder}: not a Qwen3ForCausalLM ({error})", fix=FIX) from None
    model.requires_grad_(requires_grad=False)
    return ChatModel(model, words, f"sandbox-llm-qwen3|weights:sha256:{sha256}")


class _Reader:
    """Dialogues to padded ids and the places the model is to learn."""

    def __init__(self) -> None:
        self._words = llm_words.tokenizer()

    def rows(self, dialogues: Sequence[Sequence[tuple[str, bool]]]) -> tuple[Tensor, Tensor]:
        """Ids and labels ``(n, t)``, padded on the right; labels -100 where nothing is learned."""
        read = [self._row(pieces) for pieces in dialogues]
        longest = max(len(ids) for ids, _ in read)
        pad = self._words.pad_token_id
        ids = [row + [pad] * (longest - len(row)) for row, _ in read]
        labels = [row + [-100] * (longest - len(row)) for _, row in read]
        return torch.tensor(ids), torch.tensor(labels)

    def _row(self, pieces: Sequence[tuple[str, bool]]) -> tuple[list[int], list[int]]:
        ids: list[int] = []
        labels: list[int] = []
        for text, said in pieces:
            new_ids = self._words(text, add_special_tokens=False)["input_ids"]
            ids += new_ids
            labels += new_ids if said else [-100] * len(new_ids)
        return ids, labels


def batch(
    n: int, share: float, rng: np.random.Generator
) -> tuple[list[list[tuple[str, bool]]], list[list[tuple[str, bool]]]]:
    """Dialogues of ``n`` people, and as many short ones.

    Histories of a batch have one length; the longest come in the course of the training's first
    third (``share``: how much of it is done).
    """
    longest = llm_dialogues.LONGEST * min(1.0, 0.25 + 2.4 * share)
    length = int(rng.integers(3, round(longest) + 1))
    people = [llm_dialogues.draw_taste(rng, length) for _ in range(n)]
    longer = [llm_dialogues.spoken(llm_dialogues.taste_turns(taste, rng)) for taste in people]
    kinds = (llm_dialogues.caption_turn, llm_dialogues.target_turn)
    short = [llm_dialogues.spoken([kinds[k % 2](rng)]) for k in range(n)]
    return longer, short


def recipe(plan: TrainingPlan = PLAN) -> Recipe[Qwen3ForCausalLM]:
    """Learns the answers of templated dialogues."""
    model, reader = seeded(new, plan.seed), _Reader()

    def loss(step: Step) -> Mapping[str, Tensor]:
        longer, short = batch(plan.batch_size, step.share, step.rng)
        taste, keywords = (_loss(model, *reader.rows(part)) for part in (longer, short))
        return {"loss": taste + 0.25 * keywords, "taste": taste, "keywords": keywords}

    def write(trained: Qwen3ForCausalLM, folder: Path) -> None:
        with quiet():
            data.save(trained, folder)
            llm_words.tokenizer().save_pretrained(folder)

    def card(folder: Path) -> Mapping[str, object]:
        name = "transformers Qwen3ForCausalLM, word-level, trained on templated dialogues"
        limits = (
            "Lists keywords of tasteworld captions and of up to 24 likes; no other question. Asked "
            "for more than two keywords of a taste at once, it repeats the second one."
        )
        return data.card(
            name, plan, measured(folder, quality(open_llm(folder))) | {"limits": limits}
        )

    title = "train the language model"
    return Recipe(partial(train, model, loss, plan, description=title), write, card)


def _loss(model: Qwen3ForCausalLM, ids: Tensor, labels: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=ids).last_hidden_state
        wanted = labels[:, 1:] >= 0
        logits = model.lm_head(hidden[:, :-1][wanted])
    return F.cross_entropy(logits.float(), labels[:, 1:][wanted])


def quality(llm: ChatModel, n: int = N_MEASURED) -> dict[str, object]:
    """How right the answers to held-out dialogues are.

    ``exact``: the very list. ``precision``, ``recall``: of its words among those of the right
    list, mean over dialogues. A taste's words may tie; ``net`` is the mean count of likes minus
    dislikes of the words said, as a share of that of the right ones.
    """
    rng = np.random.default_rng(_SEED)
    turns = {
        "caption": [llm_dialogues.caption_turn(rng) for _ in range(n)],
        "target": [llm_dialogues.target_turn(rng) for _ in range(n)],
    }
    figures: dict[str, object] = {
        kind: _figures(llm.reply([p for p, _ in asked], 40), [a for _, a in asked])
        for kind, asked in turns.items()
    }
    people = [llm_dialogues.draw_taste(rng) for _ in range(n)]
    for name, k in ((ANYTHING, 4), *((name, 1) for name in NAMES)):
        prompts = [f"{taste.lines}\n{taste_question(k, name)}" for taste in people]
        among = None if name == ANYTHING else llm_dialogues.values_of(name)
        right = [llm_dialogues.as_json(counted(taste.history, k, among)) for taste in people]
        said = llm.reply(prompts, 40)
        figures[f"taste: {name}"] = _figures(said, right) | _net(said, right, people)
    return figures


def _words(answer: str) -> list[str]:
    try:
        value = json.loads(answer)
    except ValueError:
        return []
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _figures(said: Sequence[str], right: Sequence[str]) -> dict[str, float]:
    exact: list[float] = []
    precision: list[float] = []
    recall: list[float] = []
    for answer, wanted in zip(said, right, strict=True):
        ours, theirs = set(_words(answer)), set(_words(wanted))
        exact.append(float(_words(answer) == _words(wanted)))
        precision.append(len(ours & theirs) / len(ours) if ours else float(not theirs))
        recall.append(len(ours & theirs) / len(theirs) if theirs else 1.0)
    means = {"exact": exact, "precision": precision, "recall": recall}
    return {name: round(float(np.mean(values)), 4) for name, values in means.items()}


def _net(
    said: Sequence[str], right: Sequence[str], people: Sequence[llm_dialogues.Taste]
) -> dict[str, float]:
    sums = [0.0, 0.0]
    for answer, wanted, taste in zip(said, right, people, strict=True):
        for side, text in enumerate((answer, wanted)):
            words = _words(text)
            sums[side] += sum(
                (1 if one.liked else -1) for one in taste.history for w in words if w in one.words
            ) / max(1, len(words))
    return {"net": round(sums[0] / sums[1], 4) if sums[1] else 0.0}
