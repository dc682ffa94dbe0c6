"""The diffusion priors keep the contract that plugins must keep."""

from persongen_bench.testing import MethodContract


class TestRebeca(MethodContract):
    method = "rebeca"


class TestRebecaNoUser(MethodContract):
    method = "rebeca-no-user"


class TestRebecaV1(MethodContract):
    method = "rebeca-v1"
