"""People who like what lies on their side of a plane through the features; some items unrated."""

from functools import cache

import numpy as np

from persongen_bench.rankers.ranker import RankingData

N_USERS, N_ITEMS, N_HELD = 12, 80, 20


def planted(seed=0, n_text=0):
    """Data without the last items' ratings, and ``(user, item, liked)`` of those."""
    rng = np.random.default_rng(seed)
    visual = rng.normal(size=(N_ITEMS, 6)).astype(np.float32)
    tastes = rng.normal(size=(N_USERS, 6))
    liked = tastes @ visual.T > 0
    rated = rng.random((N_USERS, N_ITEMS)) < 0.6
    trained = rated & (np.arange(N_ITEMS) < N_ITEMS - N_HELD)
    user, item = np.nonzero(trained)
    text = rng.normal(size=(N_ITEMS, n_text)).astype(np.float32) if n_text else None
    data = RankingData(
        tuple(f"u{k:02}" for k in range(N_USERS)),
        tuple(f"i{k:02}" for k in range(N_ITEMS)),
        user,
        item,
        liked[user, item],
        visual,
        text,
    )
    held = np.nonzero(~trained)
    return data, (held[0], held[1], liked[held])


@cache
def fitted(kind, n_text=0, **settings):
    """A ranker of the planted people; share it, and leave it as it was."""
    ranker = kind(kind.Config(**dict(settings)))
    ranker.fit(planted(n_text=n_text)[0])
    return ranker
