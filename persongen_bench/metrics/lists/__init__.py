"""Metrics of ranked lists: where the held-out items stand among everything that can be listed."""
