"""Libraries that keep their progress bars and their advice to themselves."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOGS = ("diffusers.utils.logging", "transformers.utils.logging")


@contextmanager
def quiet() -> Iterator[None]:
    """Neither progress bars nor advice from the libraries inside; errors still show.

    Some schedulers turn tensors to arrays in a way that numpy has begun to warn about.
    """
    logs: list[Any] = [sys.modules[name] for name in _LOGS if name in sys.modules]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    try:
        for log in logs:
            log.set_verbosity_error()
            log.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            yield
    finally:
        for log, (verbosity, bars) in zip(logs, before, strict=True):
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()
