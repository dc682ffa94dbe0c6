"""Logs that hypothesis thinks of, for the laws of splits."""

from collections import Counter

import numpy as np
import pandas as pd
from hypothesis import strategies as st

GROUPS = {f"i{n}": f"g{n // 3}" for n in range(9)}
ITEMS = pd.DataFrame({"content_id": GROUPS})


def log_of(pairs, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"], dtype="str")
    frame["rating"] = rng.integers(1, 6, len(frame)).astype(float)
    frame["liked"] = frame["rating"] >= 4
    frame["timestamp"] = rng.integers(0, 20, len(frame)).astype(float)
    return frame


logs = st.builds(
    log_of,
    st.lists(
        st.tuples(st.sampled_from([f"u{n}" for n in range(6)]), st.sampled_from(sorted(GROUPS))),
        min_size=1,
        max_size=40,
        unique=True,
    ),
    st.integers(0, 5),
)


def rows(*frames):
    return Counter(row for frame in frames for row in frame.itertuples(index=False, name=None))
