"""What tasteworld asks on the track ``alignment``, and the split in which nobody trains on it.

A prompt is the subject of pictures, such as ``a small red star``: it says what is to be seen and
leaves open how it is made, so that a decoder that has learned what people prefer can show it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import Split
from persongen_bench.datasets.tasteworld_splits import Roles, cut
from persongen_bench.worlds.tasteworld.attributes import N_SCENES, scene_at
from persongen_bench.worlds.tasteworld.content import subjects
from persongen_bench.worlds.tasteworld.labels import scenes_of

PROMPTS = "prompts"
N_PROMPTS = 49
"""Subjects that are held out, a third of the 147 there are."""
_SUBJECTS = 31
"""Stream of random numbers, beside those of the world and of its splits."""


def held_out_subjects(seed: int) -> tuple[str, ...]:
    """The prompts of the world of ``seed``, sorted; equal for all sizes of it."""
    every = sorted(set(subjects(scene_at(np.arange(N_SCENES)))))
    order = np.random.default_rng([seed, _SUBJECTS]).permutation(len(every))
    return tuple(sorted(every[k] for k in order[:N_PROMPTS].tolist()))


def hold_out_prompts(
    interactions: pd.DataFrame,
    seed: int,
    *,
    roles: Roles,
    prompts: Sequence[str],
    items: pd.DataFrame,
) -> Split:
    """Every motif with a version that shows a prompt is held out, and the panel is tested.

    So the training view has no picture of a prompt, nor another version of one. Which motifs these
    are depends on the world alone, whatever the split's ``seed``.
    """
    asked = set(prompts)
    shown = [subject in asked for subject in subjects(scenes_of(items))]
    motifs = set(items["content_id"][shown])
    return cut(PROMPTS, seed, interactions, roles, motifs)
