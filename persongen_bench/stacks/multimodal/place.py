"""Where the published multimodal model lies.

Nothing pins it: no manifest that prints its commit, sizes and checksums was at hand, and nothing
was downloaded here. Fetch the repository with the hub's own tool into the folder that `find`
names. Why this one: Emu3 reads and writes visual tokens of one vocabulary with its words, several
pictures in a prompt, by a class of transformers itself; LaVIT, which paper 003 stands on, needs
code from its own repository, Chameleon's stock class cannot write pictures, and Janus ignores the
pictures of a prompt when it writes one.
"""

from __future__ import annotations

from pathlib import Path

from persongen_bench.stacks.published.locate import local_root

GROUP = "multimodal"
REPOSITORY = "BAAI/Emu3-Chat-hf"
NAME = REPOSITORY.rpartition("/")[2]


def find(folder: Path | None) -> Path | None:
    """``folder/multimodal/Emu3-Chat-hf``, else ``$PGBENCH_MODELS/multimodal/Emu3-Chat-hf``.

    None where there is no such folder.
    """
    root = folder / GROUP if folder is not None else local_root(GROUP)
    place = None if root is None else root / NAME
    return place if place is not None and place.is_dir() else None
