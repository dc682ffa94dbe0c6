"""What there is, as values: the rows of `pgbench list`, the cards of `pgbench show`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from persongen_bench.api import listing
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.core.near import near_miss
from persongen_bench.core.registry import Kind
from persongen_bench.core.seams import cause_of, others_code

if TYPE_CHECKING:
    from persongen_bench.loop.store import RunDirectory

Line = Mapping[str, Any]
"""One thing: field => plain value (text, number, list, mapping)."""
LISTABLE = (*registry.KINDS, "requests", "runs")
SHOWABLE = (*(kind.removesuffix("s") for kind in registry.KINDS), "run")


def rows(kind: str, runs: Path = Path("runs")) -> list[Line]:
    """Everything of a kind (`LISTABLE` but for ``requests``), a line each.

    Raises `ConfigError` for another kind.
    """
    plural = kind if kind.endswith("s") else f"{kind}s"
    if plural == "metrics":
        return list(_metric_rows())
    if plural == "boards":
        return list(_board_rows())
    if plural == "runs":
        return list(_run_rows(runs))
    if plural in get_args(Kind):
        return [
            {"name": e.name, "from": e.distribution, "what it is": listing.summary(e)}
            for e in registry.entries(plural).values()  # type: ignore[arg-type]  # checked
        ]
    raise ConfigError(
        f"cannot list {kind!r}",
        fix=near_miss(kind, LISTABLE, f"Choose one of {', '.join(LISTABLE)}."),
    )


def _metric_rows() -> Iterable[Line]:
    for entry in registry.entries("metrics"):
        try:
            yield from _forms_of(entry)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # code of others, which may do anything
            yield dict.fromkeys(METRIC_COLUMNS, "-") | {
                "metric": entry, "signature": f"{listing.BROKEN} {cause_of(error)}"
            }  # fmt: skip


METRIC_COLUMNS = ("metric", "family", "better", "range", "role", "signature")


def _forms_of(entry: str) -> list[Line]:
    """The printed forms of one metric; raises whatever its code raises."""
    from persongen_bench.core.metric_cards import cards

    lines: list[Line] = []
    for card in cards([entry]):
        low, high = card.info.range
        values = (
            card.info.name, card.info.family, card.info.direction, f"{low:g} to {high:g}",
            ", ".join(card.info.roles) or "-", card.signature,
        )  # fmt: skip
        lines.append(dict(zip(METRIC_COLUMNS, values, strict=True)))
    return lines


def _board_rows() -> Iterable[Line]:
    from persongen_bench.leaderboards.board import read_boards

    def origin(name: str) -> str:
        return registry.entries("boards")[name].distribution

    boards, broken = read_boards()
    for name, board in boards.items():
        yield {
            "name": name, "from": origin(name), "track": board.track,
            "data sets": ", ".join(board.datasets), "title": board.title,
        }  # fmt: skip
    for name, reason in broken.items():
        yield {
            "name": name, "from": origin(name), "track": "-", "data sets": "-",
            "title": f"{listing.BROKEN} {reason}",
        }  # fmt: skip


def _run_rows(runs: Path) -> Iterable[Line]:
    from persongen_bench.loop.store import RunDirectory, find_runs

    for path in find_runs(runs):
        try:
            yield _run_line(RunDirectory.open(path))
        except Exception as error:  # noqa: BLE001  # files that anybody may have written
            yield {
                "run": str(path), "method": "-", "seed": "-", "answers": "-",
                "state": f"damaged: {cause_of(error)}",
            }  # fmt: skip


def _run_line(run: RunDirectory) -> Line:
    from persongen_bench.loop import following

    states, complete = run.samples()["state"].value_counts(), run.complete
    if complete:
        why = following.trouble(run.results())
        if why is not None:
            raise RunError(str(why))
    return {
        "run": str(run.path), "method": run.config.method.label, "seed": run.config.seed,
        "answers": f"{states.get('ok', 0)} of {states.sum()}",
        "state": "complete" if complete else "unfinished",
    }  # fmt: skip


def card(kind: str, name: str) -> Line:
    """Everything about one thing (`SHOWABLE`).

    Raises:
        UnknownNameError: if nothing is called so.
        ConfigError: for another kind.
    """
    if kind == "metric":
        with others_code(f"metric {name!r} cannot be shown"):
            return _metric_card(name)
    if kind == "run":
        return _run_card(Path(name))
    if kind == "board":
        return _board_card(name)
    if f"{kind}s" in get_args(Kind):
        with others_code(f"{kind} {name!r} cannot be shown"):
            return _entry_card(kind, name)
    raise ConfigError(
        f"cannot show {kind!r}",
        fix=near_miss(kind, SHOWABLE, f"Choose one of {', '.join(SHOWABLE)}."),
    )


def _metric_card(name: str) -> Line:
    from persongen_bench.core.metric_cards import card_of, printed_forms

    card = card_of(name)
    about = vars(card.info) | {"range": "{:g} to {:g}".format(*card.info.range)}
    told = {key: value for key, value in about.items() if value not in ("", (), None)}
    forms = printed_forms(card.entry)
    return {"what it is": card.text, **told, "signature": card.signature, "forms": list(forms)}


def _board_card(name: str) -> Line:
    """What its file says."""
    from persongen_bench.leaderboards.board import get_board

    said = get_board(name).model_dump(mode="json", exclude_unset=True)
    return {"from": registry.entries("boards")[name].distribution, **said}


def _entry_card(kind: str, name: str) -> Line:
    cls = registry.get(f"{kind}s", name)  # type: ignore[arg-type]  # checked by the caller
    about: dict[str, Any] = {"what it is": inspect.getdoc(cls) or ""}
    if kind == "method":
        about |= {"makes": cls.makes}
    if kind == "track":
        about |= {"asks for": f"{cls.output}s", "unit": cls.unit}
    if kind == "dataset":
        about |= {"tracks": list(cls.tracks)}
    if kind == "stack":
        return about | dict(_stack_facts(cls))
    if kind in ("method", "dataset"):
        about |= {f"option {key}": text for key, text in _options(cls.Config)}
    if kind == "method":
        about |= {f"preset {key}": dict(values) for key, values in cls.presets.items()}
    return about


def _stack_facts(cls: Any) -> Iterable[tuple[str, Any]]:  # noqa: ANN401  # a stack's class
    from persongen_bench.core.stack import Obtainable

    stack = cls()
    if isinstance(stack, Obtainable):
        yield "roles", ", ".join(cls.roles)
        yield "files", stack.missing() or "all there"
        return
    for role in stack.roles:
        yield role, stack.role(role).signature


def _options(config: Any) -> Iterable[tuple[str, str]]:  # noqa: ANN401  # a Config class
    for key, field in config.model_fields.items():
        default = field.get_default(call_default_factory=True)
        text = f" - {field.description}" if field.description else ""
        yield key, f"default {default!r}{text}"


def _run_card(path: Path) -> Line:
    from persongen_bench.loop import following
    from persongen_bench.loop.store import RunDirectory

    run = RunDirectory.open(path)
    samples = run.samples()
    counts = {str(state): int(n) for state, n in samples["state"].value_counts().items()}
    about = {**run.config.model_dump(mode="json"), "run id": run.config.run_id, "states": counts}
    failures = samples.query("state not in ('ok', 'pending')")["reason"].value_counts().head(5)
    about |= {f"{n} x": reason for reason, n in failures.items()}
    if run.complete:
        results = run.results()
        if (why := following.trouble(results)) is not None:
            raise RunError(f"{path}: {why}")
        about |= {name: _number(m) for name, m in results.summary.metrics.items()}
        tests = results.summary.tests.items()
        about |= {name: f"p = {test.p_value:.4f}" for name, test in tests}
        about |= results.cost
    return about


def _number(metric: Any) -> str:  # noqa: ANN401  # schema.MetricSummary
    if metric.mean is None:
        return "undefined here"
    bounds = "" if metric.low is None else f" [{metric.low:.4f}, {metric.high:.4f}]"
    return f"{metric.mean:.4f}{bounds} over {metric.n_units} units"
