"""What this machine knows and no shared folder holds: where data lie, and the key of pseudonyms.

Both lie in the cache, under ``private``, readable by their owner alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import content_hash
from persongen_bench.util.cache_places import locked_entry, make_folder
from persongen_bench.util.files import cache_root
from persongen_bench.util.sealed import read_sealed, sound_bytes, write_sealed

KEY_BYTES = 32
DIGITS = 16
"""Of a pseudonym: 64 bits, so that two of a million people share one with probability 3e-8."""


def folder() -> Path:
    """``private`` in the cache, made where it is missing."""
    make_folder(cache_root())
    return make_folder(cache_root() / "private", mode=0o700)


def remember_place(name: str, revision: str, root: Path) -> None:
    """Note where the data of this name and content lie."""
    known = recall_place(name, revision)
    if known != root:
        place = _place(name, revision)
        with locked_entry(place):  # the checksum of another would be none of this one
            _write(place, json.dumps({"root": str(root)}).encode())


def recall_place(name: str, revision: str) -> Path | None:
    """Where the data of this name and content lay last; None where nobody said so here."""
    try:
        return read_sealed(_place(name, revision), lambda data: Path(json.loads(data)["root"]))
    except OSError:
        return None


def _place(name: str, revision: str) -> Path:
    return cache_root() / "private" / "places" / f"{content_hash(name, revision)}.json"


class Pseudonyms:
    """Stable names for people: a keyed hash, which nobody inverts without the key.

    The same key gives the same names in every run, so that the runs of one machine can be joined.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of_this_machine(cls) -> Pseudonyms:
        """By the key in the cache, made the first time."""
        file = folder() / "pseudonyms.key"
        with FileLock(f"{file}.lock"):
            if not file.exists():
                _write(file, secrets.token_bytes(KEY_BYTES))
            key = sound_bytes(file)
        if key is None or len(key) != KEY_BYTES:
            raise ConfigError(
                f"{file}: not a key of {KEY_BYTES} bytes, or not the one that was written",
                fix="Restore it, or remove it to begin with new pseudonyms.",
            )
        return cls(key)

    @property
    def fingerprint(self) -> str:
        """Names the key without telling it."""
        return self._digits("fingerprint", "")

    def user(self, user_id: str) -> str:
        """``u-`` and 16 hex digits."""
        return f"u-{self._digits('user', user_id)}"

    def request(self, request_id: str) -> str:
        """``r-`` and 16 hex digits."""
        return f"r-{self._digits('request', request_id)}"

    def sample(self, sample_id: str) -> str:
        """``s`` and 16 hex digits; what is such a name already stays."""
        return sample_id if is_pseudonym(sample_id) else f"s{self._digits('sample', sample_id)}"

    def _digits(self, kind: str, value: str) -> str:
        message = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:DIGITS]


def is_pseudonym(sample_id: str) -> bool:
    """Whether a sample's id is what `Pseudonyms.sample` gives; ids of samples are hex digits."""
    return sample_id.startswith("s")


def _write(file: Path, data: bytes) -> None:
    write_sealed(file, data)
    with suppress(OSError):  # file systems without modes
        file.chmod(0o600)
