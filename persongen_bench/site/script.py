r"""Documents as classic scripts: ``PGBENCH.put("<key>", JSON.parse('...'));``.

ASCII alone, and no ``<``, ``>`` or ``&``: nothing in a document ends a script element, wherever it
is put, and U+2028 and its like stand as ``\uXXXX``. Numbers that are not finite are null. Parsed,
not read as an object of the script, so that a user called ``__proto__`` is a key like others.
"""

from __future__ import annotations

import json
import re
from typing import Any

from persongen_bench.core.config import Config
from persongen_bench.core.plain import finite

_BEGIN = re.compile(r"""PGBENCH\.put\("([a-z0-9/-]+)",JSON\.parse\('""")
_END = "'));\n"
_MARKUP = {ord(c): f"\\u{ord(c):04x}" for c in "<>&'"}


def script(key: str, document: Config) -> bytes:
    """The file of a document."""
    content = _json(document.model_dump(mode="json")).replace("\\", "\\\\")
    begin = f'PGBENCH.put("{key}",JSON.parse(\''
    if not _BEGIN.fullmatch(begin):
        raise ValueError(f"{key!r} names no document")
    return f"{begin}{content}{_END}".encode("ascii")


def read_script(data: bytes) -> tuple[str, Any]:
    """Key and content of a document's file; raises `ValueError` for any other file."""
    text = data.decode("ascii")
    begin, content = _BEGIN.match(text), text.removesuffix(_END)
    if begin is None or content == text:
        raise ValueError("not a document of a site")
    content = content[begin.end() :]
    if "'" in content or "\\" in content.replace("\\\\", "") or not content.isprintable():
        raise ValueError("not a document of a site")
    return begin[1], json.loads(content.replace("\\\\", "\\"))


def _json(value: Any) -> str:  # noqa: ANN401  # any JSON value
    text = json.dumps(finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_MARKUP)
