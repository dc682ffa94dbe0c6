"""The loop: prepare -> fit -> generate -> score -> record, and the run directory it fills."""
