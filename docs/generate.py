"""Write the pages that come from the code: ``python docs/generate.py [--check]``.

Methods and metrics come from the registry, the Python interface from its docstrings, devices from
their files.

With ``--check`` nothing is written; the exit status is 1 where a page is stale.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from api_page import api_page
from device_page import device_page
from writing import page, summary, table

from persongen_bench.core import registry
from persongen_bench.core.metric_cards import Card, cards

DOCS = Path(__file__).parent


def own(kind: registry.Kind) -> dict[str, Any]:
    """The built-in entries, whatever plugins happen to be installed."""
    return {name: entry.load() for name, entry in registry.entries(kind).items() if "/" not in name}


def methods_page() -> str:
    """Every built-in method with its presets and options."""
    methods = own("methods")
    overview = table(
        ("method", "what it does", "presets"),
        [(f"[`{n}`](#{n})", summary(m), ", ".join(m.presets) or "-") for n, m in methods.items()],
    )
    sections = [line for name, method in methods.items() for line in method_section(name, method)]
    return page("Methods", METHODS, [*overview, "", *sections])


def method_section(name: str, method: Any) -> list[str]:  # noqa: ANN401  # a Method class
    """One method: what it is, its options, what its presets change."""
    about = inspect.getdoc(sys.modules[method.__module__]) or ""
    lines = [f"## {name}", "", summary(method), "", *about.splitlines(), ""]
    if method.privileged:
        lines += ["It looks at held-out data and is never ranked.", ""]
    fields = method.Config.model_fields
    if fields:
        names = [preset for preset, values in method.presets.items() if values]
        rows = [option(key, field, method.presets, names) for key, field in fields.items()]
        lines += [*table(("option", "default", *names, "meaning"), rows), ""]
    return lines


def option(key: str, field: Any, presets: Any, names: Sequence[str]) -> list[str]:  # noqa: ANN401
    """One option: its default, what each preset sets, its docstring."""
    default = field.get_default(call_default_factory=True)
    sets = [f"`{presets[name][key]}`" if key in presets[name] else "" for name in names]
    return [f"`{key}`", f"`{default}`", *sets, field.description or ""]


def metrics_page() -> str:
    """Every built-in metric's card, one line per printed form."""
    rows, notes, seen = [], [], set()
    for card in cards(name for name in registry.entries("metrics") if "/" not in name):
        low, high = card.info.range
        rows.append((f"[`{card.info.name}`](#{anchor(card.entry)})", card.info.family,
                     card.info.direction, f"{low:g} to {high:g}", card.info.unit,
                     ", ".join(card.info.roles) or "-"))  # fmt: skip
        if card.entry not in seen:
            notes += metric_section(card)
        seen.add(card.entry)
    header = ("metric", "family", "better", "range", "unit", "roles")
    return page("Metrics", METRICS, [*table(header, rows), "", *notes])


def metric_section(card: Card) -> list[str]:
    """One metric: its docstring and its card."""
    info = card.info
    how = {"averaged": "", "inside": " (counted by the metric itself)", "whole": " for the user"}
    failed = "-" if info.failed_value is None else f"{info.failed_value:g}{how[info.failures]}"
    failed += "" if info.can_rank else "; it cannot be a headline"
    together = ["- One number of all images together", ""] if info.level == "set" else []
    return [
        f"## {card.entry}", "", *card.text.splitlines(), "",
        f"- Source: {info.source}", f"- Does not show: {info.shows_not}",
        f"- Signature: `{card.signature}`",
        f"- An image that was not delivered counts: {failed}", *together[:1], "",
    ]  # fmt: skip


def anchor(name: str) -> str:
    """The page's own link to a heading, as Python-Markdown makes it."""
    return re.sub(r"[^\w\s-]", "", name).strip().lower()


METHODS = (
    "What `pgbench list methods` lists. Options are set with `-o NAME=VALUE`, presets with "
    "`--preset NAME`; `pgbench show method NAME` prints the same card."
)
METRICS = (
    "What `pgbench list metrics` lists. Every metric gives one value per unit, which is the user "
    "or the prompt; the printed form, such as `precision@20`, is its name everywhere. The "
    "signature printed beside a number names the model, the preprocessing and the implementation "
    "that made it. Which metrics can be believed is on [a page of its own](metric-audit.md).\n\n"
    "`@reference`: against the item that the request names; `@history`: against the items of the "
    "request's history, which rewards copying (a legacy column); `@held-out`: against what the "
    "user will like. A role with a stroke, `inception/clean`, is a variant of the role.\n\n"
    "Metrics of all images together (`fid`, `fd`, `fd-infinity`, `kid`, `cmmd`, `density`, "
    "`coverage`, `manifold-precision`, `manifold-recall`) compare them with the held-out likes of "
    "the users who have images. A dash behind their argument names another reference set: "
    "`fid@clean-likes`, the likes of all users, training and held out; `fid@clean-catalogue`, "
    "every item of the data set. FLICKR-AES's per-user split holds out ten ratings of each of 210 "
    "people, too few likes for a covariance in 2048 dimensions, and `fid` refuses; the catalogue "
    "has 40,988 pictures. Such sets hold the training items, so that a method that copies them "
    "does well: read `copy-rate` beside them.\n\n"
    "Those that need arrays alone are functions too, such as `persongen_bench.metrics.fid(x, y)` "
    "on rows of features and `persongen_bench.metrics.ssim(a, b)` on uint8 pictures: "
    "`help(persongen_bench.metrics.functions)` lists them.\n\n"
    "Not here: ImageReward, whose code needs interfaces that transformers no longer has."
)
PAGES = {
    "methods.md": methods_page,
    "metrics.md": metrics_page,
    "api.md": api_page,
    "devices.md": device_page,
}


def main() -> int:
    """Write the pages, or say which are stale."""
    fresh = {DOCS / name: make() for name, make in PAGES.items()}
    if "--check" not in sys.argv[1:]:
        for path, text in fresh.items():
            path.write_text(text, encoding="utf-8")
        return 0
    old = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in fresh}
    stale = [path.name for path, text in fresh.items() if old[path] != text]
    for name in stale:
        sys.stderr.write(f"docs/{name} is stale; run python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
