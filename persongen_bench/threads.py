"""How many numerical threads a command uses by default."""

from __future__ import annotations

import os

THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Half the cores: numerical threads that wait for a busy core slow each other down badly."""
