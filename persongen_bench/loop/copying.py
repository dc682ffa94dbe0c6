"""Does a run show pictures of the data again? Every run of pictures is searched at scoring.

A picture *repeats* one of the data where the two differ by at most `copy_pool.LIMIT` grey levels
after noise, blur, recompression, a small shift and a mirror are forgiven (`util.twins`). It is a
copy of a held-out picture where it repeats one and is nearer to it, by `copy_pool.RATIO`, than to
anything that the method was shown: the training pictures and the request's own reference.
Otherwise, where it repeats a training picture, it is a copy of that.

By chance that happens too: data hold twins, and a fresh picture may meet a held-out one. What is
above chance is measured on the data themselves. Everybody saw the training pictures, so those that
"repeat" a held-out one, the rest of training being what was shown, do so by chance; and so do
held-out pictures that repeat a training one. A run's count is held against theirs by the posterior
predictive of a binomial (beta-binomial, Jeffreys' prior). Pictures alike count once: the count is
of different pictures repeated, among as many as are the nearest of some picture of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.stats import betabinom

from persongen_bench.core.types import Image
from persongen_bench.loop.copies import COLUMNS, Copies, Repeats, write_copies
from persongen_bench.loop.copy_pool import LIMIT, Pool, copies_hidden, pool_of, spaced
from persongen_bench.loop.encoding import CHUNK
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.store import RunDirectory
from persongen_bench.util import twins
from persongen_bench.util.batching import blocks
from persongen_bench.util.opening import opened
from persongen_bench.util.vectors import unit_rows

ROLE = "judge_encoder"
N_JUDGED = 2000
"""Items of either part whose cosine is taken: of those that the metrics encode anyway."""


def search(evaluation: Evaluation) -> tuple[Copies, pd.DataFrame | None]:
    """What a run copies, and a line per picture (`copies.COLUMNS`, names of the data)."""
    samples = evaluation.samples
    rows = np.flatnonzero(samples["pixel_hash"].astype(str) != "")
    nothing = _nothing(evaluation, rows)
    if nothing:
        return Copies(nothing=nothing), None
    pool = pool_of(evaluation.world)
    lines = _compared(evaluation, rows, pool)
    cosines = _cosines(evaluation, rows, pool)
    table = pd.DataFrame({
        "sample_id": samples["sample_id"].astype(str).to_numpy()[rows],
        "held_out_difference": _finite(lines.unseen),
        "training_difference": _finite(lines.seen),
        "held_out_cosine": cosines[0], "training_cosine": cosines[1],
        "copy_of": np.select([lines.hidden, lines.shown], ["held-out", "training"], ""),
    })  # fmt: skip
    judged = ROLE in evaluation.world.stack.roles
    copies = Copies(
        n_images=len(rows), n_held_out=len(pool.hidden), n_training=len(pool.shown), limit=LIMIT,
        held_out=_repeats(lines.hidden, lines.place_unseen, pool.null_hidden, lines),
        training=_repeats(lines.shown, lines.place_seen, pool.null_shown, lines),
        judge=evaluation.encoder_signature(ROLE) if judged else "",
    )  # fmt: skip
    return copies, table[list(COLUMNS)]


def _nothing(evaluation: Evaluation, rows: Int[np.ndarray, " n"]) -> str:
    if not evaluation.world.dataset.catalog.pictured:
        return "the data have no pictures"
    if not len(rows):
        return "the answers are no pictures" if len(evaluation.samples) else "there is no answer"
    return ""


@dataclass(frozen=True)
class _Lines:
    """What every picture of the run is nearest to, and how far from it."""

    place_unseen: Int[np.ndarray, " n"]
    unseen: Float[np.ndarray, " n"]
    place_seen: Int[np.ndarray, " n"]
    seen: Float[np.ndarray, " n"]
    """To what was shown: the training pictures, and the request's reference."""

    @property
    def hidden(self) -> Bool[np.ndarray, " n"]:
        """Copies of held-out pictures."""
        return copies_hidden(self.unseen, self.seen)

    @property
    def shown(self) -> Bool[np.ndarray, " n"]:
        """Copies of training pictures; -1 stands for the reference, which is none."""
        return np.asarray((self.seen <= LIMIT) & (self.place_seen >= 0) & ~self.hidden)

    @property
    def n_different(self) -> int:
        """Pictures of the data that are the nearest of some picture of the run."""
        near = np.where(self.unseen < self.seen, self.place_unseen, -2 - self.place_seen)
        return len(np.unique(near))


def _compared(evaluation: Evaluation, rows: Int[np.ndarray, " n"], pool: Pool) -> _Lines:
    made = evaluation.samples.iloc[rows]
    ids, hashes = (made[column].astype(str).tolist() for column in ("sample_id", "pixel_hash"))

    def images(part: Sequence[int]) -> list[Image]:
        return [evaluation.open_image(ids[k], hashes[k]) for k in part]

    parts = opened(range(len(ids)), images, CHUNK)
    small = np.concatenate([twins.thumbnails(some) for _, some in parts])
    asked = pd.Index(pool.hidden).get_indexer(
        pd.Index([evaluation.references.get(sample, "") for sample in ids])
    )
    place_unseen, unseen = twins.nearest(small, pool.small_hidden, asked)
    place_seen, seen = twins.nearest(small, pool.small_shown)
    own = np.flatnonzero(asked >= 0)
    reference = twins.difference(small[own], pool.small_hidden[asked[own]])
    nearer = own[reference < seen[own]]
    seen[own] = np.minimum(seen[own], reference)
    place_seen[nearer] = -1
    return _Lines(place_unseen, unseen, place_seen, seen)


def _finite(differences: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.where(np.isfinite(differences), differences, np.nan)


def _repeats(
    copied: Bool[np.ndarray, " n"],
    places: Int[np.ndarray, " n"],
    null: Bool[np.ndarray, " m"],
    lines: _Lines,
) -> Repeats | None:
    """None where nothing is there to measure chance by."""
    if not len(null):
        return None
    n_repeated = len(np.unique(places[copied]))
    return Repeats(
        n_images=int(copied.sum()), n_repeated=n_repeated, n_null=len(null),
        n_null_repeats=int(null.sum()),
        p_value=p_value(n_repeated, max(lines.n_different, n_repeated), int(null.sum()), len(null)),
    )  # fmt: skip


def p_value(k: int, n: int, k_null: int, n_null: int) -> float:
    """Chance of ``k`` or more of ``n`` at the rate of which ``k_null`` of ``n_null`` were seen."""
    return float(betabinom.sf(k - 1, n, k_null + 0.5, n_null - k_null + 0.5))


def _cosines(
    evaluation: Evaluation, rows: Int[np.ndarray, " n"], pool: Pool
) -> list[Float[np.ndarray, " n"]]:
    """Highest cosine to held-out items and to training likes, of the users asked; else NaN."""
    nothing = np.full(len(rows), np.nan)
    if ROLE not in evaluation.world.stack.roles:
        return [nothing, nothing]
    likes, hidden = evaluation.train.liked_items, set(pool.hidden)
    rated = evaluation.test.interactions
    rated = rated[rated["user_id"].isin(list(evaluation.users))]
    met = sorted(set(rated["item_id"].astype(str)) & hidden)
    known = sorted({item for user in evaluation.users for item in likes.get(user, ())})
    made = unit_rows(evaluation.features(ROLE)[rows])
    return [_best(evaluation, made, spaced(items, N_JUDGED)) for items in (met, known)]


def _best(
    evaluation: Evaluation, made: Float[np.ndarray, "n d"], items: Sequence[str]
) -> Float[np.ndarray, " n"]:
    if not items:
        return np.full(len(made), np.nan)
    other = unit_rows(evaluation.item_features(ROLE, items))
    return np.concatenate([(made[part] @ other.T).max(axis=1) for part in blocks(len(made), CHUNK)])


def record_copies(directory: RunDirectory, evaluation: Evaluation) -> Copies:
    """Search a run and write what is found into its directory, under the directory's names."""
    copies, lines = search(evaluation)
    if lines is not None:
        names = [directory.veil.sample(sample) for sample in lines["sample_id"]]
        lines = lines.assign(sample_id=names).sort_values("sample_id", ignore_index=True)
    write_copies(directory.path, copies, lines)
    return copies
