"""A static site of runs: boards, people, pictures and comparisons, opened without a server."""
