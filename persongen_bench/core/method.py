"""The seam of methods: what one is, and what it may use while it fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Request, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.truth import KnownTaste
from persongen_bench.core.types import Embeddings


@dataclass(frozen=True)
class FitContext:
    """What a method may use while it fits, besides the training view."""

    stack: Stack
    seed: int
    features: Callable[[str, View], Embeddings]
    """``features(role, view)``: float32 ``(len(view.catalog), d)`` in catalogue order, cached."""
    checkpoints: Path | None = None
    """Folder for resumable state; kept when a run is killed, removed after the fit."""
    progress: Progress = no_progress
    users: tuple[str, ...] = ()
    """Users that images will be asked for, a part of the training view's users: the ones a method
    that trains per user need train. Empty: every user of the view."""
    held_out: View | None = None
    """The test part: given only to anchors that declare ``privileged``, else None."""
    validation: View | None = None
    """What a method may choose its settings by, such as when to stop: rows that it must not train
    on. ``features`` covers its items. None where the split has no such rows (`Split.tuning`), and
    for a method that does not declare it (`ReadsValidation`)."""
    base_fitted: bool = False
    """For a `Wrapper`: the loop has fitted its base already, once for its own run and this one."""
    taste: KnownTaste | None = None
    """The true taste, where there is one: given only to ``privileged`` anchors."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Request id => `Request.target`: given only to ``privileged`` anchors."""
    parts: tuple[Path, ...] = ()
    """Checkpoints of fits for some of the users each, where the method declares `FitsInParts`."""


@runtime_checkable
class Selectable(Protocol):
    """A fitted method that says how well it does on what it was not trained on."""

    def validation_loss(self) -> float:
        """Smallest loss over validation rows during the fit; comparable between configurations."""
        ...


@runtime_checkable
class HasLossFields(Protocol):
    """A `Selectable` some of whose settings change what its loss measures."""

    loss_fields: ClassVar[frozenset[str]]
    """Config fields across whose values losses are not compared: of other rows, or other things."""


class Method(Protocol):
    """An adapter of one personalisation method.

    Life cycle: ``Method(config)`` then ``fit`` or ``load``, then ``generate`` any number of
    times, in any process, with any subset and order of samples.
    """

    Config: ClassVar[type[Config]]
    presets: ClassVar[Mapping[str, Mapping[str, object]]]
    """Named sets of config values; ``paper`` holds the published ones."""
    privileged: ClassVar[bool]
    """True for anchors that look at held-out data; they are shown but never ranked."""
    generate_fields: ClassVar[frozenset[str]]
    """Config fields that `fit` does not read; runs that differ in these alone share one fit."""
    makes: ClassVar[str]
    """Kind of output that `generate` returns (`core.output`), which its track must ask for."""
    config: Any

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the stack that it asks for with its configuration, in fit or generation.

        A class attribute, or a property where the configuration decides. A variant is written
        ``role/variant``; empty: it works without models.
        """
        ...

    def fit(self, train: View, context: FitContext) -> None:
        """Learn from the training view only; deterministic given ``context.seed``."""
        ...

    def generate(self, samples: Sequence[Sample]) -> Sequence[Any]:
        """One answer of the kind ``makes`` (or a `Failure`) per sample, in order; ``[]`` for none.

        An answer may depend on its own sample alone: of a held-out reference it sees what
        `Request.open_reference` returns. Raise `UnsupportedRequestError` for a user or
        history the method cannot serve.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted state (safetensors, JSON, Parquet; never pickle)."""
        ...

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote; ``train`` is the view that was fitted."""
        ...


@runtime_checkable
class Wrapper(Protocol):
    """A method around another one, whose fit is shared with that one's own run.

    The registered name of ``base`` is in ``config.base``. `fit` fits ``base`` itself unless
    `FitContext.base_fitted`.
    """

    base: Method


@runtime_checkable
class ReadsValidation(Protocol):
    """A method that chooses settings by the split's validation rows, with some configurations."""

    @property
    def reads_validation(self) -> bool:
        """Whether it reads `FitContext.validation` as it is configured.

        A class attribute, or a property where the configuration decides. Only then are the rows
        given to it, and its fit is another one where they are others.
        """
        ...


def reads_validation(method: Method) -> bool:
    """Whether a fit of the method, or of one that it wraps, depends on validation rows."""
    own = method.reads_validation if isinstance(method, ReadsValidation) else False
    return own or (isinstance(method, Wrapper) and reads_validation(method.base))


@runtime_checkable
class FitsInParts(Protocol):
    """A method that learns user by user, so that workers can share its fit.

    `fit` with some of `FitContext.users` leaves in `FitContext.checkpoints` what `fit` with all of
    them takes from `FitContext.parts` instead of making it; it is the same to the bit.
    """

    @property
    def fits_in_parts(self) -> bool:
        """Whether it does as it is configured: a class attribute, or a property."""
        ...


@runtime_checkable
class NewcomerMethod(Protocol):
    """A method that takes in users after it was fitted."""

    heads: ClassVar[tuple[Mapping[str, object], ...]]
    """Options of each of the ways in which it does so."""
    adapt_fields: ClassVar[frozenset[str]]
    """Config fields that `adapt` reads and `fit` does not: fits are shared across them."""

    @property
    def adapts(self) -> bool:
        """Whether it is configured to take in newcomers."""
        ...

    def adapt(self, support: View, context: FitContext) -> None:
        """Take in the users of ``support``, none of whom the fit has seen, by their ratings.

        Nothing but they changes. There may be none; who brings no rating is served all the same.
        """
        ...


@runtime_checkable
class HasUnfairSettings(Protocol):
    """A method some of whose settings choose by what is tested; such rows are never ranked."""

    @property
    def unfair(self) -> str:
        """Why a row with this configuration stands among the anchors; empty: it is a fair one."""
        ...


def unfair_reason(method: Method) -> str:
    """Why the configured method is no fair row; empty where it is one."""
    return method.unfair if isinstance(method, HasUnfairSettings) else ""


MARK_LENGTH, NOTE_LENGTH, LISTED_LENGTH = 24, 120, 160
"""Most characters of a word on an item, of a note, and of why an item is listed."""


@dataclass(frozen=True)
class Explanation:
    """What a method did with the pictures of a request, in words that stand on a strip."""

    history: Mapping[str, str] = field(default_factory=dict)
    """Item id of the history => one or two short words for an item that was used in a special way,
    such as ``retrieved`` or ``masked .4``. Items that are not named were used like any other."""
    note: str = ""
    """A few words on the rest, such as ``reference masked .3``; empty: nothing to say."""
    listed: Mapping[str, str] = field(default_factory=dict)
    """Item id of a list that answers the request => a sentence on why it stands there."""


@runtime_checkable
class Explains(Protocol):
    """A method that can say how it used a request; what it says touches no answer and no number.

    The loop asks after it has answered, keeps what is said in the run directory, and strips show
    it. Words are cut at `MARK_LENGTH`, `NOTE_LENGTH` and `LISTED_LENGTH`.
    """

    def explain(self, request: Request) -> Explanation:
        """What `generate` does with the request's history and reference, after fit or load.

        It is the same for all samples of the request, and the same in any process. Answers must
        not depend on whether it was called.
        """
        ...
