"""What a table says of rows whose pictures repeat those of the data, or were not searched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from persongen_bench.core.output import IMAGE, kind_of
from persongen_bench.loop.copies import Copies, Repeats
from persongen_bench.loop.results import RunResults

OF_HELD_OUT = "copies held-out pictures"
OF_TRAINING = "repeats training pictures"


def not_ranked(runs: Sequence[RunResults]) -> bool:
    """Whether one of a method's runs copies held-out pictures."""
    return any(run.copies is not None and run.copies.of_held_out for run in runs)


def mark(runs: Sequence[RunResults]) -> str:
    """What is printed behind a method's label; empty: nothing.

    Anchors are shown for what they are and are not marked.
    """
    if runs[0].config.method.anchor:
        return ""
    if not_ranked(runs):
        return OF_HELD_OUT
    known = [run.copies for run in runs if run.copies is not None]
    return OF_TRAINING if any(copies.of_training for copies in known) else ""


def copy_notes(runs: Sequence[RunResults], anchors: Sequence[str]) -> list[str]:
    """A sentence for each row that copies, and one for those that were not searched.

    ``anchors``: methods that a board shows as reference lines, whatever they do.
    """
    said, unsearched = defaultdict[str, list[str]](list), list[str]()
    for run in runs:
        method, copies = run.config.method, run.copies
        if copies is None:
            if kind_of(run.config.output) is IMAGE:
                unsearched.append(method.label)
        elif not (method.anchor or method.name in anchors):
            for sentence in sentences(copies):
                said[sentence].append(method.label)
    notes = [f"{text} ({', '.join(labels)})" for text, labels in sorted(said.items())]
    everybody = len(set(unsearched)) == len({run.config.method.label for run in runs})
    if unsearched:
        who = "any row" if everybody else ", ".join(sorted(set(unsearched)))
        notes.append(f"Not searched for copies: {who}; `pgbench audit copies RUN` does it.")
    return notes


def sentences(copies: Copies) -> list[str]:
    """What is to be said of one run; nothing where it copies no more than chance."""
    said = []
    if copies.of_held_out and copies.held_out is not None:
        counted = _counted(copies, copies.held_out, "held-out")
        said.append(f"Not ranked: {counted}, which no method is shown")
    if copies.of_training and copies.training is not None:
        said.append(_counted(copies, copies.training, "training"))
    return said


def _counted(copies: Copies, repeats: Repeats, part: str) -> str:
    return f"{repeats.n_images} of {copies.n_images} images repeat {part} pictures"
