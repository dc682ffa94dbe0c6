"""A package of cheats, as somebody outside would write it. Its tests: ``tests/cheats``."""
