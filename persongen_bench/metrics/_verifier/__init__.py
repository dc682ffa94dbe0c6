"""A verifier of taste: predicts who likes which image, and says how far it can be trusted.

`config` has the presets, `contents` an order that names cannot change, `network` and `training`
learn, `scoring` predicts from stored arrays, `trust` says whether anything was learned; `folds` and
`crossfit` predict ratings the model has not seen, `unseen` judges generated images by models that
have not seen what they were made from; `concordance` and `leniency` say how good the predictions
are; `instrument` does all this for a scoring context, once.
"""

from persongen_bench.metrics._verifier.config import PRESETS, VerifierConfig
from persongen_bench.metrics._verifier.instrument import (
    fold_warnings,
    held_out_predictions,
    own_probabilities,
    unseen_logits,
    verifier_logits,
    verifier_matrix,
    warnings,
)

__all__ = [
    "PRESETS",
    "VerifierConfig",
    "fold_warnings",
    "held_out_predictions",
    "own_probabilities",
    "unseen_logits",
    "verifier_logits",
    "verifier_matrix",
    "warnings",
]
