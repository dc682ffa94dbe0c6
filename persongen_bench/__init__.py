"""persongen-bench: a benchmark of personalized image generation that is itself under test."""

__version__ = "0.1.0"
