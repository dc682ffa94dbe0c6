"""Engines launch the same pure work, (run, sample ids) -> outcomes; no answer hangs on which."""
