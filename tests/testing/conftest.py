"""The example package, installed once for all tests here."""

import pytest
from example_case import installed_example


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The installed example, and a process to run commands beside it."""
    with installed_example(tmp_path_factory.mktemp("plugin")) as made:
        yield made
