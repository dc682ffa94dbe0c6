"""A benchmark of personalized image generation whose numbers can be believed.

``import persongen_bench as pb`` loads none of it; what is used is loaded when it is used::

    run = pb.run(MyMethod(), dataset="tasteworld")      # a Run: .scores, .images, .to_frame()
    pb.score({"user-1": [image]}, dataset="tasteworld") # images made elsewhere
    pb.leaderboard("runs").to_latex()                   # every table of a folder
    pb.metrics.fid(x, y)                                # a metric on arrays
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persongen_bench import metrics, testing
    from persongen_bench.api.cold_results import ColdStart
    from persongen_bench.api.cold_start import cold_start
    from persongen_bench.api.loading import load_dataset, load_stack
    from persongen_bench.api.local import register
    from persongen_bench.api.requests import requests
    from persongen_bench.api.running import resume, run, run_many, score
    from persongen_bench.api.runs import Run
    from persongen_bench.api.search import Search, search
    from persongen_bench.api.site import build_site
    from persongen_bench.api.tables import Leaderboard, compare, leaderboard
    from persongen_bench.core.config import Config
    from persongen_bench.core.errors import PgbenchError
    from persongen_bench.core.output import Ranking
    from persongen_bench.core.request import Failure
    from persongen_bench.core.roles import Adapter
    from persongen_bench.leaderboards.compare import Comparison

__version__ = "0.1.0"

_DOOR = {
    "cold_start": "api.cold_start",
    "ColdStart": "api.cold_results",
    "run": "api.running",
    "run_many": "api.running",
    "resume": "api.running",
    "score": "api.running",
    "search": "api.search",
    "Search": "api.search",
    "leaderboard": "api.tables",
    "build_site": "api.site",
    "compare": "api.tables",
    "register": "api.local",
    "requests": "api.requests",
    "load_dataset": "api.loading",
    "load_stack": "api.loading",
    "Run": "api.runs",
    "Leaderboard": "api.tables",
    "Comparison": "leaderboards.compare",
    "Config": "core.config",
    "Failure": "core.request",
    "Ranking": "core.output",
    "Adapter": "core.roles",
    "PgbenchError": "core.errors",
}
_ROOMS = ("metrics", "testing")

__all__ = [
    "Adapter",
    "ColdStart",
    "Comparison",
    "Config",
    "Failure",
    "Leaderboard",
    "PgbenchError",
    "Ranking",
    "Run",
    "Search",
    "build_site",
    "cold_start",
    "compare",
    "leaderboard",
    "load_dataset",
    "load_stack",
    "metrics",
    "register",
    "requests",
    "resume",
    "run",
    "run_many",
    "score",
    "search",
    "testing",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # whatever is asked for
    if name in _DOOR:
        return getattr(import_module(f"{__name__}.{_DOOR[name]}"), name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
