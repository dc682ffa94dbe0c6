"""Language models of the transformers library in the role ``llm``.

`chat` what every stack's does with one; `files` and `published` the published one.
"""
