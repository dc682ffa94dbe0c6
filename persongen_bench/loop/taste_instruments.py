"""The instruments of permutation tests, by the names that `--permute` takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, PgbenchError, UnknownNameError
from persongen_bench.core.metric import Metric, PublishedInstrument, TasteInstrument
from persongen_bench.core.metric_cards import parse_metric, printed_forms
from persongen_bench.core.near import near_miss
from persongen_bench.util.said import whole

OTHER_NAMES = {"neighbour": "taste-gap@neighbour", "true-taste": "taste-gap@true"}
"""Short names, and the metric whose scores they stand for."""
UNSEEN = "-unseen"
"""Ends the name of an instrument whose published form has seen the ratings of methods."""


@dataclass(frozen=True)
class Instrument:
    """Who scores every image for every user in a test."""

    name: str
    """As it is said and printed."""
    scorer: TasteInstrument
    metric: Metric
    """Whose models and data it needs."""


def open_instrument(said: str) -> Instrument:
    """The instrument of a name: ``verifier@neumf``, ``verifier-unseen``, ``neighbour``, ...

    The name of a metric with scores is an instrument, in its published form where it has two.

    Raises:
        ConfigError: if there is no such instrument; it lists those there are.
    """
    entry, at, argument = OTHER_NAMES.get(said, said).partition("@")
    bare = entry.removesuffix(UNSEEN)
    try:
        metric = parse_metric(f"{bare}{at}{argument}")
    except UnknownNameError:
        raise _unknown(said) from None
    if isinstance(metric, PublishedInstrument):
        return Instrument(said, metric.published() if bare == entry else metric.unseen(), metric)
    if bare != entry or not isinstance(metric, TasteInstrument):
        raise _unknown(said)
    return Instrument(said, metric, metric)


def check_permuted(names: Sequence[str], n_images: int | None) -> None:
    """Refuse instruments that are none, and a number of images for tests that nobody asked for."""
    if isinstance(names, str):
        raise ConfigError(f"permute is {names!r}", fix=f"Give a list: permute=[{names!r}].")
    for name in names:
        open_instrument(name)
    if n_images is None:
        return
    whole("permute_images", n_images, 1)
    if not names:
        raise ConfigError(
            "permute_images is for the tests that permute asks for, and it names no instrument",
            fix="Name one, such as verifier.",
        )


def of_metric(metric: Metric) -> Instrument | None:
    """The instrument of a metric of a board, which has not seen what methods learn from."""
    if isinstance(metric, PublishedInstrument):
        return Instrument(_unseen(metric.info.name), metric.unseen(), metric)
    if isinstance(metric, TasteInstrument):
        return Instrument(metric.info.name, metric, metric)
    return None


def default_name(metric: str) -> str:
    """What the default test by a metric of this printed name is called."""
    try:
        opened = of_metric(parse_metric(metric))
    except PgbenchError:
        return metric
    return metric if opened is None else opened.name


def board_metric(metrics: Sequence[Metric], taste: str | None) -> Metric | None:
    """The metric whose instrument is tested unasked: the board's, else the first that has one."""
    able = [metric for metric in metrics if isinstance(metric, TasteInstrument)]
    wanted = (metric for metric in able if metric.info.name == taste)
    return next(wanted, able[0] if able else None)


def usual_names() -> tuple[str, ...]:
    """Names of instruments for help and errors, sorted; every metric is imported."""
    return tuple(sorted({*OTHER_NAMES, *_of_metrics()}))


def _of_metrics() -> Iterator[str]:
    for entry in registry.entries("metrics"):
        try:
            metrics = [parse_metric(printed) for printed in printed_forms(entry)]
        except PgbenchError:
            continue  # a plugin that does not import
        for metric in metrics:
            if isinstance(metric, TasteInstrument):
                yield metric.info.name
            if isinstance(metric, PublishedInstrument):
                yield _unseen(metric.info.name)


def _unseen(printed: str) -> str:
    entry, at, argument = printed.partition("@")
    return f"{entry}{UNSEEN}{at}{argument}"


def _unknown(said: str) -> ConfigError:
    return ConfigError(
        f"there is no instrument {said!r} for permutation tests",
        fix=near_miss(said, usual_names(), f"Use one of {', '.join(usual_names())}."),
    )
