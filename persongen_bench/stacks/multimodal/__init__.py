"""The published multimodal model.

`emu3` how it is opened · `place` where it lies · `tagging` how it tags pictures, as any ``lmm``.
It has not been run here at full size: the code is tested on random files of the same layout.
"""
