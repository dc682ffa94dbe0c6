"""The command line: one file a command group; parses, calls `api`, prints."""

from persongen_bench.cli.app import main

__all__ = ["main"]
