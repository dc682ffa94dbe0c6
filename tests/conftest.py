"""What pytest must know of this folder."""

import gc
import os
from collections import Counter
from types import SimpleNamespace

gc.disable()  # until everything is collected: see `pytest_collection_finish`
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy and torch read it; workers share the cores

import pytest  # noqa: E402
import torch  # noqa: E402
from site_visit import CHROMIUM, NO_BROWSER, launched  # noqa: E402
from warm_python import WarmPython  # noqa: E402
from warm_worker import Warm  # noqa: E402

from persongen_bench.core import registry  # noqa: E402
from persongen_bench.testing import base  # noqa: E402
from persongen_bench.testing.base import Contract  # noqa: E402

collect_ignore = ["plugin_example"]
"""A package of its own; `test_plugin_example.py` installs it and runs its tests."""

torch.set_num_threads(1)
"""As a run computes on two cores: a matrix product that several threads share may round a row by
where it stands, so what is equal bit by bit is equal for a number of threads (`batching`)."""


@pytest.fixture
def unwalled(monkeypatch):
    """Methods work in this process, where a test has changed a class of theirs."""
    from persongen_bench.loop.wall import tenancy

    monkeypatch.setattr(tenancy.Tenancy, "walled", False)


def pytest_collection_finish():
    """Modules and tests stay to the end: looking for garbage among them takes a third of the time
    that collecting them does, and again in every test that makes many objects."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Files with a slow test first, then those with many tests: whatever begins last ends alone,
    while the other worker waits. Workers take files in this order (``--no-loadscope-reorder``)."""
    sizes = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, -sizes[item.path]))


@pytest.fixture(autouse=True)
def nothing_stays_registered():
    """What a test registers is gone after it."""
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


@pytest.fixture(scope="session")
def warm_worker():
    """Started where the first contract asks for another process."""
    warm = []

    def run(*arguments, **options):
        if not warm:
            warm.append(Warm())
        return warm[0].run(*arguments, **options)

    yield SimpleNamespace(run=run)
    for one in warm:
        one.close()


@pytest.fixture(scope="session")
def warm_python():
    """`python ...` for what a command does, where a new interpreter is not the point."""
    warm = WarmPython(os.environ)
    yield warm
    warm.close()


@pytest.fixture(scope="module")
def browser():
    """Of one file: Playwright's loop runs as long as it is open, and no other can in its thread."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright")
    if CHROMIUM is None:
        pytest.skip(NO_BROWSER)
    with sync_api.sync_playwright() as playwright:
        shown = launched(playwright)
        yield shown
        shown.close()


@pytest.fixture
def asks_a_warm_worker(monkeypatch, warm_worker):
    """Contracts that a test runs itself get their other process as built-ins' do."""
    monkeypatch.setattr(base, "subprocess", warm_worker)


@pytest.fixture(autouse=True)
def contracts_ask_a_warm_worker(request, monkeypatch, warm_worker):
    """Contracts of built-ins; those of contracts (`test_contracts`) and others start their own."""
    cls = request.cls
    if cls and issubclass(cls, Contract) and not request.path.name.startswith("test_contracts"):
        monkeypatch.setattr(base, "subprocess", warm_worker)
