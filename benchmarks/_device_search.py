"""Part of `device.py`: exact search over as many vectors as ImageGem has pictures."""

from __future__ import annotations

import numpy as np
import torch
from _device_tools import Part

from persongen_bench.util.search import Index

K = 100
EQUAL = 0.999
"""Least share of positions that both sides have in common: the rest are rounding."""


def search(part: Part) -> None:
    """The 100 nearest of 1,002,796 x 512: the package on the CPU, and a product on the device."""
    n, d, asked = (5000, 32, 8) if part.reduced else (1_002_796, 512, 256)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n, d), dtype=np.float32)
    queries = rng.standard_normal((asked, d), dtype=np.float32)
    note = f"{n:,} x {d}, {asked} queries at once, the nearest {K}"
    index = Index(vectors)
    found: list[np.ndarray] = []
    spent = part.seconds_of(lambda: found.append(index.search(queries, K).positions))
    threads = torch.get_num_threads()
    part.say(f"the package on {threads} CPU threads", 1e3 * spent / asked, "ms a query", note)
    torch.backends.cuda.matmul.allow_tf32 = False
    rows = torch.nn.functional.normalize(torch.from_numpy(vectors).to(part.device))
    wanted = torch.nn.functional.normalize(torch.from_numpy(queries).to(part.device))

    def ask() -> None:
        found.append((wanted @ rows.T).topk(K).indices.cpu().numpy())

    part.fresh_memory()
    ask()
    spent = part.seconds_of(ask)
    part.say("a product on the device", 1e3 * spent / asked, "ms a query", note)
    part.say_memory("a product on the device, peak memory")
    pairs = zip(found[0], found[-1], strict=True)
    same = np.mean([len(set(one) & set(other)) / K for one, other in pairs])
    part.require("positions that only one side has", float(1 - same), 1 - EQUAL)
