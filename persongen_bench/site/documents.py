"""What the site's pages read: one document a file under ``data/``, each a plain script.

A page that is opened from a disk may fetch nothing, so a document is a call,
``PGBENCH.put("<key>", JSON.parse('...'))``, and is loaded by a script element when it is first
wanted.

| key | file | document |
|---|---|---|
| ``index`` | ``data/index.js`` | `Index` |
| ``board/<slug>`` | ``data/<slug>/board.js`` | `BoardPage` |
| ``values/<slug>/<k>`` | ``data/<slug>/values-<k>.js`` | `Values` of the k-th column |
| ``people/<slug>`` | ``data/<slug>/people.js`` | `People` |
| ``pictures/<slug>/<n>`` | ``data/<slug>/pictures-<n>.js`` | `Pictures` of the n-th row |

A number that is not finite is null. Texts of others (labels, user ids, captions) are on one line
and all visible (`core.plain`), but nothing in them is escaped for a page: pages set them as text,
never as markup. A user is called alike in all documents of a board.
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
    """First digits of the hash of what all rows share: protocol and metric definitions. Tables of
    one board that differ in it, and are of equal names, are releases of each other."""
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
    """A column as it is explained, in the order of the standings' signatures; then of studies."""

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
    """Its line in the metric audit, as ``pgbench audit metrics`` exports it (``over_methods``,
    ``over_users``: ``value, low, high``; ``best_honest``, ``hacked``, ``hacked_taste``,
    ``fooled_by``), with ``board`` and ``n_users`` of the audit; empty where none is known."""
    by_user: bool
    """False for a number of all images together: it has no `Values`."""
    human: bool = False
    """True where people judged: ``metric`` is then its key, by which rows hold their cells."""


class Fragile(Config):
    """How few users carry the first place."""

    n_users: int | None
    """The fewest whose removal changes rank 1; None: no removal that leaves one does."""
    new_first: str
    """Who is first without them; empty where nobody else is."""
    of: int
    """Users that the ranking is over."""


class RowFacts(Config):
    """What a row shows besides its standing, in the order of methods, then anchors."""

    row: int
    label: str
    kind: str
    """``method`` or ``anchor``."""
    date: str
    """Day on which the youngest run of the row was begun, ISO; empty: not said."""
    package: str
    """Distribution and version of the method's code."""
    complete: bool
    """True where every picture was delivered and no cell of the board is missing."""
    n_failed: int
    n_pictures: int
    """Thumbnails in the site, of ``n_ok``."""
    history: tuple[dict[str, Any], ...] = ()
    """The headline in every release of the board that has a row of this label, oldest first:
    ``release``, ``date``, ``mean``, ``low``, ``high``, ``rank``."""


class BoardPage(Config):
    """One table with everything that is said of it."""

    slug: str
    release: str
    date: str
    """Of the youngest run, ISO."""
    standings: dict[str, Any]
    """`leaderboards.standings.Standings` as JSON, with costs (`leaderboards.export.to_json`).
    ``cells`` of a row hold those of its studies too, by the column's key."""
    columns: tuple[ColumnCard, ...]
    rows: tuple[RowFacts, ...]
    fragile: Fragile
    history: tuple[dict[str, Any], ...]
    """Releases of the board, oldest first: ``slug``, ``release``, ``date``, ``first``."""
    downloads: dict[str, str]
    """``csv``, ``json``, ``tex`` and ``people`` (values of everybody): addresses below the site's
    root."""
    notes: tuple[str, ...] = ()
    """What the site could not show of this board, and why, a sentence each."""
    figures: dict[str, str]
    """Pictures drawn for the board, by name (``forest``, ``plane``); addresses below the root."""
    unit: str = "person"
    """What has a value of its own: ``person`` or ``prompt``."""
    audited: bool = True
    """False where the site was built without a metric audit, which is noted."""


class Values(Config):
    """A column, person by person."""

    metric: str
    users: tuple[str, ...]
    """Units of the board: people, or prompts (`BoardPage.unit`)."""
    values: tuple[tuple[float | None, ...], ...]
    """A tuple for each row, methods then anchors, in the order of ``users``; means over seeds."""


class Person(Config):
    """Whom the pictures are for."""

    user: str
    history: tuple[str, ...]
    """Thumbnails of liked training pictures, newest last; some of ``n_likes``."""
    requests: tuple[str, ...]
    """Those whose pictures are in the site; the next two are in this order."""
    references: tuple[str, ...]
    """Thumbnail of the picture to follow; empty: none."""
    captions: tuple[str, ...]
    """The instruction; empty: none."""
    n_likes: int
    """In the training view; 0 where the data could not be opened."""


class People(Config):
    """Everybody whom the board's rows made pictures for, sorted by id."""

    people: tuple[Person, ...]
    sampled: int
    """How many of them have thumbnails, of ``len(people)``."""
    note: str
    """Why there are no histories; empty: there are."""


class Picture(Config):
    """One picture of one row."""

    thumb: str
    unit: str = ""
    """Whose values in `Values` it belongs to, by the name shown there; empty: not known."""
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
    """In grey levels (`util.twins`), as the next but one."""
    held_out: str
    held_out_distance: float | None
    copy_of: str
    """``training`` or ``held-out`` where it repeats one of those (`loop.copies`); else empty."""


class Pictures(Config):
    """The pictures of one row, by user."""

    row: int
    label: str
    users: dict[str, tuple[Picture, ...]]
