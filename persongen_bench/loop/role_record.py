"""Which models a method has used: no judge grades its own student.

A stack that is handed to a method notes every role it gives out, with the model's signature. A
metric computed with any of the same weights is marked on the board.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from persongen_bench.core.dataset import View
from persongen_bench.core.stack import Stack, StackShell
from persongen_bench.core.types import Embeddings

UNJUDGED = frozenset({"decoder"})
"""Roles that draw: every method shares them, and no metric looks through them."""
_WEIGHTS = re.compile(r"sha256:([0-9a-f]{8,64})")


class RecordingStack(StackShell):
    """A stack that notes what was asked for."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.used: dict[str, str] = {}
        """Role => signature of the model it gave out."""

    @property
    def inner(self) -> Stack:
        """The stack that gives the models; what is asked of it directly is not noted."""
        return self._stack

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model for a role, noted."""
        model = super().role(name)
        if name not in UNJUDGED:
            self.used[name] = str(model.signature)
        return model

    def noting(self, features: Callable[[str, View], Embeddings]) -> Callable[..., Embeddings]:
        """``FitContext.features`` that notes the roles asked for."""

        def noted(role: str, view: View) -> Embeddings:
            self.role(role.partition("/")[0])
            return features(role, view)

        return noted


def same_weights(signature: str, model: str) -> bool:
    """Whether a metric's signature names the weights of ``model``, or a model without weights."""
    weights = set(_WEIGHTS.findall(model))
    return bool(weights & set(_WEIGHTS.findall(signature))) if weights else model in signature
