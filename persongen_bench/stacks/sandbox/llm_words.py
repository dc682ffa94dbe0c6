"""The vocabulary of the sandbox's language model, and its tokenizer: a word is a token."""

from __future__ import annotations

import re

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from persongen_bench.stacks.sandbox.words import FILLERS
from persongen_bench.util.keyword_requests import caption_request, target_request, taste_request
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, TEMPLATES
from persongen_bench.worlds.tasteworld.labels import EMOTIONS, THEMES

PAD, UNKNOWN, USER, ASSISTANT, END = "<pad>", "<unk>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL = (PAD, UNKNOWN, USER, ASSISTANT, END)
MARKS = ('["', '", "', '"]', "[]", "+", "-", ".", ":", ";", "?", "!", '"', "'", "[",
         "]", "{", "}", "(", ")", "<", ">", "/", "=")  # fmt: skip
_SPLIT = r'\["|", "|"\]|\[\]|[A-Za-z]+|\d|[^\s,A-Za-z\d]'
"""Blanks, line breaks and commas are not read: they say nothing here, and cost half of the time."""
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Turns of a dialogue in Jinja; what `persongen_bench.stacks.sandbox.llm_dialogues` trains on."""


def vocabulary() -> list[str]:
    """All tokens in their order."""
    texts = [*TEMPLATES, *FILLERS, *EMOTIONS, *THEMES, *ATTRIBUTES, caption_request("")]
    texts += [target_request(""), taste_request([], 1), "and", "the", "mood", "feels", "emotion"]
    words = {word for text in texts for word in re.findall("[A-Za-z]+", text)}
    values = {value for values in ATTRIBUTES.values() for value in values}
    digits = [str(digit) for digit in range(10)]
    return [*SPECIAL, *MARKS, *digits, *sorted(words | values)]


def tokenizer() -> PreTrainedTokenizerFast:
    """Words, digits, marks and the pieces of a JSON list; what it does not know is ``<unk>``."""
    numbers = {token: number for number, token in enumerate(vocabulary())}
    core = Tokenizer(models.WordLevel(numbers, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(_SPLIT), behavior="removed", invert=True)
    core.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix="##", cleanup=False),
            decoders.Fuse(),
            *(decoders.Replace(*pair) for pair in _TIGHT),
        ]
    )
    core.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, unk_token=UNKNOWN, eos_token=END,
        padding_side="left", clean_up_tokenization_spaces=False,
    )  # fmt: skip
    made.chat_template = TEMPLATE
    return made


_TIGHT = (('[" ', '["'), (' ", " ', '", "'), (' "]', '"]'), (" .", "."), (" :", ":"))
