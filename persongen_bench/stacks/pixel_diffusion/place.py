"""Where the published model of pixels lies.

Nothing pins it: no manifest that prints its commit, sizes and checksums was at hand, and nothing
was downloaded here. Fetch the repository with the hub's own tool into the folder that `find` names;
its licence is to be agreed to there. Any other pipeline of the same layout may lie in its place,
such as a smaller IF or a converted GLIDE: the signature has the checksums of what lies there.
"""

from __future__ import annotations

from pathlib import Path

from persongen_bench.stacks.published.locate import unpinned_place

GROUP = "pixel"
REPOSITORY = "DeepFloyd/IF-I-XL-v1.0"
NAME = REPOSITORY.rpartition("/")[2]


def find(folder: Path | None) -> Path | None:
    """``folder/pixel/IF-I-XL-v1.0``, else ``$PGBENCH_MODELS/pixel/IF-I-XL-v1.0``.

    None where there is no such folder.
    """
    return unpinned_place(GROUP, NAME, folder)
