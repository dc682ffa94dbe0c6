"""The audit that goes with a run is of this split, with this promise."""

from dataclasses import replace

from persongen_bench.loop.prepare import WorldRef, load_world

from persongen_bench.core.progress import no_progress
from persongen_bench.loop.audits import audited, leaks


def test_another_promise_is_another_audit(monkeypatch, tmp_path):
    """Rows at random share their items: no leak, unless the split promises items."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    world = load_world(WorldRef("dsprites", "pixels", {"n_images": 40}, split="row"))
    assert leaks(audited(world, no_progress)) == []
    claimed = replace(world, split=replace(world.split, promise=frozenset({"items"})))
    assert claimed.split.hash == world.split.hash
    (line,) = leaks(audited(claimed, no_progress))
    assert line.startswith("leak: item-overlap")
    assert audited(world, no_progress) == audited(world, no_progress)
    assert leaks(audited(world, no_progress)) == []
