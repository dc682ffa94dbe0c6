"""Tasteworld: pictures whose content and art style vary independently, and who likes them."""
