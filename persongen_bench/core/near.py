"""What somebody meant who misspelt a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near_miss(name: object, known: Iterable[str], otherwise: str = "") -> str:
    """The fix of an error about an unknown name: the names near it, then ``otherwise``.

    Small and large letters, blanks, hyphens and underscores count the same.
    """
    by_letters = {_letters(one): one for one in reversed(list(known))}
    near = difflib.get_close_matches(_letters(str(name)), by_letters, n=3, cutoff=0.55)
    asked = f"Did you mean {' or '.join(by_letters[one] for one in near)}?" if near else ""
    return " ".join(part for part in (asked, otherwise) if part)


def _letters(name: str) -> str:
    return name.lower().replace("_", "-").replace(" ", "-")
