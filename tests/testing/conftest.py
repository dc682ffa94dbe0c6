"""The example package, installed once for all tests here."""

from pathlib import Path

import pytest
from example_case import install


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """Folder with the installed example."""
    return install(tmp_path_factory.mktemp("plugin"))
