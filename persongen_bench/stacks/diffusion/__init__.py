"""Diffusion pipelines as stacks: a decoder that batches, personal adapters, CLIP encoders.

The classes here wrap the library's own pipelines at any size: the small ones of the sandbox and
the published ones of Stable Diffusion 1.5 and XL run through the same lines.
"""
