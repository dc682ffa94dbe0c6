"""The layers of a denoiser that a LoRA may change, and whether one fits them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from persongen_bench.core.errors import DataError
from persongen_bench.util.lora.layers import LoraLayer, LoraLayers


@dataclass(frozen=True)
class Base:
    """A denoiser by the shapes of its layers."""

    name: str
    layers: Mapping[str, tuple[int, ...]]
    """Module path => shape of its weight: ``(out, in)``, of convolutions ``(out, in, h, w)``."""
    layers_per_block: int = 2
    """Of the UNet's configuration; numbers of the original blocks are counted with it."""

    @classmethod
    def of(cls, unet: Any, name: str) -> Base:  # noqa: ANN401  # a diffusers UNet
        """The layers of a UNet but for those of an IP-Adapter."""
        layers: dict[str, tuple[int, ...]] = {}
        for path, module in unet.named_modules():
            weight = getattr(module, "weight", None)
            own = ".processor." not in path and not path.startswith("encoder_hid_proj")
            if weight is not None and weight.ndim in (2, 4) and own:
                layers[path] = tuple(weight.shape)
        return cls(name, layers, _per_block(unet))

    def fit(self, lora: LoraLayers) -> LoraLayers:
        """The same change with the shapes of this base; raises `DataError` where it does not fit.

        A 1 x 1 convolution and a linear layer are one thing, and files write either.
        """
        fitted = {path: self._fit_one(path, layer) for path, layer in lora.layers.items()}
        return LoraLayers(fitted, lora.notes)

    def _fit_one(self, path: str, layer: LoraLayer) -> LoraLayer:
        if path not in self.layers:
            raise DataError(
                f"the LoRA changes the layer {path}, which {self.name} does not have",
                fix="It was made for another base model; use a stack of that one.",
            )
        wanted = self.layers[path]
        if (*layer.shape, 1, 1)[:4] != (*wanted, 1, 1)[:4]:
            raise DataError(
                f"the LoRA changes a layer {path} of shape {layer.shape}, in {self.name} it is "
                f"{wanted}",
                fix="It was made for another base model; use a stack of that one.",
            )
        if layer.shape == wanted:
            return layer
        up, down = layer.factors
        ones = (1,) * (len(wanted) - 2)
        return LoraLayer(
            down.reshape(layer.rank, *wanted[1:]), up.reshape(wanted[0], layer.rank, *ones)
        )

    def fits(self, lora: LoraLayers) -> bool:
        """Whether `fit` would raise nothing."""
        try:
            self.fit(lora)
        except DataError:
            return False
        return True


def _per_block(unet: Any) -> int:  # noqa: ANN401  # as above
    n = unet.config.layers_per_block
    return int(n if isinstance(n, int) else n[0])
