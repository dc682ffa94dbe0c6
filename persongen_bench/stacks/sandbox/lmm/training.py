"""Trains the sandbox's multimodal model and measures it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.numpy import save
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name
from transformers import Emu3ForCausalLM, Emu3TextConfig

from persongen_bench.core.progress import Progress
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Embeddings
from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox.lmm import vocabulary
from persongen_bench.stacks.sandbox.lmm.corpus import Corpus, Line
from persongen_bench.stacks.sandbox.lmm.embedding_codec import EmbeddingTables
from persongen_bench.stacks.sandbox.lmm.opening import TABLES, open_lmm
from persongen_bench.stacks.sandbox.lmm.quality import N, measure
from persongen_bench.util.batching import blocks
from persongen_bench.util.files import write_atomic
from persongen_bench.util.multimodal.layout import PictureLayout
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, Workshop, seeded, train
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, COUNTS, Scenes

PLAN = TrainingPlan(
    steps=400, batch_size=12, learning_rate=2e-3, weight_decay=0.05, seed=71,
)  # fmt: skip
POOL = 8_000

_WIDTH, _LAYERS, _HEADS = 160, 3, 4
_DROP = 0.15
_GROUP, _VALUE = 0.05, 0.05
_CHUNK = 256


@dataclass(frozen=True)
class Trained:
    """What is stored."""

    model: Emu3ForCausalLM
    tokenizer: Any
    tables: EmbeddingTables


def network(tokenizer: Any) -> Emu3ForCausalLM:  # noqa: ANN401  # a PreTrainedTokenizerFast
    """The untrained language model: Emu3's text class, 1.3 M parameters."""
    config = Emu3TextConfig(
        vocab_size=len(tokenizer), hidden_size=_WIDTH, intermediate_size=512,
        num_hidden_layers=_LAYERS, num_attention_heads=_HEADS, num_key_value_heads=_HEADS,
        attention_dropout=0.0, max_position_embeddings=1024, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return Emu3ForCausalLM(config)


@torch.no_grad()
def familiar(
    model: Emu3ForCausalLM,
    tokenizer: Any,  # noqa: ANN401  # a PreTrainedTokenizerFast
    tables: EmbeddingTables,
    rng: np.random.Generator,
) -> None:
    """Start embeddings from what their ids stand for, so that copying is learned early.

    A word code is the word for its value, in one attribute with its neighbours; a residual code
    lies where its entry does.
    """
    table = model.get_input_embeddings().weight
    first = vocabulary.layout(tokenizer, tables).first_code
    values = [value for group in ATTRIBUTES.values() for value in group]
    groups = rng.normal(0, _GROUP, (len(tables.allowed), _WIDTH))
    own = rng.normal(0, _VALUE, (len(values), _WIDTH))
    spread = rng.normal(0, 1, (tables.books.shape[2], _WIDTH)) / np.sqrt(tables.books.shape[2])
    for place, codes in enumerate(tables.allowed):
        if place < len(COUNTS):
            rows = own[codes.start : codes.stop]
            known = tokenizer.convert_tokens_to_ids(values[codes.start : codes.stop])
            table[known] += torch.from_numpy(groups[place] + rows).float()
        else:
            book = tables.books[place - len(COUNTS)]
            rows = _VALUE * (book / book.std()) @ spread
        table[first + codes.start : first + codes.stop] += torch.from_numpy(
            groups[place] + rows
        ).float()


def recipe(
    role: Callable[[str], Any], plan: TrainingPlan = PLAN, pool: int = POOL, n_quality: int = N
) -> Recipe[Trained]:
    """Learns captions, descriptions and theme documents.

    ``role`` opens the finished roles of the stack that it stands on; ``pool``: number of
    different training pictures.
    """

    def learn(workshop: Workshop) -> Trained:
        rng = np.random.default_rng(plan.seed)
        scenes, rows = _pool(pool, role("image_encoder"), rng, workshop.progress)
        tables = EmbeddingTables.fit(rows, scenes, rng)
        tokenizer = vocabulary.tokenizer(tables)
        corpus = Corpus(
            scenes, tables.encode(rows), vocabulary.layout(tokenizer, tables),
            lambda text: tokenizer(text, add_special_tokens=False)["input_ids"],
            tokenizer.bos_token_id, tokenizer.eos_token_id,
        )  # fmt: skip
        model = seeded(lambda: network(tokenizer), plan.seed)
        familiar(model, tokenizer, tables, np.random.default_rng([plan.seed, 1]))

        def loss(step: Step) -> Mapping[str, Tensor]:
            return losses(model, corpus.layout, lines(corpus, plan.batch_size, step), step)

        trained = train(model, loss, plan, workshop, "train the multimodal model")
        return Trained(trained, tokenizer, tables)

    def card(folder: Path) -> Mapping[str, object]:
        lmm = open_lmm(folder, role("image_encoder"), role("decoder"))
        facts = {
            "variants": "diffusion is shipped; patch_codes (64 codes of 8 x 8 patches, linear) is "
            "the ceiling of the other codec, for which no language model was trained",
            "parameters": sum(p.numel() for p in lmm.model.parameters()),
            "weights": lmm.signature.partition("weights:")[2].partition("|")[0],
            "quality": measure(lmm, n_quality),
        }
        name = "transformers Emu3ForCausalLM over codes of image embeddings"
        return data.card(name, plan, facts)

    return Recipe(learn, write, card)


def write(trained: Trained, folder: Path) -> None:
    """Half-precision model, tokenizer, and the codec's tables."""
    data.save(trained.model, folder)
    trained.tokenizer.save_pretrained(folder)
    halves = {name: value.astype(np.float32) for name, value in trained.tables.tensors().items()}
    halves["books"] = halves["books"].astype(np.float16)
    write_atomic(folder / TABLES, save(halves))


def lines(corpus: Corpus, n: int, step: Step) -> list[Line]:
    """Of eight batches five are themes, two captions (twice as many), one descriptions."""
    kind = step.number % 8
    if kind in (0, 4):
        return corpus.captions(2 * n, step.rng)
    if kind == 2:
        return corpus.descriptions(n, step.rng)
    return corpus.themes(n, step.rng)


def losses(
    model: Any,  # noqa: ANN401  # an Emu3ForCausalLM
    layout: PictureLayout,
    batch: Sequence[Line],
    step: Step,
) -> dict[str, Tensor]:
    """Weighted cross-entropy among what may be said: codes of the place, or words.

    A share of `_DROP` of the documents cannot see their history: its tokens keep their places and
    are hidden from the attention, as guidance hides them.
    """
    dropped = step.rng.random(len(batch)) < _DROP
    ids, weights, mask = _padded(batch, dropped)
    states = model.model(
        input_ids=ids, attention_mask=mask,
        position_ids=torch.arange(ids.shape[1]).expand(len(ids), -1), use_cache=False,
    ).last_hidden_state  # fmt: skip
    told = weights[:, 1:] > 0
    wanted, shares = ids[:, 1:][told], weights[:, 1:][told]
    kinds, barred = _kinds(layout, model.config.vocab_size)
    logits = model.lm_head(states[:, :-1][told]) + barred[kinds[wanted]]
    errors = F.cross_entropy(logits, wanted, reduction="none")
    return {"loss": (errors * shares).sum() / shares.sum()}


@functools.lru_cache(maxsize=2)
def _kinds(layout: PictureLayout, n_ids: int) -> tuple[Int[Tensor, " ids"], Float[Tensor, "k ids"]]:
    """The kind of every id (its place in a picture; the last kind: words), and what bars others."""
    kinds = torch.full((n_ids,), len(layout.allowed))
    for place, codes in enumerate(layout.allowed):
        kinds[layout.first_code + codes.start : layout.first_code + codes.stop] = place
    own = kinds[None] == torch.arange(len(layout.allowed) + 1)[:, None]
    return kinds, torch.zeros(own.shape).masked_fill(~own, -torch.inf)


def _padded(
    batch: Sequence[Line], dropped: np.ndarray
) -> tuple[Int[Tensor, "b l"], Float[Tensor, "b l"], Int[Tensor, "b l"]]:
    """Ids, weights and attention mask, padded on the right."""
    longest = max(len(line.ids) for line in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    weights, mask = torch.zeros(len(batch), longest), torch.zeros_like(ids)
    for k, line in enumerate(batch):
        n = len(line.ids)
        ids[k, :n], weights[k, :n] = torch.tensor(line.ids), torch.tensor(line.weights)
        mask[k, :n] = 1
        if dropped[k]:
            hidden = torch.tensor(line.guided)
            mask[k, :n][hidden], weights[k, :n][hidden] = 0, 0.0
    return ids, weights, mask


def _pool(
    n: int, encoder: ImageEncoder, rng: np.random.Generator, progress: Progress
) -> tuple[Scenes, Embeddings]:
    """Scenes of ``n`` pictures and their embeddings."""
    scenes, rows = [], []
    parts = list(blocks(n, _CHUNK))
    for part in progress(parts, "encode the training pictures", len(parts)):
        drawn, pictures = data.pictures(part.stop - part.start, rng)
        scenes.append(drawn)
        rows.append(encoder.encode(list(pictures)))
    return np.concatenate(scenes), np.concatenate(rows)
