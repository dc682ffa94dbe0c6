"""The benchmark under test: controls, the audit of metrics, the rehearsal at full size."""
