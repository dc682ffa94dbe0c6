"""The variational autoencoder of the controlled track: 64 x 64 RGB sprites, 32-d latent.

Paper: REBECA section 3.2 names a lightweight VAE (Kingma and Welling 2014) with a 32-d latent and
leaves its layers open. Ours looks and draws through a window that it moves over the image, as
spatial transformers do (Jaderberg et al. 2015): the encoder centres the window on the light, the
decoder draws a stamp and says where to put it. Edges stay sharp after minutes of training on a
CPU, which a stack of transposed convolutions does not reach there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

SIZE = 64
"""Pixels per side."""
EMBEDDING_SIZE = 32
"""Dimensions of the latent (section 3.2)."""
WINDOW = 31
"""Pixels per side of the moving window; a sprite of the largest scale fits."""
HIDDEN = 256
BACKGROUND = -10.0
"""Logit of an unlit pixel; 12,288 of them cost 0.6 nats."""
_CENTRE = (SIZE - 1) / 2
_INPUTS = WINDOW**2 + 2 + 3


def _perceptron(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, HIDDEN),
        nn.SiLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.SiLU(),
        nn.Linear(HIDDEN, n_out),
    )


def window_weights(centre: Float[Tensor, " n"]) -> Float[Tensor, "n 31 64"]:
    """Linear interpolation between window and image along one axis; ``centre`` in pixels."""
    window = torch.arange(WINDOW, dtype=centre.dtype) - WINDOW // 2
    image = torch.arange(SIZE, dtype=centre.dtype)
    distance = centre[:, None, None] + window[:, None] - image
    return (1 - distance.abs()).clamp_min(0)


def look(pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n 966"]:
    """What the encoder sees: the window around the light, where it is, and its tint.

    Nothing here is learned. A blank image has its centre in the middle and no tint.
    """
    light = pixels.amax(dim=1)
    mass = light.sum(dim=(1, 2)).clamp_min(1e-3)
    axis = torch.arange(SIZE, dtype=pixels.dtype) - _CENTRE
    y = (light.sum(dim=2) @ axis) / mass
    x = (light.sum(dim=1) @ axis) / mass
    rows, columns = window_weights(y + _CENTRE), window_weights(x + _CENTRE)
    view = rows @ light @ columns.transpose(1, 2)
    place = torch.stack([y, x], dim=1) / (SIZE / 4)
    tint = pixels.sum(dim=(2, 3)) / mass[:, None]
    return torch.cat([view.flatten(1), place, 2 * tint - 1], dim=1)


def put(drawing: Float[Tensor, "n 966"]) -> Float[Tensor, "n 3 64 64"]:
    """Pixel logits: the stamp at its place in its tint, on an unlit ground."""
    stamp = -2 * BACKGROUND * torch.sigmoid(drawing[:, : WINDOW**2])
    place = drawing[:, WINDOW**2 : WINDOW**2 + 2] * (SIZE / 4) + _CENTRE
    tint = torch.sigmoid(drawing[:, WINDOW**2 + 2 :])
    rows, columns = window_weights(place[:, 0]), window_weights(place[:, 1])
    light = rows.transpose(1, 2) @ stamp.reshape(-1, WINDOW, WINDOW) @ columns
    return BACKGROUND + light[:, None] * tint[:, :, None, None]


@dataclass(frozen=True)
class Losses:
    """Per-image means in nats, differentiable."""

    reconstruction: Tensor
    kl: Tensor


class SpriteVae(nn.Module):
    """Gaussian posterior, standard normal prior, Bernoulli pixels.

    ``scale`` holds, per latent dimension, the mean and the standard deviation (at least 0.25) of
    the posterior means over the training sprites. The public embedding is the mean so scaled.
    """

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _perceptron(_INPUTS, 2 * EMBEDDING_SIZE)
        self.decoder = _perceptron(EMBEDDING_SIZE, _INPUTS)
        self.register_buffer("scale", torch.tensor([[0.0], [1.0]]).repeat(1, EMBEDDING_SIZE))

    def posterior(
        self, pixels: Float[Tensor, "n 3 64 64"]
    ) -> tuple[Float[Tensor, "n 32"], Float[Tensor, "n 32"]]:
        """Mean and log-variance; ``pixels`` lie in [0, 1]."""
        mean, log_variance = self.encoder(look(pixels)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def losses(self, pixels: Float[Tensor, "n 3 64 64"], noise: Float[Tensor, "n 32"]) -> Losses:
        """The two halves of the negative evidence bound, for one draw of ``noise``."""
        mean, log_variance = self.posterior(pixels)
        logits = put(self.decoder(mean + noise * torch.exp(0.5 * log_variance)))
        # The Bernoulli likelihood of binary pixels; twice as fast on a CPU as the library's.
        bits = -torch.sigmoid(torch.where(pixels > 0.5, logits, -logits)).log().sum()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return Losses(bits / len(pixels), kl / len(pixels))

    def embed(self, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n 32"]:
        """The embedding: posterior mean, each dimension standardised."""
        return (self.posterior(pixels)[0] - self.scale[0]) / self.scale[1]

    def draw(self, embeddings: Float[Tensor, "n 32"]) -> Float[Tensor, "n 3 64 64"]:
        """Pixel probabilities in [0, 1] of embeddings."""
        return torch.sigmoid(put(self.decoder(embeddings * self.scale[1] + self.scale[0])))
