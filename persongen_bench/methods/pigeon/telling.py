"""What the masks hide of a request, in the words of `core.method.Explanation`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from persongen_bench.core.method import Explanation
from persongen_bench.methods.pigeon.composing import Masks


def told(shown: Sequence[str], masks: Masks) -> Explanation:
    """The hidden share of every picture; items of which nothing is hidden are not named.

    ``shown``: the history's items, one per mask.
    """
    shares = {item: hidden(keep) for item, keep in zip(shown, masks.history, strict=True)}
    history = {item: f"masked {share}" for item, share in shares.items() if share != "0"}
    return Explanation(history, f"reference masked {hidden(masks.reference)}")


def hidden(keep: Tensor) -> str:
    """The hidden share of a picture's tokens, such as ``.4``; ``0`` and ``1`` without a point."""
    share = 1 - float(keep.detach().round().mean())
    return f"{share:.1f}".removeprefix("0").removesuffix(".0") or "0"
