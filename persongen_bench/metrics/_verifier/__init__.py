"""A verifier of taste: predicts who likes which image, and says how far it can be trusted.

`config` has the presets, `network` and `training` learn, `scoring` predicts from stored arrays,
`folds` predicts ratings the model has not seen, `concordance` and `leniency` say how good the
predictions are, `instrument` does all this for a scoring context, once.
"""

from persongen_bench.metrics._verifier.config import PRESETS, VerifierConfig
from persongen_bench.metrics._verifier.instrument import (
    held_out_predictions,
    verifier_logits,
    verifier_matrix,
)

__all__ = [
    "PRESETS",
    "VerifierConfig",
    "held_out_predictions",
    "verifier_logits",
    "verifier_matrix",
]
