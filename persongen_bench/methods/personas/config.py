"""Options of the methods that write personas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from persongen_bench.core.config import Config


class PersonaConfig(Config):
    """From ratings to a persona and its prompts; the defaults are those of the released code.

    Values without another source are those of REBECA's notebook and script for the VLM personas;
    the paper prints the prompt builder (Algorithm 1) and its fallbacks (Table 5).
    """

    labels: Literal["auto", "ratings", "liked"] = "auto"
    """What an opinion is read from: ratings against the two bounds, or the column ``liked``, whose
    complement is then disliked. ``auto``: ratings where they reach both bounds and agree with
    ``liked``, else ``liked``."""
    like_from: float = 4.0
    """Least rating of a like."""
    dislike_to: float = 2.0
    """Greatest rating of a dislike; what lies between the bounds is not used."""
    describe: Literal["captioner", "tagged"] = "captioner"
    """Who puts rated pictures into words: the stack's captioner, or its variant ``tagged``, a
    multimodal model that is asked for a caption and lists of objects, attributes, styles and
    colours (001, app. F). A stack with one captioner has the same for both."""
    writer: Literal["log-odds", "llm"] = "log-odds"
    """Who writes the persona. ``llm``: a language model is handed the descriptions and writes a
    short text and positive and negative keywords, as in the paper (sec. 4.3.1); where its reply
    cannot be read, and ``log-odds`` for everybody: counted tags, the released code's fallback."""
    max_new_tokens: int = Field(default=256, ge=1)
    """Of a reply of the language model, which answers greedily; ours."""
    n_images_per_user: int = Field(default=10, ge=1)
    """Likes, and dislikes, at most; the released code takes 10 where a language model reads them
    and 20 where tags are counted."""
    images: Literal["first", "latest"] = "first"
    """Which of a user's likes and dislikes; without timestamps the order is random but fixed."""
    alpha: float = Field(default=1.0, gt=0)
    """Added to every count before the log-odds."""
    min_count: int = Field(default=2, ge=1)
    """Images of its own side on which a keyword stands at least."""
    n_keywords: int = Field(default=12, ge=1)
    """Keywords per side."""
    shared_tags: Literal["drop", "sign"] = "drop"
    """A tag that reaches ``min_count`` on both sides: ``drop`` leaves it to the negative side, as
    the released code does; ``sign`` gives it to the side its log-odds point to, and keeps only
    tags that point to their side."""
    wording: Literal["sentences", "keywords"] = "sentences"
    """``sentences``: what the user likes and what they avoid, both in the prompt, as released;
    ``keywords``: the liked ones in a row. Text encoders read "avoids red" as red. Of the log-odds;
    a language model writes its own text."""
    n_persona_keywords: int = Field(default=6, ge=1)
    """Keywords per side that the persona's text names."""
    max_persona_characters: int = Field(default=220, ge=1)
    """Longer texts are cut after the last full sentence that fits, else after the last word."""
    negative_prompt: Literal["user", "fixed", "both"] = "user"
    """``user``: the negative keywords, where there are none the fixed terms of Table 5 (Algorithm
    1, line 9); ``fixed``: Table 5 for everybody (001, sec. 4.3.1); ``both``: fixed, then own."""


PAPER_PERSONA: Mapping[str, object] = {"describe": "tagged", "writer": "llm"}
"""Pictures tagged as in app. F, personas written from the tags (001, sec. 4.3.1)."""
SANDBOX_PERSONA: Mapping[str, object] = {
    "n_images_per_user": 20,
    "shared_tags": "sign",
    "wording": "keywords",
}
"""For pictures of few tags, which nearly all stand on both sides, a text encoder that knows
captions only, and a language model that lists keywords and writes no persona."""
