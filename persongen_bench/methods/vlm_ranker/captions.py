"""Items in words, and the profile of what a user liked: the captioning stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from persongen_bench.core.errors import DataError
from persongen_bench.core.language import MultimodalModel
from persongen_bench.core.types import Catalog
from persongen_bench.methods.personas import DescriptionBook
from persongen_bench.methods.vlm_ranker.config import Heading
from persongen_bench.util.judging import rubric
from persongen_bench.util.judging.judges import Judge, seen_together
from persongen_bench.util.judging.tags import TagSorter

COLUMNS = ("prompt", "caption")
"""Of a catalogue of models, the first that is there: the prompt of each that users like best."""


class Captions(Protocol):
    """Puts items into words."""

    task: str
    """What the judge is asked to do with them."""

    def of(self, item_ids: Sequence[str]) -> tuple[str, ...]:
        """One caption an item, or none at all where the judge sees the pictures."""
        ...

    def profile(self, item_ids: Sequence[str]) -> str:
        """What the items have in common; at least one item."""
        ...


class TaggedPictures:
    """A captioner's tags, sorted under the headings."""

    task = rubric.IMAGES_TASK

    def __init__(self, book: DescriptionBook, words: Mapping[Heading, Sequence[str]]) -> None:
        self._book = book
        self._sorter = TagSorter({str(name): own for name, own in words.items()})

    def of(self, item_ids: Sequence[str]) -> tuple[str, ...]:
        """The tags of each item."""
        return tuple(self._sorter.caption(one) for one in self._book.of(item_ids))

    def profile(self, item_ids: Sequence[str]) -> str:
        """Under each heading the tags with the number of items that have them."""
        return self._sorter.profile(self._book.of(item_ids))


class SeenPictures:
    """A multimodal model that is shown pictures; ``told``: it also puts each item into words."""

    task = rubric.IMAGES_TASK

    def __init__(
        self, lmm: MultimodalModel, catalog: Catalog, max_new_tokens: int, *, told: bool
    ) -> None:
        self._lmm, self._catalog, self._longest, self._told = lmm, catalog, max_new_tokens, told
        self._known: dict[str, str] = {}

    def of(self, item_ids: Sequence[str]) -> tuple[str, ...]:
        """What the model says of each item; nothing where the judge sees it."""
        if not self._told:
            return ()
        for item in item_ids:
            if item not in self._known:
                self._known[item] = self._say([item])
        return tuple(self._known[item] for item in item_ids)

    def profile(self, item_ids: Sequence[str]) -> str:
        """What the model says of all of them together."""
        return self._say(item_ids)

    def _say(self, item_ids: Sequence[str]) -> str:
        return seen_together(self._lmm, self._catalog.images(item_ids), self._longest)


class ModelPrompts:
    """Models by the prompt that users like best."""

    task = rubric.MODELS_TASK

    def __init__(self, catalog: Catalog, judge: Judge) -> None:
        column = next((name for name in COLUMNS if name in catalog.items), None)
        if column is None:
            raise DataError(
                f"the items have no column {' or '.join(COLUMNS)}, by which models are told apart",
                fix="Use data that have one, or items with pictures (items=images).",
            )
        self._prompts, self._judge = catalog.items[column].fillna("").astype(str), judge

    def of(self, item_ids: Sequence[str]) -> tuple[str, ...]:
        """The prompts, a line each."""
        return tuple(f"{rubric.PROMPT}: {self._of(item)}" for item in item_ids)

    def profile(self, item_ids: Sequence[str]) -> str:
        """The judge's summary of the prompts."""
        return self._judge.summarise([self._of(item) for item in item_ids])

    def _of(self, item: str) -> str:
        return " ".join(self._prompts[item].split())
