"""Runs on the toy world in which anything may be left out: what the loop makes of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
from run_case import make_config

from persongen_bench.core.images import pixel_hash
from persongen_bench.core.request import plan_samples
from persongen_bench.core.roles import open_role
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.world import World, WorldRef
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_scores import toy_score_context


class Planted:
    """Every user of the toy world is asked for ``n_images`` and gets those of a planted generator.

    ``dropped_likes``: users whose held-out part has lost its likes. ``clicks``: nobody's held-out
    part has dislikes.
    """

    def __init__(self, n_images=9, dropped_likes=(), seed=0, *, clicks=False):
        toy = toy_world()
        held_out = toy.split.test
        lost = held_out["user_id"].isin(list(dropped_likes)) & held_out["liked"]
        lost |= ~held_out["liked"] & clicks
        split = replace(toy.split, test=held_out[~lost].reset_index(drop=True))
        self.world = World(WorldRef("toy", "toy", {}), toy.dataset, split, toy.stack)
        self.users = toy.train.users
        self.requests = [
            replace(sample.request, n_images=n_images) for sample in toy.samples(1)
        ]  # by user, with the liked training items as history
        self.samples = plan_samples(make_config(n_images=n_images).protocol(), self.requests)
        drawn = toy_score_context(n_images, accuracy=0.5, seed=seed)
        rows = drawn.samples.groupby("user_id").indices
        self.pictures = {
            s.sample_id: drawn.pictures[rows[s.request.user_id][s.index]] for s in self.samples
        }

    def evaluation(self, delivers=lambda sample: True, pictures=None, state="method_error"):
        """What metrics see where only some samples were delivered."""
        shown = self.pictures | (pictures or {})
        table = pd.DataFrame(
            {
                "sample_id": [s.sample_id for s in self.samples],
                "user_id": [s.request.user_id for s in self.samples],
                "index": [s.index for s in self.samples],
                "state": ["ok" if delivers(s) else state for s in self.samples],
                "pixel_hash": [pixel_hash(shown[s.sample_id]) for s in self.samples],
            }
        )
        asked = {s.sample_id: s.request for s in self.samples}
        return Evaluation(self.world, table, asked, lambda sample, _: shown[sample])

    def likest(self):
        """Of every user the sample that is most like the own history: what a refuser would keep."""
        role = open_role(self.world.stack, "judge_encoder")
        kept = set()
        for request in self.requests:
            own = [s for s in self.samples if s.request is request]
            seen = role.encode(self.world.train.catalog.images(list(request.history)))
            made = role.encode([self.pictures[s.sample_id] for s in own])
            kept.add(own[int(np.argmax(_cosines(made, seen).max(axis=1)))].sample_id)
        return kept


def _cosines(a, b):
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return a @ b.T
