"""Public contract tests for plugins: subclass one and let pytest run it."""
