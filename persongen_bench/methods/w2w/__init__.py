"""weights2weights on LoRAs that people made: see `method.W2W`."""
