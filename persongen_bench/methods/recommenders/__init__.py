"""Recommenders: methods that answer with items of the catalogue in order, best first."""
