"""The role ``lmm`` of the sandbox: a small Emu3 whose visual tokens say what a picture embeds to."""
