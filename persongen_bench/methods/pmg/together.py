"""Which keywords exclude one another, as far as described pictures tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

EXPECTED = 3.0
"""Pictures that two words would share by chance, at least, before their absence means something."""


class Together:
    """Counts of words, alone and in pairs, over pictures."""

    def __init__(self, pictures: Iterable[Sequence[str]]) -> None:
        """``pictures``: the keywords of each."""
        self._single: Counter[str] = Counter()
        self._pairs: Counter[frozenset[str]] = Counter()
        self._n = 0
        for words in pictures:
            own = sorted(set(words))
            self._n += 1
            self._single.update(own)
            self._pairs.update(frozenset(pair) for pair in combinations(own, 2))

    def exclude(self, first: str, second: str) -> bool:
        """Two words that never share a picture although by chance `EXPECTED` would."""
        if first == second or not self._n:
            return False
        expected = self._single[first] * self._single[second] / self._n
        return expected >= EXPECTED and not self._pairs[frozenset((first, second))]

    def kept(self, words: Sequence[str], beside: Sequence[str]) -> tuple[str, ...]:
        """``words`` in their order without those that ``beside``, or one kept before, excludes."""
        kept: list[str] = []
        for word in words:
            if not any(self.exclude(word, other) for other in (*beside, *kept)):
                kept.append(word)
        return tuple(kept)
