"""VLM ranker: a language model scores a recommender's first items by a rubric (ImageGem, 004)."""

from persongen_bench.methods.vlm_ranker.config import VlmRankerConfig
from persongen_bench.methods.vlm_ranker.method import VlmRanker

__all__ = ["VlmRanker", "VlmRankerConfig"]
