"""What methods and metrics need of a stack and a track, checked before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from persongen_bench.core.dataset import Dataset
from persongen_bench.core.errors import ConfigError, MissingRoleError, PgbenchError
from persongen_bench.core.metric import Metric
from persongen_bench.core.metric_cards import ReadsWords, parse_metric
from persongen_bench.core.output import kind_of, readable
from persongen_bench.core.roles import has_role, lacking, open_role
from persongen_bench.core.stack import Obtainable, Stack
from persongen_bench.core.track import Track, open_track
from persongen_bench.core.types import Catalog
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.taste_instruments import open_instrument
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.wall.known import facts_of

CAPTIONER = "captioner"
USUAL = "sandbox"
"""The stack that ships and fills every role."""


def check_needs(
    stack: Stack, terms: Terms, choices: Sequence[MethodChoice], dataset: Dataset | None = None
) -> None:
    """Raise one error that names every method, metric and test that cannot work here, and why.

    ``dataset``: the data; None: what metrics need of them is not checked.

    Raises:
        MissingRoleError: if the stack lacks models.
        ConfigError: if a method makes, or a metric reads, something else than the track asks for,
            or if there is no such instrument for a test.
    """
    track = open_track(terms.track)
    metrics = [parse_metric(name) for name in terms.metrics]
    judges = [open_instrument(name).metric for name in terms.permute]
    looking = list({metric.info.name: metric for metric in (*metrics, *judges)}.values())
    wrong = [*other_kinds(track, terms, choices), *unreadable(track, terms, looking)]
    if wrong:
        raise ConfigError("; ".join(wrong), fix=f"See `pgbench show board {terms.board}`.")
    absent = [*_unserved(stack, choices), *_blind(stack, looking), *_undrawn(stack, track)]
    if dataset is not None:
        absent += wordless(stack, metrics, dataset.catalog).values()
        absent += _unknown_taste(looking, dataset)
    if absent:
        fix = f"Use `--stack {USUAL}`, which ships with this package, or leave these out."
        raise MissingRoleError(
            f"stack {stack.name} (roles {', '.join(stack.roles)}) is not enough: "
            f"{'; '.join(absent)}",
            fix=fix if stack.name != USUAL else "Leave these out.",
        )


def other_kinds(track: Track, terms: Terms, choices: Sequence[MethodChoice]) -> Iterator[str]:
    """Methods that make something else than the track asks for, a line each."""
    for choice in choices:
        makes = facts_of(choice).makes
        if makes != track.output:
            yield f"method {choice.label} makes {makes}s, track {terms.track} asks {track.output}s"


def unreadable(track: Track, terms: Terms, metrics: Sequence[Metric]) -> Iterator[str]:
    """Metrics that read something else, or compare users where the unit is another, a line each."""
    for metric in metrics:
        info = metric.info
        if not readable(info.reads, track.output):
            yield f"metric {info.name} reads {info.reads}s, track {terms.track} has {track.output}s"
        if info.personal and track.unit != "user":
            yield f"metric {info.name} compares users, the unit of {terms.track} is {track.unit}"


def wordless(stack: Stack, metrics: Sequence[Metric], catalog: Catalog) -> dict[str, str]:
    """Metrics that read words which neither the catalogue nor a captioner has, and why not."""
    lines = {}
    for metric in metrics:
        if not isinstance(metric, ReadsWords) or has_role(stack, CAPTIONER):
            continue
        column = metric.words_from
        texts = (
            catalog.items.reindex(columns=[column])[column].astype(object).fillna("").astype(str)
        )
        n_bare = int((texts.str.strip() == "").sum())
        if n_bare:
            lines[metric.info.name] = (
                f"metric {metric.info.name}: {n_bare:,} of {len(texts):,} items have no {column}, "
                f"and stack {stack.name} no {CAPTIONER}"
            )
    return lines


def _unknown_taste(metrics: Sequence[Metric], dataset: Dataset) -> Iterator[str]:
    for metric in metrics:
        if metric.info.known_taste and dataset.taste is None:
            yield f"metric {metric.info.name} needs a known taste, which {dataset.name} has not"


def _unserved(stack: Stack, choices: Sequence[MethodChoice]) -> Iterator[str]:
    for choice in choices:
        roles = lacking(stack, facts_of(choice).roles)
        if roles:
            yield f"method {choice.label} needs {', '.join(roles)}"


def _blind(stack: Stack, metrics: Sequence[Metric]) -> Iterator[str]:
    for metric in metrics:
        roles = lacking(stack, metric.info.roles)
        if roles:
            yield f"metric {metric.info.name} looks through {', '.join(roles)}"
    looked_through = dict.fromkeys(role for metric in metrics for role in metric.info.roles)
    if isinstance(stack, Obtainable):
        yield from _absent(stack, [role for role in looked_through if has_role(stack, role)])


def _absent(stack: Stack, roles: Sequence[str]) -> Iterator[str]:
    """Judges whose files are not here; a model that is, is opened once and kept by its stack."""
    for role in roles:
        try:
            _ = open_role(stack, role).signature
        except PgbenchError as error:
            yield str(error)


def _undrawn(stack: Stack, track: Track) -> Iterator[str]:
    if kind_of(track.output).drawable and not has_role(stack, "decoder"):
        yield f"{track.output}s are drawn by a decoder"
