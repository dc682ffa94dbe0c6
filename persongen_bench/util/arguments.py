"""The command line, out of sight of code that has no business with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_arguments() -> Iterator[None]:
    """``sys.argv`` is that of a call without arguments for as long."""
    before, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = before
