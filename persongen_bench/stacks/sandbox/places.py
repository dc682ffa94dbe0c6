"""Where the parts of the sandbox lie, below its folder."""

from __future__ import annotations

PIPELINE, CLIP, ADAPTER = "pipeline", "clip", "ip_adapter/models"
IMAGE_ENCODER = f"{ADAPTER}/image_encoder"
GLIDE = "glide"
