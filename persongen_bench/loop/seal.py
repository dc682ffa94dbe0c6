"""The digest of a summary that its table of scores carries, so that a change by hand is seen."""

from __future__ import annotations

from persongen_bench.core.later import pd
from persongen_bench.core.types import content_hash
from persongen_bench.loop.schema import Summary

SEAL = "summary"
"""Attribute of the table of scores: the digest of the summary written with it."""


def sealed(scores: pd.DataFrame, summary: Summary) -> pd.DataFrame:
    """The scores with the digest of the summary that is written with them."""
    marked = scores.copy(deep=False)
    marked.attrs = {SEAL: digest_of(summary)}
    return marked


def digest_of(summary: Summary) -> str:
    """What changes with every field of a summary but its version."""
    return content_hash(summary.model_dump(mode="json", exclude={"schema_version"}))
