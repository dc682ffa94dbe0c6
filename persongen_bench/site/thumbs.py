"""Thumbnails: WebP files named by their content, so that equal pictures are one file."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image as PilImage

from persongen_bench.core.images import to_pil
from persongen_bench.core.types import Image

SIDE = 128
"""Pixels of the longer side, at most."""
QUALITY = 90
"""Of a picture that is scaled down; one that is small enough is kept exactly."""
FOLDER = "thumbs"
DIGITS = 20
"""Of a name: 80 bits of a sha256."""


def webp_bytes(image: Image) -> bytes:
    """A picture as WebP, at most `SIDE` pixels wide and high, in its proportions."""
    picture, buffer = to_pil(image), io.BytesIO()
    if max(picture.size) <= SIDE:
        picture.save(buffer, "WEBP", lossless=True, quality=20, method=1)  # effort, not quality
        return buffer.getvalue()
    scale = SIDE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    small = picture.resize((width, height), PilImage.Resampling.LANCZOS, reducing_gap=3.0)
    small.save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()


class Thumbs:
    """Writes thumbnails below the root of a site."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._written: set[str] = set()

    def __len__(self) -> int:
        return len(self._written)

    def add(self, image: Image) -> str:
        """The address below the root of a picture's thumbnail, which is written once."""
        data = webp_bytes(image)
        name = hashlib.sha256(data).hexdigest()[:DIGITS]
        address = f"{FOLDER}/{name[:2]}/{name}.webp"
        if address not in self._written:
            path = self._root / address
            if not path.parent.exists():
                path.parent.mkdir(parents=True)
            path.write_bytes(data)
            self._written.add(address)
        return address
