"""Pigeon (paper 003): a multimodal language model that follows a reference to a user's taste.

`config` options · `pictures` visual tokens · `generator` and `masks` what is hidden · `visual` and
`adapter` the reference as a vector · `composing` the hybrid prompt · `reconstruction` stage 1 ·
`pairs` and `alignment` stage 2 · `validation` the ratio · `fitted` files · `telling` what was
hidden · `method` the life cycle. Windows, LoRA and the training loop are those of `tuning`.
"""

from persongen_bench.methods.pigeon.config import PigeonConfig
from persongen_bench.methods.pigeon.method import Pigeon

__all__ = ["Pigeon", "PigeonConfig"]
