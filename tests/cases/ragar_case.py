"""What RAGAR's tests share: the toy world on tiny random models of the real classes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from diffusion_case import TinyDiffusionStack, seeded, tiny_decoder, tiny_image_encoder
from transformers import Qwen3Config, Qwen3ForCausalLM

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.method import FitContext
from persongen_bench.methods.ragar.config import CHECK
from persongen_bench.methods.ragar.method import Ragar
from persongen_bench.methods.ragar.states import TextStates
from persongen_bench.stacks.language.chat import ChatModel
from persongen_bench.stacks.sandbox import llm_words
from persongen_bench.testing import MethodContract, toy_world
from persongen_bench.testing.toy import features_of

SIZE = 16


@cache
def tiny_llm() -> ChatModel:
    """A random Qwen3 of two layers: what it says is no list of keywords."""
    words = llm_words.tokenizer()
    config = Qwen3Config(
        vocab_size=len(words), hidden_size=SIZE, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=512,
        tie_word_embeddings=True, bos_token_id=None, pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
    )  # fmt: skip
    model = seeded(8, lambda: Qwen3ForCausalLM(config)).eval()
    return ChatModel(model, words, "tiny-random-8", rows=4)


class ListingLlm:
    """`tiny_llm` that lists the words of a picture as it is asked to."""

    signature = "listing|impl:1"
    model = property(lambda self: tiny_llm().model)
    tokenizer = property(lambda self: tiny_llm().tokenizer)

    def template(self, prompt):
        return tiny_llm().template(prompt)

    def reply(self, prompts, max_new_tokens=128):
        lines = [prompt.splitlines()[0].removeprefix("Picture: ") for prompt in prompts]
        lists = ['", "'.join(word for word in line.split() if len(word) > 2) for line in lines]
        return [f'["{text}"]' for text in lists]


class RagarStack(TinyDiffusionStack):
    """The tiny diffusion stack with a language model and an image encoder in the role ``vit``."""

    name = "tiny-ragar"
    roles = ("captioner", "clip", "decoder", "image_encoder", "llm", "vit")

    def __init__(self, llm=None):
        self._llm = llm or tiny_llm()

    def role(self, name):
        if name not in self.roles:
            raise MissingRoleError(f"stack {self.name} has no {name!r}, only {self.roles}")
        if name == "llm":
            return self._llm
        return tiny_image_encoder() if name == "vit" else super().role(name)


class RagarContract(MethodContract):
    """`MethodContract` with `RagarStack` in place of the toy stack."""

    def stack(self) -> RagarStack:
        return RagarStack()


WORLD = replace(toy_world(), stack=RagarStack(ListingLlm()))
USERS = WORLD.train.users
PALETTE = {f"hue {k}": f"{colour} picture on {ground}" for k, (colour, ground) in enumerate(
    [("red", "paper"), ("yellow", "night"), ("green", "paper"), ("blue", "night"),
     ("purple", "paper"), ("pink", "night")]
)}  # fmt: skip


def said_train():
    """The toy world's training view whose captions hold words that the models know."""
    train = WORLD.train
    items = train.catalog.items.copy()
    items["caption"] = [PALETTE[text] for text in items["caption"]]
    items["subject"] = [text.split(" on ")[0] for text in items["caption"]]
    return replace(train, catalog=replace(train.catalog, items=items))


def context(train, **changes) -> FitContext:
    made = FitContext(WORLD.stack, 7, features_of(WORLD.stack), users=USERS[:3])
    return replace(made, **changes)


def fitted(view=None, changes=None, **options) -> Ragar:
    train = said_train() if view is None else view
    method = Ragar(Ragar.Config.model_validate({**CHECK, **options}))
    method.fit(train, context(train, **(changes or {})))
    return method


def following(n_images=1):
    """One request a user, with its history, a reference and words for it."""
    samples = WORLD.samples(n_images, references=True)
    return [s for s in samples if s.request.user_id in USERS[:3]]


def states() -> TextStates:
    return TextStates(tiny_decoder().pipeline)


def random_rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
