"""Ranking models that see items through features, so that an item can be given another picture.

`ranker` says what one is, `vbpr` is smooth in the picture, `micro` sees it through graphs of
nearest neighbours (paper 002); `ranks` counts places, `measures` recall and the like.
"""
