"""Language models of the transformers library, and the vision transformer that goes with them.

`chat` a model in the role ``llm``, of any stack; `files`, `qwen`, `vit` and `roles` the published
ones.
"""
