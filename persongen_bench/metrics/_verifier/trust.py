"""What a verifier's training says against it: early stopping before anything was learned.

On a log of a few hundred ratings the validation loss may never fall. The weights that are kept are
then those of the start, all presets give the same numbers, and nothing in them is taste.
"""

from __future__ import annotations

from collections.abc import Mapping

from persongen_bench.metrics._verifier.scoring import Weights

LEAST_GAIN = 0.001
"""Fall of the validation loss (nats per rating, of at most about 0.7) below which nothing counts
as learned."""
NOT_LEARNABLE = "the training ratings hold no likes or no dislikes: no verifier can be trained"


def barely(weights: Weights) -> str | None:
    """What is left where the last stage lowered the validation loss by less than `LEAST_GAIN`.

    None where it learned something. Earlier stages need not: images may differ in nothing that
    everybody likes.
    """
    (*earlier, (_, start, least)) = weights["course"]
    if start - least >= LEAST_GAIN:
        return None
    if {"gmf_user", "mlp_user"} & set(weights):
        if earlier:
            return "it hardly differs from verifier@no-taste, which knows nobody's taste"
        return "it hardly differs from its random start"
    return "it hardly knows more than each user's share of likes"


def warnings_of(model: str, weights: Weights) -> tuple[str, ...]:
    """One sentence where the verifier is barely trained."""
    left = barely(weights)
    epoch = int(weights["course"][-1][0])
    return () if left is None else (f"{_barely(model)} (best epoch: {epoch}); {left}",)


def warnings_of_folds(model: str, folds: Mapping[int, Weights]) -> tuple[str, ...]:
    """One sentence where verifiers of the folds are, with how many of them."""
    left = [text for text in map(barely, folds.values()) if text is not None]
    if not left:
        return ()
    return (f"{_barely(model)} in {len(left)} of {len(folds)} folds; there {left[0]}",)


def _barely(model: str) -> str:
    return f"verifier {model} is barely trained: its validation loss fell by less than {LEAST_GAIN}"
