"""Trains the sandbox's multimodal model and measures it."""

from __future__ import annotations

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
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, Workshop, seeded, train
from persongen_bench.worlds.tasteworld.attributes import Scenes

PLAN = TrainingPlan(
    steps=640, batch_size=32, learning_rate=1.5e-3, weight_decay=0.05, seed=71,
)  # fmt: skip
POOL = 12_000

_WIDTH, _LAYERS, _HEADS = 192, 4, 4
_DROP = 0.15
_CHUNK = 256


@dataclass(frozen=True)
class Trained:
    """What is stored."""

    model: Emu3ForCausalLM
    tokenizer: Any
    tables: EmbeddingTables


def network(tokenizer: Any) -> Emu3ForCausalLM:  # noqa: ANN401  # a PreTrainedTokenizerFast
    """The untrained language model: Emu3's text class, 2.0 M parameters."""
    config = Emu3TextConfig(
        vocab_size=len(tokenizer), hidden_size=_WIDTH, intermediate_size=512,
        num_hidden_layers=_LAYERS, num_attention_heads=_HEADS, num_key_value_heads=_HEADS,
        attention_dropout=0.0, max_position_embeddings=1024, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return Emu3ForCausalLM(config)


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

        def loss(step: Step) -> Mapping[str, Tensor]:
            return losses(model, lines(corpus, plan.batch_size, step), step)

        trained = train(model, loss, plan, workshop, "train the multimodal model")
        return Trained(trained, tokenizer, tables)

    def card(folder: Path) -> Mapping[str, object]:
        encoder, decoder = role("image_encoder"), role("decoder")
        lmm = open_lmm(folder, encoder, decoder)
        facts = {
            "variants": "diffusion is shipped; patch_codes (64 codes of 8 x 8 patches, linear) is "
            "the ceiling of the other codec, for which no language model was trained",
            "parameters": sum(p.numel() for p in lmm.model.parameters()),
            "weights": lmm.signature.partition("weights:")[2].partition("|")[0],
            "quality": measure(lmm, encoder, decoder, n_quality),
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


def losses(model: Any, batch: Sequence[Line], step: Step) -> dict[str, Tensor]:  # noqa: ANN401
    """Weighted cross-entropy; a share of `_DROP` of the documents cannot see their history.

    Its tokens keep their places and are hidden from the attention, as guidance hides them.
    """
    dropped = step.rng.random(len(batch)) < _DROP
    ids, weights, mask = _padded(batch, dropped)
    states = model.model(
        input_ids=ids, attention_mask=mask,
        position_ids=torch.arange(ids.shape[1]).expand(len(ids), -1), use_cache=False,
    ).last_hidden_state  # fmt: skip
    told = weights[:, 1:] > 0
    logits = model.lm_head(states[:, :-1][told])
    errors = F.cross_entropy(logits, ids[:, 1:][told], reduction="none")
    shares = weights[:, 1:][told]
    return {"loss": (errors * shares).sum() / shares.sum()}


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
