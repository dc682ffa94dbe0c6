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

from persongen_bench.stacks.published.locate import unpinned_place

GROUP = "multimodal"
REPOSITORY = "BAAI/Emu3-Chat-hf"
NAME = REPOSITORY.rpartition("/")[2]


def find(folder: Path | None) -> Path | None:
    """``folder/multimodal/Emu3-Chat-hf``, else ``$PGBENCH_MODELS/multimodal/Emu3-Chat-hf``.

    None where there is no such folder.
    """
    return unpinned_place(GROUP, NAME, folder)
