"""What pytest must know of this folder."""

collect_ignore = ["plugin_example"]
"""A package of its own; `test_plugin_example.py` installs it and runs its tests."""
