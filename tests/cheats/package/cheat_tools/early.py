"""A method that looks where it must not before it is there."""

from pathlib import Path

from cheat_tools.loot import Thief, from_folder

try:
    EARLY = from_folder(Path.read_bytes)
except Exception:
    EARLY = {}


class AtImport(Thief):
    """Reads the data while it is imported."""

    def steal(self):
        return EARLY
