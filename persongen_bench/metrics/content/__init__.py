"""What pictures are of, in worlds where that is known."""
