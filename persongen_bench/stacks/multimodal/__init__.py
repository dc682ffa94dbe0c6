"""The published multimodal model: `emu3` how it is opened, `place` where it lies.

It has not been run here at full size: the code is tested on random files of the same layout.
"""
