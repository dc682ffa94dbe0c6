"""The losses of a fit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor


@dataclass
class History:
    """Losses of a fit: per batch, and per epoch on the validation rows."""

    batch_loss: list[Tensor] = field(default_factory=list)
    """One ``(n batches,)`` tensor per epoch."""
    validation_loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)

    def frame(self) -> pd.DataFrame:
        """Columns ``epoch, step, loss, validation_loss, learning_rate``, a row per batch."""
        epochs = [e for e, losses in enumerate(self.batch_loss) for _ in range(len(losses))]
        table = pd.DataFrame({"epoch": epochs})
        table["step"] = table.index
        table["loss"] = torch.cat(self.batch_loss).numpy()
        table["validation_loss"] = table["epoch"].map(dict(enumerate(self.validation_loss)))
        table["learning_rate"] = table["epoch"].map(dict(enumerate(self.learning_rate)))
        return table
