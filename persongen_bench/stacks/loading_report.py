"""What the libraries report of loading a model: whether the files hold each of its tensors.

They fill what is missing with random numbers and a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from persongen_bench.core.errors import ConfigError

Report = Mapping[str, Iterable[object]]
_SAID = {
    "mismatched_keys": "has another shape for",
    "missing_keys": "lacks",
    "unexpected_keys": "adds",
}


def wrong_tensor(report: Report, unread: tuple[str, ...] = ()) -> str | None:
    """The first tensor that is not as the model has it, in words; None: there is none.

    ``unread``: how names of tensors end that no model reads.
    """
    for kind, word in _SAID.items():
        wrong = sorted(str(key) for key in report.get(kind, ()) if not str(key).endswith(unread))
        if wrong:
            return f"{word} tensor {wrong[0]} ({len(wrong)} in all)"
    return None


def require_complete(path: Path, report: Report, unread: tuple[str, ...] = ()) -> None:
    """Raise `ConfigError` where ``path`` lacks a tensor, or has one more or of another shape."""
    wrong = wrong_tensor(report, unread)
    if wrong is not None:
        raise ConfigError(f"{path}: not the expected model: {wrong}")
