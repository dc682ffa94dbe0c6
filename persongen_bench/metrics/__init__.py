"""Metrics: pure functions with a card and a signature, one entry, one file."""
