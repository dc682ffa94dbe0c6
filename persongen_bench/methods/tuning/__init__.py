"""A LoRA on a person's likes in order, for the methods that tune the role ``lmm``.

`config` the options they share · `windows` likes and the one that came next · `lora` adapters that
leave no trace · `training` the loop.
"""
