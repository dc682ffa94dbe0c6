"""Stacks that are open before a cell is made: whoever is forked from this process has them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from persongen_bench.core import registry
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.roles import open_role
from persongen_bench.core.stack import Stack

_open: dict[str, Stack] = {}


def libraries() -> None:
    """Import what tries, while it is imported, things that a cell may not.

    torch starts a program to look for libraries; urllib3, which the hub's libraries bring along,
    binds a socket to see whether there is IPv6.
    """
    import torch  # noqa: F401

    with contextlib.suppress(ImportError):
        import urllib3.util.connection  # noqa: F401


def stack(name: str) -> Stack:
    """The open stack of a name, else a new one."""
    known = _open.get(name)
    if known is not None:
        return known
    made: Stack = registry.get("stacks", name)()
    return made


def keep(name: str, roles: Sequence[str]) -> None:
    """Open a built-in stack and models of it; what does not open is left to who asks for it.

    No model is opened where there is a graphics card: its driver does not survive a fork.
    """
    import torch

    if registry.find("stacks", name).distribution != registry.OWN_DISTRIBUTION:
        return
    opened = _open.setdefault(name, stack(name))
    for role in () if torch.cuda.is_available() else roles:
        with contextlib.suppress(PgbenchError, OSError):
            open_role(opened, role)
