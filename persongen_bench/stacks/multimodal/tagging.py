"""The variant ``captioner/tagged``: a multimodal model that tags pictures (001, appendix F)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

from persongen_bench.core.language import MultimodalModel
from persongen_bench.core.roles import Captioner
from persongen_bench.core.types import Description, Image, content_hash
from persongen_bench.util.tagging_replies import TaggingReader
from persongen_bench.util.tagging_requests import INSTRUCTION, tagging_request

MAX_TOKENS = 256
"""New words and word pieces per picture; ours, ten items and a sentence need fewer."""


class TaggingCaptioner:
    """Pictures to a sentence and four lists of tags; implements `Captioner`.

    The paper asks LLaVA-1.5-7B; here it is the stack's ``lmm``, and its words are the likeliest
    ones. A picture whose reply is refused is described by another captioner, without lists:
    `Description.structured` tells which it was, and `counts` how many.
    """

    def __init__(self, lmm: Callable[[], MultimodalModel], plain: Callable[[], Captioner]) -> None:
        """Each opens a model when it is used first; ``plain`` describes what is refused."""
        self._open_lmm, self._open_plain = lmm, plain
        self._reader = TaggingReader()

    @cached_property
    def signature(self) -> str:
        """Both models, the instruction and how its answer is read."""
        asked = content_hash("tagging", INSTRUCTION)
        return (
            f"lmm-tagger|greedy|tokens:{MAX_TOKENS}|instruction:{asked}"
            f"|on:({self._lmm.signature})|refused:({self._plain.signature})|impl:1"
        )

    @property
    def counts(self) -> Counter[str]:
        """Replies read as they are, repaired and refused, of all pictures until now."""
        return Counter(self._reader.counts)

    @property
    def kinds(self) -> Counter[str]:
        """What was wrong with the refused ones."""
        return Counter(self._reader.kinds)

    def describe(self, images: Sequence[Image]) -> list[Description]:
        """One description each, from its picture alone."""
        codes = self._lmm.tokenize(images)
        replies = self._lmm.say([tagging_request(one) for one in codes], MAX_TOKENS)
        said = [self._reader.read(reply) for reply in replies]
        refused = [images[place] for place, one in enumerate(said) if one is None]
        plain = iter(self._plain.describe(refused) if refused else [])
        return [next(plain) if one is None else one for one in said]

    @cached_property
    def _lmm(self) -> MultimodalModel:
        return self._open_lmm()

    @cached_property
    def _plain(self) -> Captioner:
        return self._open_plain()
