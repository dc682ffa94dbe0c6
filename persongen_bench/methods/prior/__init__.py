"""What the diffusion priors over image embeddings share: training, sampling, life cycle.

`rebeca` and `rebeca_v1` differ in their network and in what it predicts, and in nothing else.
"""
