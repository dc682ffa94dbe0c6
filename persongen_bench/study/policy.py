"""What the page of a study may load, and how a study is served."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from persongen_bench.core.errors import ConfigError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""Nothing but its own, and answers to where it came from."""


@dataclass(frozen=True)
class Serving:
    """Whom the server believes, and what it hands out."""

    behind_proxy: bool = False
    """Whether a proxy on this machine says whose request it passes on."""
    hands_out: bool = False
    """Whether who comes without a code, by the recruiter's link, is given one."""
    address: str = ""
    """Where participants find the study, behind a proxy; empty: where the server listens."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` unless the address is one."""
        said = urlsplit(self.address)
        if self.address and (said.scheme not in ("http", "https") or not said.netloc):
            raise ConfigError(
                f"{self.address!r} is no address", fix="Say it as https://study.example."
            )

    @property
    def origin(self) -> str:
        """What browsers call a page from the address; empty where there is none."""
        said = urlsplit(self.address)
        return f"{said.scheme}://{said.netloc}".lower() if self.address else ""
