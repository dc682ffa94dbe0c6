"""Signs of singular pairs that agree between models.

A pair (u, v) and (-u, -v) are one change of weights, and a vector needs one of them. A rule that
looks at one model alone, such as a positive largest entry, jumps between models that are nearly
alike, and what they have in common cancels. Here a layer's pairs are all turned towards the
direction along which they vary most, which their signs do not change.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from persongen_bench.methods.w2w.corpus import Corpus

N_STEPS = 50
"""Of the power iteration; more change signs of pairs that lie across the direction alone."""


def leading(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    """The first right singular vector of the rows, float32, its largest entry positive.

    Rows of opposite sign give the same one. Zeros for rows of zeros.
    """
    wide = np.asarray(rows, dtype=np.float64)
    found = wide[int(np.linalg.norm(wide, axis=1).argmax())]
    for _ in range(N_STEPS):
        length = float(np.linalg.norm(found))
        if length == 0:
            break
        found = wide.T @ (wide @ (found / length))
    found = found / (float(np.linalg.norm(found)) or 1.0)
    sign = -1.0 if found[int(np.abs(found).argmax())] < 0 else 1.0
    return np.asarray(sign * found, dtype=np.float32)


def align(corpus: Corpus, places: Mapping[str, slice]) -> dict[str, Float[np.ndarray, " d"]]:
    """Turn every layer of every vector towards `leading` of its rows, which is returned by path."""
    towards = {}
    for path, columns in places.items():
        rows = corpus.columns(columns)
        towards[path] = leading(rows)
        away = rows @ towards[path] < 0
        if away.any():
            corpus.negate(away, columns)
    return towards
