"""Analyses of papers that are no metric of a run: what a history or a picture is worth to a ranker.

`histories` is figure 2 of RAGAR (paper 002), `auxiliary` its table 4; both work on features, and
so on any data set with a finished run. `outcome` is what they find.
"""
