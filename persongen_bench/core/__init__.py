"""Nouns and seams: what everything else speaks of. Imports nothing else of ours."""
