"""Tables of samples for score contexts that are written by hand."""

import pandas as pd

from persongen_bench.core.request import unit_of


def answered(requests, unit="user"):
    """One sample, s0, s1, ..., for each of the requests => the table, and sample id => request."""
    by_sample = {f"s{k}": request for k, request in enumerate(requests)}
    ids = [request.request_id for request in requests]
    table = pd.DataFrame(
        {
            "sample_id": list(by_sample),
            "request_id": ids,
            "unit": [unit_of(request, unit) for request in requests],
            "user_id": [request.user_id for request in requests],
            "index": [ids[:k].count(one) for k, one in enumerate(ids)],
        }
    )
    return table, by_sample
