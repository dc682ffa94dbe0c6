"""LoRA files of every naming that people use, read into one form: see `reading.read_lora`."""
