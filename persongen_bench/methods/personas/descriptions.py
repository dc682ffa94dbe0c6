"""What the captioner says about catalogue images; each image is described once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.roles import Captioner, Variants, open_role
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Catalog, Description
from persongen_bench.methods._drawing import required_role
from persongen_bench.util.descriptions import described, stored
from persongen_bench.util.opening import opened_items

CHUNK = 64
"""Images opened and described at a time, fewer where they are large."""
FILE = "descriptions.jsonl"
"""Of a checkpoint."""

TAGGED = "captioner/tagged"
_PURPOSE = "tag rated images"


def picture_reader(stack: Stack, *, tagged: bool) -> Captioner:
    """The stack's captioner, or the multimodal model that tags pictures in its place.

    Raises `MissingRoleError` for a stack without. A stack that tells the two apart is asked for its
    ``lmm`` as well, so that its weights are known to have been used.
    """
    captioner: Captioner = required_role(stack, "captioner", _PURPOSE)
    if not tagged:
        return captioner
    if isinstance(captioner, Variants):
        required_role(stack, "lmm", _PURPOSE)
    tagger: Captioner = open_role(stack, TAGGED)
    return tagger


class DescriptionBook:
    """Descriptions by item id, filled as they are needed."""

    def __init__(
        self,
        captioner: Captioner,
        catalog: Catalog,
        known: Mapping[str, Description] | None = None,
    ) -> None:
        self._captioner, self._catalog = captioner, catalog
        self._known = dict(known or {})

    def of(self, item_ids: Sequence[str]) -> list[Description]:
        """Descriptions in the order of ``item_ids``; unknown ones are made now."""
        self.fill(item_ids)
        return [self._known[item] for item in item_ids]

    def fill(
        self,
        item_ids: Iterable[str],
        progress: Progress = no_progress,
        checkpoints: Path | None = None,
        others: Sequence[Path] = (),
    ) -> None:
        """Describe the items that are not in the book yet.

        Every chunk is appended to a file in ``checkpoints``, from which a killed run goes on;
        ``others``: such folders, whose descriptions are taken.
        """
        file = None if checkpoints is None else checkpoints / FILE
        for known in (*(other / FILE for other in others), *([] if file is None else [file])):
            self._known = {**_read(known), **self._known}
        wanted = [item for item in dict.fromkeys(item_ids) if item not in self._known]
        parts = opened_items(self._catalog, wanted, CHUNK)
        for ids, images in progress(parts, "describe images", -(-len(wanted) // CHUNK)):
            said = self._captioner.describe(images)
            made = dict(zip(ids, said, strict=True))
            self._known.update(made)
            if file is not None:
                _append(file, made)

    def document(self) -> dict[str, list[object]]:
        """The book as JSON values; `descriptions_from` reads them."""
        return {item: stored(said) for item, said in self._known.items()}


def descriptions_from(document: Mapping[str, Sequence[object]]) -> dict[str, Description]:
    """What `DescriptionBook.document` wrote."""
    return {item: described(values) for item, values in document.items()}


def _append(file: Path, made: Mapping[str, Description]) -> None:
    """One JSON line, begun with a line break: what a kill cut off before spoils itself alone."""
    document = {item: stored(said) for item, said in made.items()}
    with file.open("a", encoding="utf-8") as stream:
        stream.write("\n" + json.dumps(document))


def _read(file: Path) -> dict[str, Description]:
    """All whole lines of a checkpoint; what is damaged is described again."""
    known: dict[str, Description] = {}
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    lines = text.splitlines()
    for line in filter(None, lines):
        try:
            known |= descriptions_from(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return known
