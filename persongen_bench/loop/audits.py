"""Every split that is run on is audited for leaks once; the finding goes with the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from persongen_bench.core.progress import Progress
from persongen_bench.core.request import Request
from persongen_bench.core.types import content_hash
from persongen_bench.datasets.audit import AuditOptions, audit
from persongen_bench.loop.schema import LEAKS
from persongen_bench.loop.world import World
from persongen_bench.util.files import cache_root
from persongen_bench.util.sealed import kept_file

QUICK = AuditOptions(max_held_out=300, max_train=4000)
"""Pictures opened before a run; call `datasets.audit.audit` yourself to look at all of them."""


def audited(world: World, progress: Progress) -> list[str]:
    """Lines of the audit report of this world's split, from the cache where it is known."""
    promise = sorted(world.split.promise)
    key = content_hash(world.dataset.revision, world.split.hash, promise, repr(QUICK))
    path = cache_root() / "audits" / f"{key}.txt"

    def report() -> bytes:
        return str(audit(world.dataset, world.split, QUICK, progress)).encode()

    return kept_file(path, bytes.decode, report).splitlines()


def audited_requests(
    world: World, requests: Iterable[Request], opened: Mapping[str, int]
) -> list[str]:
    """What the references of a run give away, a line each; none where there is no reference.

    A reference that the user likes in the held-out part makes every likeness to the reference a
    likeness to the answer: numbers against it then measure reconstruction.

    Args:
        world: the data and how they are divided.
        requests: those of the run.
        opened: item id => times that the method looked at it (`generate.note_references`).
    """
    asked = [request for request in requests if request.reference is not None]
    if not asked:
        return []
    trained, likes = set(world.train.catalog.ids), world.test.liked_items
    hidden = sum(request.reference not in trained for request in asked)
    answers = sum(request.reference in likes.get(request.user_id, ()) for request in asked)
    looked = f"{len(opened)} items were opened, {sum(opened.values())} times in all"
    named = f"{len(asked)} requests name one, {hidden} of them a held-out item"
    lines = [f"info: reference: {named}; {looked}"]
    if answers:
        lines.append(
            f"warning: reference-is-answer: {answers} requests name an item that their user likes "
            "in the held-out part"
        )
    return lines


def leak_notes(lines: Sequence[str]) -> tuple[str, ...]:
    """One sentence where the audit of a split found leaks: kinds and counts, nobody's name."""
    found = [
        line.removeprefix("leak: ").split(" (")[0] for line in lines if line.startswith("leak")
    ]
    if not found:
        return ()
    kinds = ", ".join(found)
    return (f"{LEAKS}the split does not keep what it promises, so no number is clean ({kinds})",)


def leaks(lines: list[str]) -> list[str]:
    """The lines that break a promise of the split, or give an answer away."""
    return [line for line in lines if line.startswith(("leak", "warning: reference"))]
