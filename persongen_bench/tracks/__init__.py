"""The tracks: what is asked of a method, of which kind answers are, whose numbers are compared."""
