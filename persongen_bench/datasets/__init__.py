"""Loaders of interaction data: one entry, one file, the name of the field."""
