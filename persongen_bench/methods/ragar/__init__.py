"""RAGAR (paper 002): retrieval, keywords and a calibrated prompt that a ranking model reflects on.

In the order of the paper: `retrieval` and `preferences` find out what a request is about,
`detail` (a language model with special tokens and the `mapper`) and `calibrator` make prompt
states of it, `stage0`, `warm` and `reflection` (with `rewards` and `losses`) train them.
"""

from persongen_bench.methods.ragar.method import Ragar as Ragar
