"""Boards: which runs compare, how they rank, how they print."""
