"""LoRAs of the sandbox's decoder, made by simulated people whose taste is known."""
