r"""Documents as classic scripts: ``PGBENCH.put("<key>", {...});``.

ASCII alone, and no ``<``, ``>`` or ``&``: nothing in a document ends a script element, wherever it
is put, and U+2028 and its like stand as ``\uXXXX``. Numbers that are not finite are null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from persongen_bench.core.config import Config

BEGIN, MIDDLE, END = "PGBENCH.put(", ",", ");\n"
_MARKUP = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}


def script(key: str, document: Config) -> bytes:
    """The file of a document."""
    name, content = (_json(one) for one in (key, document.model_dump(mode="json")))
    return f"{BEGIN}{name}{MIDDLE}{content}{END}".encode("ascii")


def read_script(data: bytes) -> tuple[str, Any]:
    """Key and content of a document's file; raises `ValueError` for any other file."""
    text = data.decode("ascii")
    if not (text.startswith(BEGIN) and text.endswith(END)):
        raise ValueError("not a document of a site")
    key, content = json.loads(f"[{text[len(BEGIN) : -len(END)]}]")
    return str(key), content


def _json(value: Any) -> str:  # noqa: ANN401  # any JSON value
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_MARKUP)


def _finite(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
