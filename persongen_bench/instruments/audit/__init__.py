"""Which metrics can be trusted, measured where the truth is known."""
