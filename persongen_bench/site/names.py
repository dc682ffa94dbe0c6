"""What people are called on pages: as the data call them, visible, and no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from persongen_bench.core.plain import LABEL, plain


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """Name => what is shown in its place: on one line, all of it visible, each another one.

    Of names that look alike the later ones, in sorted order, are numbered.
    """
    shown: dict[str, str] = {}
    taken: set[str] = set()
    times: Counter[str] = Counter()
    for name in sorted(set(names)):
        words = plain(name, LABEL) or "(nameless)"
        text = words
        while text in taken:
            times[words] += 1
            text = f"{words} ({times[words] + 1})"
        taken.add(text)
        shown[name] = text
    return shown
