"""How a multimodal model is asked for tags of one picture (REBECA, 001, appendix F).

The paper sends one fixed instruction to LLaVA-1.5-7B with every picture. Its structure is kept, a
JSON object of a caption and four lists and three rules; the words are our own.
"""

from __future__ import annotations

from typing import Any

from persongen_bench.core.language import Codes, PicturePart

CAPTION = "caption"
LISTS = ("objects", "attributes", "styles", "colors")
"""Fields of the answer besides the caption, spelled as the paper does."""
MOST = 10
"""Items in all four lists together."""
INSTRUCTION = (
    "Tag this picture. Answer with one JSON object and nothing else. Its fields are: "
    f'"{CAPTION}", a text; ' + "; ".join(f'"{name}", a list of texts' for name in LISTS) + ". "
    f"Write lower case, at most {MOST} items in all lists together, and never null."
)
"""The same for every picture."""


def tagging_request(codes: Codes) -> list[Any]:
    """The prompt of a multimodal model: a picture and the `INSTRUCTION`."""
    return [PicturePart(codes), INSTRUCTION]
