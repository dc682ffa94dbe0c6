"""The Python door: what a command does, returning values and printing nothing."""
