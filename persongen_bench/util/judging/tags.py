"""What a captioner says of pictures, under the headings of the rubric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from persongen_bench.core.types import Description
from persongen_bench.util.judging.judges import counted
from persongen_bench.util.judging.rubric import FEATURES, HEADINGS, under_headings


class TagSorter:
    """Sorts tags: those that are named under their heading, all others to the visual features."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        """``words``: heading => its tags, in small letters."""
        self._heading = {word: name for name, own in words.items() for word in own}

    def caption(self, said: Description) -> str:
        """The tags of a picture."""
        return under_headings(self._sorted(said))

    def profile(self, said: Sequence[Description]) -> str:
        """Under each heading the tags with the number of pictures that have them."""
        every = [self._sorted(one) for one in said]
        return counted({name: [one[name] for one in every] for name in HEADINGS})

    def _sorted(self, said: Description) -> dict[str, Sequence[str]]:
        tags = [tag.lower().replace(",", " ") for tag in said.tags]
        places = {tag: self._heading.get(tag, FEATURES) for tag in tags}
        return {name: [tag for tag in tags if places[tag] == name] for name in HEADINGS}
