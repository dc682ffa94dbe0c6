"""PMG as a method; its parts one by one: test_pmg_parts.py."""

from typing import ClassVar

from persongen_bench.methods.pmg import Pmg
from persongen_bench.testing import MethodContract


class TestPmg(MethodContract):
    method = Pmg


class TestPmgSandbox(MethodContract):
    method = Pmg
    config: ClassVar = dict(Pmg.presets["sandbox"])
