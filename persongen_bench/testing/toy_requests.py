"""What the toy data ask for where there is a picture to follow."""

from __future__ import annotations

from persongen_bench.core.dataset import Split, View
from persongen_bench.core.request import Request
from persongen_bench.core.types import Catalog


def ask_to_follow(split: Split, train: View, n_history: int, *, catalog: Catalog) -> list[Request]:
    """Everybody's held-out likes, each to be followed in its own words; it is also the target."""
    liked = split.test[split.test["liked"].astype(bool)]
    words = catalog.items["caption"]
    return [
        Request(
            user, train.liked_items.get(user, ())[-n_history:] if n_history else (),
            reference=item, instruction=str(words[item]), target=item,
        )
        for user, item in sorted(zip(liked["user_id"], liked["item_id"], strict=True))
    ]  # fmt: skip
