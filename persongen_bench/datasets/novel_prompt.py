"""The split `novel-prompt`, and how near held-out items are to what their user was trained on.

People make a picture again and again with one prompt until they like it. Of such a log the latest
item is then found by whoever finds its twins: this is measured here, and avoided by a split that
holds out the twins too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from persongen_bench.core.dataset import Split, SplitFunction
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical, time_order
from persongen_bench.core.types import INTERACTION_COLUMNS, Embeddings

NOVEL_PROMPT = "novel-prompt"
"""Name of the split."""
LEAST_TRAINING = 2
"""Rows that a tested user keeps, as with ``leave-one-last`` of three."""
Similarity: TypeAlias = Callable[[str, Sequence[str]], Float[np.ndarray, " n"]]
"""Of an item to each of several others, higher is nearer."""


def novel_prompt(forms: pd.Series, session_seconds: float = 1800.0) -> SplitFunction:
    """Every user's last item is held out with all that are versions of it; the catalogue is open.

    Versions are the items of the same session (no pause longer than ``session_seconds``) and all
    items of the user with the prompt of one of these. No held-out prompt is thus in the user's
    training part. Users who would keep fewer than `LEAST_TRAINING` rows are not tested.

    Args:
        forms: normal form of the prompt of each item (`prompt_words.normal_forms`).
        session_seconds: the longest pause within a session; rows without a time are one each.
    """
    return partial(_novel_prompt, forms=forms, session_seconds=session_seconds)


def _novel_prompt(
    interactions: pd.DataFrame, seed: int, *, forms: pd.Series, session_seconds: float
) -> Split:
    rows = canonical(interactions[list(INTERACTION_COLUMNS)])
    rows = rows.iloc[time_order(rows)].reset_index(drop=True)
    users = pd.factorize(rows["user_id"])[0]
    held = _versions_of_last(rows, users, forms, session_seconds)
    left = np.bincount(users, weights=~held)
    held &= (left >= LEAST_TRAINING)[users]
    if not held.any():
        raise DataError(
            f"nobody has {LEAST_TRAINING} items besides the versions of their last one",
            fix="Use the split leave-one-last, or shorter sessions.",
        )
    train, test = (rows[part].reset_index(drop=True) for part in (~held, held))
    return Split(NOVEL_PROMPT, seed, train, test, open_catalog=True)


def _versions_of_last(
    rows: pd.DataFrame, users: Int[np.ndarray, " n"], forms: pd.Series, seconds: float
) -> Bool[np.ndarray, " n"]:
    """Rows (by user and time) of each user's last session, or with a prompt of it."""
    sessions = sessions_of(rows, users, seconds)
    last = np.zeros(int(users.max()) + 1, dtype=np.int64)
    last[users] = sessions  # of several the last is kept
    held = sessions == last[users]
    prompts = forms.reindex(rows["item_id"]).fillna("")
    codes = pd.factorize(prompts)[0]
    keys = users.astype(np.int64) * (int(codes.max()) + 1) + codes
    told = (prompts != "").to_numpy(dtype=bool)
    return np.asarray(held | (told & np.isin(keys, keys[held & told])))


def sessions_of(
    rows: pd.DataFrame, users: Int[np.ndarray, " n"], seconds: float
) -> Int[np.ndarray, " n"]:
    """The number of the session of each row; rows are ordered by user and time."""
    times = rows["timestamp"].to_numpy(dtype=np.float64)
    pause = np.diff(times, prepend=np.nan)
    with np.errstate(invalid="ignore"):
        new = ~(pause <= seconds)
    return np.asarray(np.cumsum(new | (np.diff(users, prepend=-1) != 0)))


@dataclass(frozen=True)
class NearDuplicates:
    """Of how many held-out items the user has a version in the training part."""

    n: int
    """Held-out items."""
    same_prompt: float
    """Share whose prompt the user used in training, in normal form."""
    same_session: float
    """Share that was made in one session with a training item."""
    either: float
    """Share with one or the other."""


def near_duplicates(split: Split, forms: pd.Series, session_seconds: float) -> NearDuplicates:
    """How far a split tests whether the twin of a training item is found."""
    tested = split.train["user_id"].isin(split.test["user_id"].unique())
    rows = pd.concat(
        [split.train[tested].assign(held=False), split.test.assign(held=True)], ignore_index=True
    )
    rows = rows.iloc[time_order(rows)].reset_index(drop=True)
    users, held = pd.factorize(rows["user_id"])[0], rows["held"].to_numpy(dtype=bool)
    sessions = sessions_of(rows, users, session_seconds)
    prompts = forms.reindex(rows["item_id"]).fillna("")
    codes = pd.factorize(prompts)[0]
    keys = users.astype(np.int64) * (int(codes.max()) + 1) + codes
    twin = np.isin(keys, keys[~held]) & (prompts != "").to_numpy(dtype=bool)
    mate = np.isin(sessions, sessions[~held])
    shares = (float(mask[held].mean()) for mask in (twin, mate, twin | mate))
    return NearDuplicates(int(held.sum()), *shares)


def share_closer_than(split: Split, similarity: Similarity, least: float) -> float:
    """Share of held-out items whose nearest training item of the user has at least a similarity.

    Args:
        split: its test rows are the held-out items; each is of a user with training rows.
        similarity: `by_words` or `by_features`.
        least: similarity from which two items count as versions of each other.
    """
    theirs = {user: list(items) for user, items in split.train.groupby("user_id")["item_id"]}
    near = [
        float(similarity(item, theirs[user]).max()) >= least
        for user, item in zip(split.test["user_id"], split.test["item_id"], strict=True)
        if theirs.get(user)
    ]
    if not near:
        raise DataError("no held-out item is of a user with training items")
    return float(np.mean(near))


def by_words(forms: pd.Series) -> Similarity:
    """Words that two prompts share, of all words of both (Jaccard), from 0 to 1."""

    def similarity(item: str, others: Sequence[str]) -> Float[np.ndarray, " n"]:
        words = set(forms[item].split())
        sets = [set(text.split()) for text in forms.loc[list(others)]]
        return np.array([len(words & s) / max(1, len(words | s)) for s in sets])

    return similarity


def by_features(ids: Sequence[str], features: Embeddings) -> Similarity:
    """Cosine of the ``features`` ``(n, d)`` of the items ``ids``."""
    place = {item: row for row, item in enumerate(ids)}
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)

    def similarity(item: str, others: Sequence[str]) -> Float[np.ndarray, " n"]:
        return np.asarray(unit[[place[other] for other in others]] @ unit[place[item]])

    return similarity
