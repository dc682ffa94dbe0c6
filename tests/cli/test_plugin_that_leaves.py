"""No plugin chooses the status that the program ends with."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from persongen_bench.api import running
from persongen_bench.cli.app import app


@pytest.mark.parametrize("status", [0, None, 7])
def test_a_plugin_that_ends_the_program_fails_the_command(monkeypatch, status):
    def leaves(*_, **__):
        raise SystemExit(status)

    monkeypatch.setattr(running, "resume", leaves)
    done = CliRunner().invoke(app, ["resume", str(Path("runs") / "one")])
    assert done.exit_code == 2
    assert "it ends the program (SystemExit" in done.stderr
    assert done.stderr.count("\n") == 1
