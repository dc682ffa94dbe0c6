"""Errors as users meet them: one line that says what is wrong, and where."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from persongen_bench.core.errors import DataError, PgbenchError


@contextmanager
def refused(
    match: str, *named: object, error: type[PgbenchError] = DataError
) -> Iterator[pytest.ExceptionInfo[PgbenchError]]:
    """What is done inside is refused on one line that matches, and that names these things."""
    with pytest.raises(error, match=match) as caught:
        yield caught
    said = str(caught.value)
    for thing in named:
        assert str(thing) in said
    assert "\n" not in said
