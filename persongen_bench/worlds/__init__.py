"""Worlds with known taste: pure renderers and rating rules, below stacks and datasets."""
