"""What the score contexts of tests and controls share: results kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from persongen_bench.core.types import content_hash

T = TypeVar("T")


class Memoised:
    """`ScoreContext.memo` and `ScoreContext.instrument`, both in ``_memo``."""

    _memo: dict[str, Any]

    def memo(self, key: str, make: Callable[[], T]) -> T:
        """Computed once for this context."""
        if key not in self._memo:
            self._memo[key] = make()
        return cast(T, self._memo[key])

    def instrument(
        self, key: Sequence[object], make: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """Computed once for this context."""
        return self.memo(f"instrument {content_hash(*key)}", make)
