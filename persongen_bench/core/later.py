"""Libraries that are loaded when they are first used.

``from persongen_bench.core.later import pd`` stands in place of ``import pandas as pd`` in whatever
a command imports for a name, a card or a type: a list of metrics needs neither pandas nor SciPy,
which take longer than all the rest of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["linalg", "optimize", "pd", "sparse", "special"]


class _Later:
    """Stands for a module; the first attribute that is asked for imports it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401  # whatever the module holds
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value


if TYPE_CHECKING:
    import pandas as pd
    from scipy import linalg, optimize, sparse, special
else:
    pd = _Later("pandas")
    linalg, optimize = _Later("scipy.linalg"), _Later("scipy.optimize")
    sparse, special = _Later("scipy.sparse"), _Later("scipy.special")
