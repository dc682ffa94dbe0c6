"""How many passes a JPEG's data make over the picture, told without decoding it."""

from __future__ import annotations

import re
from typing import BinaryIO

_MARKER = re.compile(rb"\xff+([^\x00\xff])")
"""A marker; within the data of a scan FF is followed by 00."""
_SCAN, _END = 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that no length follows."""


def n_scans(stream: BinaryIO) -> int:
    """Scans up to the end of the first picture; a damaged file has those that are met.

    What stands in segments (previews, profiles) and behind the end (videos, other pictures) does
    not count. The stream stays where it was.
    """
    place = stream.tell()
    stream.seek(0)
    data = stream.read()
    stream.seek(place)
    scans, at = 0, 0
    while (met := _MARKER.search(data, at)) and met[1][0] != _END:
        marker, at = met[1][0], met.end()
        if marker not in _ALONE:
            at += int.from_bytes(data[at : at + 2], "big")
        scans += marker == _SCAN
    return scans
