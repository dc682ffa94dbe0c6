"""Does a split leak? Users, rows, items, motifs, pictures and time, each checked and counted.

What counts as a leak depends on what the split promises; see `persongen_bench.core.promises`, which
looks at the tables. Pictures are opened and compared here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from persongen_bench.core import images as imaging
from persongen_bench.core.dataset import Dataset, Split
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.promises import Kind, Severity, held_out, overlaps, severity
from persongen_bench.core.types import Catalog
from persongen_bench.util.batching import blocks
from persongen_bench.util.opening import opened_items

THUMBNAIL = 16
"""Edge in pixels of the RGB thumbnails that similar pictures are found with."""
BLOCK = 512
"""Rows per matrix product of thumbnails."""
N_OPEN = 16
"""Pictures held in memory at a time."""


@dataclass(frozen=True)
class AuditOptions:
    """How thorough an audit is."""

    max_held_out: int = 2000
    """At most this many held-out pictures are opened, evenly spaced over their sorted ids."""
    max_train: int = 20_000
    """At most this many training pictures are opened, evenly spaced over their sorted ids."""
    similar_rms: float = 8.0
    """Two pictures are similar up to this root mean square difference of their thumbnails, in
    grey levels (0..255). On 430 stickers, every copy recompressed as JPEG of quality 80, rescaled
    by 0.75 or 1.5, brightened by 6, darkened by 8 or with noise of 4 levels stayed within it; a
    64-bit DCT hash moved by up to 28 bits on the same copies."""
    n_examples: int = 5
    """Examples kept per finding."""


@dataclass(frozen=True)
class Finding:
    """One kind of overlap."""

    kind: Kind
    severity: Severity
    count: int
    """How many: users, rows, items, motifs, held-out pictures, or training rows."""
    examples: tuple[str, ...]
    """Their ids (``user item`` for rows; ``held-out item = training item`` for pictures)."""

    def __str__(self) -> str:
        """One line."""
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.severity}: {self.kind}: {self.count} ({', '.join(self.examples)}{more})"


@dataclass(frozen=True)
class Targets:
    """Likes of the test part, which the track ``reference`` asks for, and how many are known.

    A target that somebody likes in the training part can stand in a window that is trained on: in
    papers 002 and 003 nearly all do, since they divide windows that share pictures.
    """

    n_known: int
    """Those whose picture is liked in the training part, by anybody."""
    n: int

    @classmethod
    def of(cls, split: Split) -> Targets:
        """Counts rows of users and items that are liked."""
        train, test = (part[part["liked"].astype(bool)] for part in (split.train, split.test))
        return cls(int(test["item_id"].isin(set(train["item_id"])).sum()), len(test))

    @property
    def share(self) -> float:
        """In [0, 1]; 0 where nothing is asked for."""
        return self.n_known / self.n if self.n else 0.0

    def __str__(self) -> str:
        """One line."""
        return (
            f"info: target-in-training: {self.n_known:,} of {self.n:,} targets ({self.share:.1%}) "
            "show a picture that is liked in the training part"
        )


@dataclass(frozen=True)
class AuditReport:
    """All findings about a split, and how many pictures were looked at."""

    split: str
    findings: tuple[Finding, ...]
    n_opened: int
    """Pictures opened, training and held-out together."""
    n_pictures: int
    """Pictures there are in both parts; more than ``n_opened`` where a cap was reached."""
    targets: Targets | None = None
    """Of data sets that ask for held-out likes."""

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """Findings that break the promise of the split."""
        return tuple(finding for finding in self.findings if finding.severity == "leak")

    def __str__(self) -> str:
        """A line per finding below a headline."""
        verdict = f"{len(self.leaks)} leaks" if self.leaks else "no leak"
        head = (
            f"split {self.split}: {verdict}; opened {self.n_opened} of {self.n_pictures} pictures"
        )
        more = [] if self.targets is None else [str(self.targets)]
        return "\n".join([head, *map(str, self.findings), *more])


def audit(
    dataset: Dataset,
    split: Split,
    options: AuditOptions = AuditOptions(),
    progress: Progress = no_progress,
) -> AuditReport:
    """Compare the training part with everything held out (validation and test together).

    Cost: one opening of every picture up to the caps, about a thousand small ones per second, and a
    matrix product of thumbnails.
    """
    seen = sorted(split.train["item_id"].unique())
    unseen = sorted(set(held_out(split)["item_id"]).difference(seen))
    opened_unseen = _spaced(unseen, options.max_held_out)
    opened_seen = _spaced(seen, options.max_train)
    pictures = _Pictures(dataset.catalog, progress)
    same, similar = pictures.twins(opened_unseen, opened_seen, options.similar_rms)
    shared = overlaps(split, dataset.catalog)
    shared |= {"same-picture": same, "similar-picture": similar}
    findings = [
        Finding(kind, severity(kind, split.promise), len(who), tuple(who[: options.n_examples]))
        for kind, who in shared.items()
        if who
    ]
    looked = bool(opened_unseen) and dataset.catalog.pictured
    opened = len(opened_unseen) + len(opened_seen) if looked else 0
    targets = None if dataset.asks is None else Targets.of(split)
    return AuditReport(split.name, tuple(findings), opened, len(unseen) + len(seen), targets)


def _spaced(ids: Sequence[str], limit: int) -> list[str]:
    if len(ids) <= limit:
        return list(ids)
    return [ids[place] for place in np.linspace(0, len(ids) - 1, limit).astype(int)]


@dataclass(frozen=True)
class _Pictures:
    catalog: Catalog
    progress: Progress

    def twins(
        self, unseen: Sequence[str], seen: Sequence[str], rms: float
    ) -> tuple[list[str], list[str]]:
        """Held-out pictures with a pixel-identical and with a similar picture in training."""
        if not unseen or not seen or not self.catalog.pictured:
            return [], []
        hashes, thumbnails = self._read(unseen)
        seen_hashes, seen_thumbnails = self._read(seen)
        first = dict(zip(reversed(seen_hashes), reversed(seen), strict=True))
        same = {item: first[key] for item, key in zip(unseen, hashes, strict=True) if key in first}
        nearest, squares = _nearest(thumbnails, seen_thumbnails)
        near = np.flatnonzero(squares <= rms**2 * thumbnails.shape[1]).tolist()
        similar = [(unseen[i], seen[nearest[i]]) for i in near if unseen[i] not in same]
        return [f"{a} = {b}" for a, b in same.items()], [f"{a} = {b}" for a, b in similar]

    def _read(self, ids: Sequence[str]) -> tuple[list[str], Float[np.ndarray, "n d"]]:
        hashes, thumbnails = [], []
        parts = opened_items(self.catalog, ids, N_OPEN)
        for _, pictures in self.progress(parts, "auditing pictures", -(-len(ids) // N_OPEN)):
            hashes += [imaging.pixel_hash(picture) for picture in pictures]
            small = imaging.stack_square(pictures, THUMBNAIL)
            thumbnails.append(small.reshape(len(pictures), -1))
        return hashes, np.concatenate(thumbnails)


def _nearest(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per row of ``left`` the nearest row of ``right`` and its squared distance, exact integers."""
    left = left.astype(np.float64)
    best = np.full(len(left), np.inf)
    place = np.zeros(len(left), dtype=np.int64)
    for part in blocks(len(right), BLOCK):
        block = right[part].astype(np.float64)
        squares = (left**2).sum(1)[:, None] + (block**2).sum(1)[None] - 2.0 * left @ block.T
        closest = squares.argmin(axis=1)
        distance = squares[np.arange(len(left)), closest]
        better = distance < best
        best[better], place[better] = distance[better], closest[better] + part.start
    return place, best
