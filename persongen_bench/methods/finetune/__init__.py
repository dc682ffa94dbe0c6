"""Training of decoder weights on a user's liked images: LoRA and textual inversion.

`config` options · `pipeline` a diffusers pipeline made ready and put back · `latents` images as
the denoiser sees them · `stacked`, `lora` and `words` what is trained · `training` the loop ·
`studio` one or several users at a time · `store` one file per user · `method` the life cycle.
"""
