"""Facts of a run beside its journal, so that they outlive it: `facts.json`.

Which models the method was given (and so which judges are its own), what the fit cost, which
references it opened, why it is no fair row. The journal holds them too, and goes first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular
from persongen_bench.util.files import write_atomic

FILE = "facts.json"
OWN_JUDGES = "own judges"
"""Fact of a run whose models nobody remembers: metrics that its last summary marked."""
_MOST_BYTES = 1 << 26


def read_facts(run: Path) -> dict[str, Any]:
    """Every fact by name; none where there is no such file, or one that cannot be read."""
    try:
        known = json.loads(read_regular(run / FILE, FILE, _MOST_BYTES))
    except (DataError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def keep_facts(run: Path, facts: Mapping[str, Any]) -> None:
    """Add facts to those that are kept; writes where something is new."""
    known = read_facts(run)
    if {**known, **facts} != known:
        document = json.dumps({**known, **facts}, indent=1, sort_keys=True)
        write_atomic(run / FILE, document.encode(), durable=False)


def judged_own(run: Path) -> list[str]:
    """Metrics that the last summary marks as own judges; none where it cannot be read."""
    try:
        metrics = json.loads((run / "summary.json").read_bytes())["metrics"]
        return sorted(name for name, number in metrics.items() if number["own_judge"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
