"""Baselines with a multimodal model: it writes the new picture's tokens, or words for it.

`config` options · `prompting` what the model reads · `tuning` a LoRA on windows of likes · `lavit`,
`llava` the methods. Windows, LoRA and the training loop are those of `methods.tuning`.
"""

from persongen_bench.methods.lmm_baselines.lavit import Lavit, LavitTuned
from persongen_bench.methods.lmm_baselines.llava import Llava, LlavaTuned

__all__ = ["Lavit", "LavitTuned", "Llava", "LlavaTuned"]
