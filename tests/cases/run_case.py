"""The configuration of a run that nothing was loaded for."""

from persongen_bench.loop.schema import DatasetRef, MethodRef, RunConfig, StackRef


def make_config(**changes) -> RunConfig:
    """A run of method ``m`` on data ``toy`` with any field changed."""
    values = {
        "track": "controlled",
        "board": "controlled",
        "dataset": DatasetRef(
            name="toy", revision="r", split="item", split_seed=0, split_hash="h", root="a/b"
        ),
        "method": MethodRef(
            name="m", distribution="d", version="1", config={"rank": 8}, label="m[rank=8]"
        ),
        "stack": StackRef(name="s", signature="s|1"),
        "seed": 0,
        "n_images": 2,
        "n_history": 3,
        "metrics": ("true-taste",),
        "code": "c",
    }
    return RunConfig(**{**values, **changes})
