"""The objective of Diffusion-DPO, on denoising errors that somebody else has measured.

Wallace et al. 2024, eq. 14, as their trainer computes it. Two slips are in circulation: a script
that leaves out the half (its beta of 2500 is 5000 here), and one that takes the mean over pairs
before the log-sigmoid, where pairs that are already right pay for those that are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name


@dataclass(frozen=True)
class PairErrors:
    """Denoising errors of b pairs, ``(b,)`` each: means over channels, height and width.

    Winner and loser of a pair have the same noise and the same time.
    """

    winner: Tensor
    loser: Tensor
    winner_reference: Tensor
    loser_reference: Tensor

    @property
    def winner_gap(self) -> Tensor:
        """``(b,)``: how much worse the policy denoises the winner than the reference does."""
        return self.winner - self.winner_reference

    @property
    def loser_gap(self) -> Tensor:
        """``(b,)``: the same of the loser."""
        return self.loser - self.loser_reference

    def margins(self, beta: float) -> Tensor:
        """``(b,)``: implicit reward of the winner less that of the loser; > 0 where it is right."""
        return -0.5 * beta * (self.winner_gap - self.loser_gap)


def preference_loss(errors: PairErrors, beta: float) -> Tensor:
    """``(b,)``: ``-log sigmoid(-beta / 2 * (winner_gap - loser_gap))``; ln 2 at the reference.

    Take the mean over pairs of what this returns. With a larger ``beta`` the loss of a pair is
    settled by a smaller departure from the reference, so that the policy stays nearer to it; with
    a smaller one it moves further. The gradient at the start is proportional to ``beta``.
    """
    return -F.logsigmoid(errors.margins(beta))


def errors_of(predicted: Tensor, target: Tensor) -> Tensor:
    """``(b,)`` mean squared errors of ``(b, c, h, w)`` predictions, one per picture."""
    return (predicted - target).pow(2).mean(dim=(1, 2, 3))
