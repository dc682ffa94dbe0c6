"""A complete run that nothing here may change."""

import os

import pytest
from fuzz_home import fingerprint, make_home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """``data``, ``runs`` and ``cache`` in a folder; what lay there at first lies there at last."""
    base = tmp_path_factory.mktemp("home")
    run = make_home(base)
    before = fingerprint(base / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", os.fspath(base / "cache"))
        yield run
    assert fingerprint(base / "runs") == before
