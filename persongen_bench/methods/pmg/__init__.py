"""PMG: personalized multimodal generation with a language model (Shen et al., WWW 2024).

`config` options · `taste` histories to keywords · `together` keywords that exclude one another ·
`prompts` keywords to prompts that fit · `picking` the product score · `method` the adapter.
"""

from persongen_bench.methods.pmg.config import PmgConfig
from persongen_bench.methods.pmg.method import Pmg

__all__ = ["Pmg", "PmgConfig"]
