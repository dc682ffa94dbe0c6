"""The LoRAs of the toy world: everybody makes some, and the last of each person is held out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Catalog, content_hash
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.testing.toy_pictures import N_HUES, DrawnSource

MODELS_PER_USER = 4
N_EXAMPLES = 3
"""Pictures of each model."""
SHAPES: Mapping[str, tuple[int, int]] = {
    "attn1.to_q": (8, 8), "attn1.to_v": (8, 8), "attn2.to_k": (8, 6), "ff.net.2": (8, 16),
}  # fmt: skip
"""Layer => numbers out and in."""
PLACE = "unet.mid_block.attentions.0.transformer_blocks.0"


class ToyModels:
    """Makes LoRAs from the rows' own numbers: a change along the row's hue, and some noise."""

    def open(self, rows: pd.DataFrame) -> list[Adapter]:
        """One LoRA of the row's rank per row; its factors are not in any common gauge."""
        return [
            Adapter(lora=_factors(str(name), float(hue), int(rank)))
            for name, hue, rank in zip(rows.index, rows["hue"], rows["rank"], strict=True)
        ]


def toy_zoo() -> ModelZoo:
    """``MODELS_PER_USER`` LoRAs of each of the six people, ranks 1 and 2, and their pictures."""
    rows = [(user, k) for user in range(N_HUES) for k in range(MODELS_PER_USER)]
    items = pd.DataFrame(
        {
            "model_id": [f"model-{user}-{k}" for user, k in rows],
            "owner": [f"user-{user}" for user, _ in rows],
            "rank": [1 + k % 2 for _, k in rows],
            "hue": [user / N_HUES for user, _ in rows],
            "held_out": [k == MODELS_PER_USER - 1 for _, k in rows],
        }
    ).set_index("model_id")
    return ModelZoo(items, ToyModels(), Catalog(_pictures(items), DrawnSource()))


def _pictures(items: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = np.repeat(items.index.to_numpy(), N_EXAMPLES)
    near = np.repeat(items["hue"].to_numpy(), N_EXAMPLES) + rng.uniform(-0.02, 0.02, len(names))
    numbers = {"value": rng.uniform(0.7, 0.95, len(names)), "slope_x": 0.0, "slope_y": 0.0}
    ids = [f"{name}-picture-{k % N_EXAMPLES}" for k, name in enumerate(names)]
    drawn = {"prompt": "", "seed": np.arange(len(names)) % N_EXAMPLES}
    return pd.DataFrame(
        {"item_id": ids, "model_id": names, "hue": near, **numbers, **drawn}
    ).set_index("item_id")


def _factors(name: str, hue: float, rank: int) -> dict[str, np.ndarray]:
    """``B A`` of every layer is a turn by the hue plus noise, its factors mixed at random."""
    rng, factors = np.random.default_rng(int(content_hash(name), 16)), {}
    for place, (layer, (n_out, n_in)) in enumerate(SHAPES.items()):
        planes = np.random.default_rng(place).standard_normal((2, n_out + n_in))
        along = np.cos(2 * np.pi * hue) * planes[0] + np.sin(2 * np.pi * hue) * planes[1]
        up = 0.1 * rng.standard_normal((n_out, rank))
        down = 0.1 * rng.standard_normal((rank, n_in))
        up[:, 0] += along[:n_out]
        down[0] += along[n_out:]
        mix = np.linalg.qr(rng.standard_normal((rank, rank)))[0] * rng.uniform(0.5, 2)
        factors[f"{PLACE}.{layer}.lora_A.weight"] = (np.linalg.inv(mix) @ down).astype(np.float32)
        factors[f"{PLACE}.{layer}.lora_B.weight"] = (up @ mix).astype(np.float32)
    return factors
