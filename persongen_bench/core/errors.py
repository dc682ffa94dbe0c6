"""What a user sees when something they gave us is wrong.

Every message names where (file, row), what was found, what was expected and how to fix it, on
one line. The command line prints it without a traceback and exits with a non-zero status.
"""

from persongen_bench.core.plain import plain_lines, shortened

LONGEST = 1000
"""Characters of one word of a message; the longest paths that are in use have fewer."""
MOST = 4000
"""Characters of a message."""


class PgbenchError(Exception):
    """Base of every error that is the user's to fix; ``str(error)`` is one line."""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        ended = message if message.endswith("...") else f"{message.rstrip('.')}."
        text = f"{ended} {fix}" if fix else message
        words = " ".join(map(_bounded, plain_lines(text).split()))
        super().__init__(shortened(words, MOST))


def _bounded(word: str) -> str:
    """A word that fits on a screen: a cell or an option of megabytes is named by its beginning."""
    return word if len(word) <= LONGEST else f"{word[:80]}... ({len(word):,} characters)"


class DataError(PgbenchError):
    """A data file or image is missing, malformed or outside the data root."""


class NoAnswerError(DataError):
    """A value of the right kind that is no answer; recorded per sample."""


class ConfigError(PgbenchError):
    """An option, name or configuration value is not valid."""


class RunError(PgbenchError):
    """A run directory is missing, damaged, of another schema, or does not match."""


class UnknownNameError(ConfigError):
    """A name that no registry entry has; suggests the nearest ones."""


class UnsupportedRequestError(PgbenchError):
    """A method cannot serve this request (unknown user, empty history); recorded per sample."""


class MissingRoleError(ConfigError):
    """The stack has no model for a role that a method or metric asked for."""


def disk_error(error: OSError) -> RunError:
    """What a user is told of a disk that is full, read-only or gone."""
    return RunError(
        f"{error.filename or 'disk'}: {error.strerror}",
        fix="Earlier results are intact; make room or choose another place, then resume.",
    )
