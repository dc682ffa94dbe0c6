"""The contract of methods, for those that edit models."""

from persongen_bench.testing import MethodContract


class TestW2W(MethodContract):
    method = "w2w"


class TestW2WCaptions(MethodContract):
    method = "w2w"
    config = {"describe": "captions", "residual": "drop", "share": 0.3}  # noqa: RUF012


class TestRandomDirection(MethodContract):
    method = "random-direction"


class TestUnedited(MethodContract):
    method = "unedited"
