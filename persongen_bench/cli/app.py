"""The `pgbench` command: its groups, and what the world sees of an error.

Everything heavy is imported inside the commands, so that the program starts without torch.
"""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from persongen_bench import __version__
from persongen_bench.cli.audit import audit_app
from persongen_bench.cli.boards import boards_app
from persongen_bench.cli.cold_start import cold_start_app
from persongen_bench.cli.listing import listing_app
from persongen_bench.cli.models import models_app
from persongen_bench.cli.plugins import new_app, plugins_app
from persongen_bench.cli.rehearse import rehearse_app
from persongen_bench.cli.runs import runs_app
from persongen_bench.core.errors import PgbenchError

app = typer.Typer(
    name="pgbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The benchmark of personalized image generation.",
)
for group in (runs_app, boards_app, listing_app, plugins_app, cold_start_app, rehearse_app):
    app.add_typer(group)
app.add_typer(new_app, name="new")
app.add_typer(models_app, name="models")
app.add_typer(audit_app, name="audit")


def main() -> None:
    """Entry point: user errors are one line on standard error and exit status 2."""
    try:
        app()
    except PgbenchError as error:
        _die(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        advice = "Earlier results are intact; make room or choose another folder, then resume."
        _die(f"{error.filename or 'disk'}: {error.strerror}. {advice}")
    except KeyboardInterrupt:
        _die("interrupted; `pgbench resume RUN` continues where it stopped", 130)


def _die(message: str, status: int = 2) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(status)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"pgbench {__version__}")
        raise typer.Exit
