"""Adapters of personalisation methods: one entry, one file, the name of the field."""
