"""What is said of whatever code of somebody else raises: one line that names the cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from persongen_bench.core.errors import ConfigError, PgbenchError

LONGEST_CAUSE = 300
"""Characters of a cause."""


def cause_of(error: BaseException) -> str:
    """What an error says, on one line of at most `LONGEST_CAUSE` characters; never fails.

    ``SyntaxError`` with its place, ``SystemExit`` as the wish to end the program, which it is.
    """
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # an error whose own text cannot be made
        text = ""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    if len(text) > LONGEST_CAUSE:
        text = f"{text[:LONGEST_CAUSE]}... ({len(text):,} characters)"
    if isinstance(error, PgbenchError):
        return text
    if isinstance(error, SystemExit):
        return f"it ends the program (SystemExit {text})".replace(" )", ")")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def others_code(what: str, fix: str | None = None) -> Iterator[None]:
    """Whatever the code inside raises leaves as `ConfigError` that begins with ``what``.

    Errors of this package and ``KeyboardInterrupt`` pass as they are; ``SystemExit`` does not, so
    that no plugin ends the program with the status it likes.
    """
    try:
        yield
    except (PgbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:  # code of others, which may do anything
        raise ConfigError(f"{what}: {cause_of(error)}", fix=fix) from error
