"""Every split that is run on is audited for leaks once; the finding goes with the run."""

from __future__ import annotations

from persongen_bench.core.progress import Progress
from persongen_bench.core.types import content_hash
from persongen_bench.datasets.audit import AuditOptions, audit
from persongen_bench.loop.world import World
from persongen_bench.util.files import cache_root, write_atomic

QUICK = AuditOptions(max_held_out=300, max_train=4000)
"""Pictures opened before a run; call `datasets.audit.audit` yourself to look at all of them."""


def audited(world: World, progress: Progress) -> list[str]:
    """Lines of the audit report of this world's split, from the cache where it is known."""
    promise = sorted(world.split.promise)
    key = content_hash(world.dataset.revision, world.split.hash, promise, repr(QUICK))
    path = cache_root() / "audits" / f"{key}.txt"
    if not path.exists():
        report = audit(world.dataset, world.split, QUICK, progress)
        write_atomic(path, str(report).encode())
    return path.read_text(encoding="utf-8").splitlines()


def leaks(lines: list[str]) -> list[str]:
    """The lines that break a promise of the split."""
    return [line for line in lines if line.startswith("leak")]
