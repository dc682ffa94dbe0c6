"""Diffusion-DPO: the decoder is trained on pairs of a preferred and a rejected picture.

`config` options · `topics` key words · `grouping` clusters of words and scores of pictures ·
`pairs` who beats whom · `loss` the objective · `policy` what is trained and what it is held to ·
`training` the steps · `validation` pairs that nobody trains on · `weights` what is stored and
drawn with · `method` the life cycle.
"""
