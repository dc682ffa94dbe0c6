"""What the site's pages read: one document a file under ``data/``, each a plain script.

A page that is opened from a disk may fetch nothing, so a document is a call,
``PGBENCH.put("<key>", {...})``, and is loaded by a script element when it is first wanted.

| key | file | document |
|---|---|---|
| ``index`` | ``data/index.js`` | `Index` |
| ``board/<slug>`` | ``data/<slug>/board.js`` | `BoardPage` |
| ``values/<slug>/<k>`` | ``data/<slug>/values-<k>.js`` | `Values` of the k-th column |
| ``people/<slug>`` | ``data/<slug>/people.js`` | `People` |
| ``pictures/<slug>/<n>`` | ``data/<slug>/pictures-<n>.js`` | `Pictures` of the n-th row |

Texts of others (labels, user ids, captions) stand in documents as they are; pages set them as text,
never as markup.
"""

from __future__ import annotations

from typing import Any

from persongen_bench.core.config import Config


class BoardLink(Config):
    """A board as the index lists it."""

    slug: str
    """Of its files and its address: lower case, digits, hyphens."""
    name: str
    title: str
    release: str
    """Of the board: the version of its rules."""
    data: str
    """Data set with the first digits of its hash."""
    date: str
    """Of the youngest run, ISO; empty where no run says one."""
    n_rows: int
    n_runs: int
    first: str
    """Label of the row that ranks first; empty where none does."""


class Index(Config):
    """Where a visitor begins."""

    made_by: str
    """``persongen-bench <version>``."""
    boards: tuple[BoardLink, ...]


class ColumnCard(Config):
    """A column as it is explained, in the order of the standings' signatures."""

    metric: str
    header: str
    decimals: int
    exponent: int
    direction: str
    headline: bool
    card: str
    """What the metric measures."""
    does_not_show: str
    signature: str
    audit: dict[str, Any]
    """Its line in the metric audit, by printed name; empty where no audit is known."""
    human: bool = False
    """True where people judged."""


class Fragile(Config):
    """How few users carry the first place."""

    n_users: int | None
    """The fewest whose removal changes rank 1; None: no removal that leaves one does."""
    new_first: str
    of: int


class RowFacts(Config):
    """What a row shows besides its standing, in the order of methods, then anchors."""

    row: int
    label: str
    kind: str
    """``method`` or ``anchor``."""
    date: str
    package: str
    """Distribution and version of the method's code."""
    complete: bool
    """True where every picture was delivered and no cell of the board is missing."""
    n_failed: int
    n_pictures: int
    """Thumbnails in the site, of ``n_ok``."""
    history: tuple[dict[str, Any], ...] = ()
    """The headline in earlier releases of the board: ``release``, ``date``, ``mean``, ``low``,
    ``high``, ``rank``."""


class BoardPage(Config):
    """One table with everything that is said of it."""

    slug: str
    standings: dict[str, Any]
    """`leaderboards.standings.Standings` as JSON, with costs (`leaderboards.export.to_json`)."""
    columns: tuple[ColumnCard, ...]
    rows: tuple[RowFacts, ...]
    fragile: Fragile
    history: tuple[dict[str, Any], ...]
    """Releases of the board, oldest first: ``release``, ``date``, ``first``."""
    downloads: dict[str, str]
    """``csv``, ``json`` and ``tex``: addresses below the site's root."""
    figures: dict[str, str]
    """Pictures drawn for the board, by name; addresses below the site's root."""


class Values(Config):
    """A column, person by person."""

    metric: str
    users: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    """A tuple for each row, methods then anchors, in the order of ``users``; means over seeds."""


class Person(Config):
    """Whom the pictures are for."""

    user: str
    history: tuple[str, ...]
    """Thumbnails of liked training pictures, newest last."""
    references: tuple[str, ...]
    captions: tuple[str, ...]
    """Of the references or instructions; empty where there are none."""
    n_likes: int


class People(Config):
    """Everybody whom the board's rows made pictures for, sorted by id."""

    people: tuple[Person, ...]
    sampled: int
    """How many of them have thumbnails, of ``len(people)``."""


class Picture(Config):
    """One picture of one row."""

    thumb: str
    sample: str
    index: int
    seed: int
    """Of the run; two rows with equal user, request, index and seed stand side by side."""
    request: str
    taste: float | None
    """True taste where the world knows it."""
    training: str
    """Thumbnail of the nearest training picture; empty: not searched."""
    training_distance: float | None
    held_out: str
    held_out_distance: float | None
    copy_of: str


class Pictures(Config):
    """The pictures of one row, by user."""

    row: int
    label: str
    users: dict[str, tuple[Picture, ...]]
