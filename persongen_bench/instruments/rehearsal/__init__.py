"""The loop with full-size models of random weights."""
