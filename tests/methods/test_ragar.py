"""RAGAR end to end on tiny random models: the contract, its state, what it leaves behind."""

from __future__ import annotations

from typing import ClassVar

from ragar_case import RagarContract

from persongen_bench.methods.ragar.config import CHECK
from persongen_bench.methods.ragar.method import Ragar


class TestRagar(RagarContract):
    method = Ragar
    config: ClassVar = {**CHECK}
