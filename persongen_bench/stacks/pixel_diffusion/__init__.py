"""Text-conditional diffusion models of pixels, the role ``pixel_decoder``.

`decoder` draws with a diffusers `IFPipeline`, `opening` reads one from a folder, `place` and
`published` say where a published one lies and how it draws. The sandbox's own, in
`persongen_bench.stacks.sandbox.glide`, has the same layout.
"""
