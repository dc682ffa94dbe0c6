"""How wide the output is; asked before anything is loaded that prints runs."""

from __future__ import annotations

import sys

NARROW = 120
"""Characters per line where the output is not a terminal."""


def width() -> int:
    """Characters per line."""
    if not sys.stdout.isatty():
        return NARROW
    from rich.console import Console

    return Console().width
