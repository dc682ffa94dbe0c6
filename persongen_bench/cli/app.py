"""The `pgbench` command: its groups, and what the world sees of an error.

Everything heavy is imported inside the commands, so that the program starts without torch.
"""

from __future__ import annotations

import os
import sys
import traceback
from shutil import get_terminal_size
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from persongen_bench import __version__
from persongen_bench.cli.audit import audit_app
from persongen_bench.cli.boards import boards_app
from persongen_bench.cli.claims import claims_app
from persongen_bench.cli.cold_start import cold_start_app
from persongen_bench.cli.convert import convert_app
from persongen_bench.cli.edit import edit_app
from persongen_bench.cli.experiment import experiment_app
from persongen_bench.cli.figures import figures_app
from persongen_bench.cli.listing import listing_app
from persongen_bench.cli.make import make_app
from persongen_bench.cli.models import models_app
from persongen_bench.cli.plugins import new_app, plugins_app
from persongen_bench.cli.rehearse import rehearse_app
from persongen_bench.cli.runs import runs_app
from persongen_bench.cli.search import search_app
from persongen_bench.cli.shards import shards_app
from persongen_bench.cli.site import site_app
from persongen_bench.cli.study import study_app
from persongen_bench.core.errors import PgbenchError, disk_error
from persongen_bench.core.plain import plain
from persongen_bench.core.seams import cause_of
from persongen_bench.util.interrupt import STATUS, interruptible, leave, stopped
from persongen_bench.util.printed import plain_streams, say
from persongen_bench.util.said import no_surrogates

USAGE: Any = typer.BadParameter.__bases__[0]
"""The parser's own base of errors in what was typed, wherever this version of typer has it."""
HELP = 80
"""Least characters per line of a help: it cuts the names of options where there are fewer."""
LONGEST = 400
"""Characters of a complaint of the parser, which repeats what was typed."""


class OneLine(TyperGroup):
    """The program: whatever a user got wrong is one line on standard error and status 2."""

    def main(self, *words: Any, **options: Any) -> Any:  # noqa: ANN401  # the parser's own
        """As the parser's, but for errors, and for what a screen cannot show."""
        standalone = options.pop("standalone_mode", True)
        said = words[0] if words else options.pop("args", None)
        given = sys.argv[1:] if said is None else list(said)
        with plain_streams():
            done = self._run(given, standalone, options)
        if standalone:
            sys.exit(done if isinstance(done, int) else 0)
        return done

    def _run(self, given: list[str], standalone: bool, options: dict[str, Any]) -> Any:  # noqa: ANN401
        try:
            for argument in given:
                no_surrogates("argument", argument)
            with interruptible():
                done = super().main(given, standalone_mode=False, **options)
        except (KeyboardInterrupt, typer.Abort):
            done = STATUS
        except SystemExit as end:  # never ours: a plugin would choose the status of the program
            if isinstance(end.__context__, BrokenPipeError):  # the parser: nobody reads on
                return 1
            _die(f"the code of a plugin would not go on: {cause_of(end)}")
        except Exception as error:
            message = message_of(error)
            if message is None or not standalone:
                raise
            _die(message)
        if done == STATUS:  # the parser's own answer to an interruption
            _die(f"interrupted{stopped()}", STATUS)
        return done


def message_of(error: Exception) -> str | None:
    """What a user is told of an error, on one line; None for one that is ours to mend."""
    if isinstance(error, PgbenchError):
        return str(error)
    if isinstance(error, USAGE):
        return _complaint(error)
    if isinstance(error, OSError) and error.errno is not None:
        return plain(str(disk_error(error)))
    return None


def _complaint(error: Any) -> str:  # noqa: ANN401  # a UsageError of the parser
    """What the parser says of what was typed, and where to read what may be."""
    place = error.ctx.command_path if error.ctx else "pgbench"
    text = plain(error.format_message(), LONGEST) or "no command was given"
    return f"{text.rstrip('.')}. See `{place} --help`."


app = typer.Typer(
    name="pgbench",
    cls=OneLine,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The benchmark of personalized image generation.",
)
for group in (
    runs_app, boards_app, edit_app, listing_app, plugins_app, cold_start_app, claims_app,
    rehearse_app, figures_app, search_app, shards_app, site_app,
):  # fmt: skip
    app.add_typer(group)
app.add_typer(new_app, name="new")
app.add_typer(make_app, name="make")
app.add_typer(models_app, name="models")
app.add_typer(convert_app, name="convert")
app.add_typer(experiment_app, name="experiment")
app.add_typer(audit_app, name="audit")
app.add_typer(study_app, name="study")


def main() -> None:
    """Entry point: user errors are one line on standard error and exit status 2."""
    if get_terminal_size().columns < HELP:
        os.environ["TERMINAL_WIDTH"] = str(HELP)  # what the parser's help goes by
    with plain_streams():
        try:
            app()
        except SystemExit as end:
            if end.code == STATUS:  # threads of what was interrupted may not end by themselves
                leave()
            raise
        except Exception:  # noqa: BLE001  # ours to mend
            traceback.print_exc()
            sys.exit(1)


def _die(message: str, status: int = 2) -> NoReturn:
    say(f"error: {message}", sys.stderr)
    sys.exit(status)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        say(f"pgbench {__version__}")
        raise typer.Exit
