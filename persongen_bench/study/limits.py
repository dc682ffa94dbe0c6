"""How often somebody may come: a bucket of tokens for each."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Buckets:
    """``burst`` at once, then ``rate`` a second, for each name; the least recent are forgotten."""

    burst: float
    rate: float
    most: int = 10_000
    """Names that are remembered."""
    clock: Callable[[], float] = time.monotonic
    _held: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, name: str) -> float:
        """Take a token; 0 where there was one, else the seconds until there is one."""
        now = self.clock()
        tokens, then = self._held.pop(name, (self.burst, now))
        tokens = min(self.burst, tokens + (now - then) * self.rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self.rate
        self._held[name] = (tokens - 1 if wait == 0 else tokens, now)
        if len(self._held) > self.most:
            self._held.popitem(last=False)
        return wait
