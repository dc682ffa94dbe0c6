"""What the page of a study may load, and where it may send something."""

from __future__ import annotations

from urllib.parse import urlsplit

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src {connect}; base-uri 'none'; form-action 'none'"
)


def policy(post_to: str) -> str:
    """What the page may load and send: nothing but its own, and answers to where they go."""
    address = urlsplit(post_to)
    elsewhere = f" {address.scheme}://{address.netloc}" if address.netloc else ""
    return POLICY.format(connect=f"'self'{elsewhere}")
