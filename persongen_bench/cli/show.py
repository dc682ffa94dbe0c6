"""`pgbench list` and `pgbench show`: what there is, as tables and cards."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table

from persongen_bench.api import listing
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.registry import Kind

LISTABLE = (*registry.KINDS, "runs")


def list_kind(kind: str, runs: Path) -> None:
    """Print one kind of thing, a line each."""
    plural = kind if kind.endswith("s") else f"{kind}s"
    if plural == "metrics":
        _print(("metric", "family", "better", "range", "role", "signature"), _metric_rows())
    elif plural == "boards":
        _print(("name", "from", "track", "data sets", "title"), _board_rows())
    elif plural in get_args(Kind):
        entries = registry.entries(plural).values()  # type: ignore[arg-type]  # just checked
        rows = [(e.name, e.distribution, listing.summary(e)) for e in entries]
        _print(("name", "from", "what it is"), rows)
    elif plural == "runs":
        _print(("run", "method", "seed", "images", "state"), _run_rows(runs))
    else:
        raise ConfigError(f"cannot list {kind!r}", fix=f"Choose one of {', '.join(LISTABLE)}.")


def _metric_rows() -> Iterable[tuple[str, ...]]:
    from persongen_bench.core.metric_cards import cards

    for card in cards():
        low, high = card.info.range
        roles = ", ".join(card.info.roles) or "-"
        yield (card.info.name, card.info.family, card.info.direction, f"{low:g} to {high:g}",
               roles, card.signature)  # fmt: skip


def _board_rows() -> Iterable[tuple[str, ...]]:
    from persongen_bench.leaderboards.board import read_boards

    boards, broken = read_boards()
    for name, entry in registry.entries("boards").items():
        if name in broken:
            yield name, entry.distribution, "", "", broken[name]
        else:
            board = boards[name]
            yield name, entry.distribution, board.track, ", ".join(board.datasets), board.title


def _run_rows(runs: Path) -> Iterable[tuple[str, ...]]:
    from persongen_bench.loop.store import RunDirectory, find_runs

    for path in find_runs(runs):
        run = RunDirectory.open(path)
        states = run.samples()["state"].value_counts()
        done = f"{states.get('ok', 0)} of {states.sum()}"
        state = "complete" if run.complete else "unfinished"
        yield str(path), run.config.method.label, str(run.config.seed), done, state


def show(kind: str, name: str) -> None:
    """Print the card of one thing."""
    if kind == "metric":
        _show_metric(name)
    elif kind == "run":
        _show_run(Path(name))
    elif kind == "board":
        from persongen_bench.leaderboards.board import get_board

        said = get_board(name).model_dump(mode="json", exclude_defaults=True)
        _card(name, {**said, "from": registry.find("boards", name).distribution}.items())
    elif f"{kind}s" in get_args(Kind):
        _show_entry(kind, name)
    else:
        raise ConfigError(
            f"cannot show {kind!r}",
            fix="Choose method, dataset, metric, stack, track, board or run.",
        )


def _show_metric(name: str) -> None:
    from persongen_bench.core.metric_cards import card_of, printed_forms

    card = card_of(name)
    about = vars(card.info) | {"range": "{:g} to {:g}".format(*card.info.range)}
    rows: list[tuple[str, Any]] = [("what it is", card.text)]
    rows += [(key, value) for key, value in about.items() if value not in ("", (), None)]
    rows += [("signature", card.signature), ("forms", ", ".join(printed_forms(card.entry)))]
    _card(card.info.name, rows)


def _show_entry(kind: str, name: str) -> None:
    cls = registry.get(f"{kind}s", name)  # type: ignore[arg-type]  # checked by the caller
    rows: list[tuple[str, Any]] = [("what it is", inspect.getdoc(cls) or "")]
    if hasattr(cls, "Config"):
        rows += [(f"option {key}", text) for key, text in _options(cls.Config)]
    if hasattr(cls, "presets"):
        rows += [(f"preset {key}", values) for key, values in cls.presets.items()]
    if kind == "stack" and hasattr(cls, "manifest"):
        size = f"{cls.manifest.n_bytes:,} bytes"
        rows += [("download", size), ("files", f"pgbench models where {name}")]
        rows += [("note", note) for note in cls.manifest.notes]
    elif kind == "stack":
        stack = cls()
        rows += [(role, getattr(stack.role(role), "signature", "")) for role in stack.roles]
    _card(name, rows)


def _options(config: Any) -> Iterable[tuple[str, str]]:  # noqa: ANN401  # a Config class
    for key, field in config.model_fields.items():
        default = field.get_default(call_default_factory=True)
        text = f" - {field.description}" if field.description else ""
        yield key, f"default {default!r}{text}"


def _show_run(path: Path) -> None:
    from persongen_bench.loop.store import RunDirectory

    run = RunDirectory.open(path)
    rows: list[tuple[str, Any]] = list(run.config.model_dump(mode="json").items())
    rows.append(("run id", run.config.run_id))
    rows.append(("states", dict(run.samples()["state"].value_counts())))
    failures = run.samples().query("state not in ('ok', 'pending')")
    rows += [(f"{n} x", reason) for reason, n in failures["reason"].value_counts().head(5).items()]
    if run.complete:
        results = run.results()
        rows += [(name, _number(m)) for name, m in results.summary.metrics.items()]
        rows += [(name, f"p = {t.p_value:.4f}") for name, t in results.summary.tests.items()]
        rows += list(results.cost.items())
    _card(str(path), rows)


def _number(metric: Any) -> str:  # noqa: ANN401  # schema.MetricSummary
    if metric.mean is None:
        return "undefined here"
    bounds = "" if metric.low is None else f" [{metric.low:.4f}, {metric.high:.4f}]"
    return f"{metric.mean:.4f}{bounds} over {metric.n_users} users"


def _print(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    Console().print(table)


def _card(title: str, rows: Iterable[tuple[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, title=_plain(title))
    for key, value in rows:
        table.add_row(_plain(key), _plain(value))
    Console().print(table)


def _plain(value: object) -> str:
    from rich.markup import escape

    return escape(str(value))
