"""Figures of papers, drawn of runs: one kind a module, each a picture of one table."""
