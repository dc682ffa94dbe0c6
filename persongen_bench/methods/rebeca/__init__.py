"""REBECA: a diffusion prior over image embeddings, conditioned on user and rating."""

from persongen_bench.methods.rebeca.method import Rebeca, RebecaNoUser

__all__ = ["Rebeca", "RebecaNoUser"]
