"""The role ``lmm`` of the sandbox: a small Emu3 that writes codes of what pictures embed to."""
