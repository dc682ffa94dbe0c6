"""Why a run is not believed or has no place: what such runs have in common, and what is one's own.

Of hundreds of runs refused for the same reason each has other numbers; they are told together by
the words that they share.
"""

from __future__ import annotations

from dataclasses import dataclass

OWN = "..."
"""Stands for what is a run's own in the words that it shares."""


@dataclass(frozen=True)
class Reason:
    """A sentence; the parts in it that are a run's own are left out of its kind."""

    text: str
    kind: str

    def __str__(self) -> str:
        return self.text


def reason(form: str, *own: object) -> Reason:
    """``form`` with a run's own parts in place of each ``{}``."""
    text = form
    for part in own:
        text = text.replace("{}", str(part), 1)
    return Reason(text, form.replace("{}", OWN))
