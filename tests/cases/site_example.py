"""A small site with all that a page can meet.

Its boards are ``plain`` (12 methods, anchors, reported rows, an earlier release, a row with
failures), ``hostile`` (every text of others tries to be an element) and ``bare`` (one row, nothing
known).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from persongen_bench.site.documents import (
    BoardLink,
    BoardPage,
    ColumnCard,
    Fragile,
    Index,
    People,
    Person,
    Picture,
    Pictures,
    RowFacts,
    Values,
)
from persongen_bench.site.pages import copy_assets, page
from persongen_bench.site.script import script

HOSTILE = "<img src=x onerror=\"window.broken='image'\">"
SCRIPT = "<script>window.broken='script'</script>"
DATA, RELEASE, OLD = "tasteworld dafb54a4", "1a2b3c4d", "99aa00bb"
METHODS = (
    "rebeca",
    "mean-embedding",
    "pigeon",
    "in-context",
    "ip-adapter-history",
    "lora-user",
    "textual-inversion",
    "keywords",
    "nearest-item",
    "random-item",
    "sd-prompt",
    "vlm-persona",
)
ANCHORS = ("oracle", "unpersonalized", "wrong-user")
METRICS = (
    ("true-taste", "higher", 0, 3),
    ("recall@5", "higher", -3, 1),
    ("diversity", "higher", 0, 3),
    ("copy-rate", "lower", 0, 3),
    ("people-prefer", "higher", 0, 2),
    ("fid", "lower", 0, 1),
)
N_USERS, N_PICTURES, N_SHOWN = 16, 4, 6


def build(root: Path) -> Path:
    """The address of the page."""
    boards = [
        _plain("plain", METHODS, ANCHORS, "{}"),
        _plain("hostile", METHODS[:3], ("oracle",), HOSTILE),
    ]
    boards.append(_bare())
    files = {link.slug: page_.downloads for link, page_, _ in boards}
    for link, board, others in boards:
        for key, document in {f"board/{link.slug}": board, **others}.items():
            _put(root, key, document)
        for kind, address in board.downloads.items():
            (root / address).parent.mkdir(parents=True, exist_ok=True)
            (root / address).write_text(f"{link.slug} as {kind}\n", encoding="utf-8")
    index = Index(made_by="persongen-bench 0", boards=tuple(link for link, _, _ in boards))
    _put(root, "index", index)
    _thumbs(root)
    text = page(index, copy_assets(root), files)
    (root / "index.html").write_text(text, encoding="utf-8")
    return root / "index.html"


def _put(root: Path, key: str, document) -> None:
    kind, _, rest = key.partition("/")
    slug, _, number = rest.partition("/")
    name = f"data/{slug}/{kind}{f'-{number}' if number else ''}.js" if slug else f"data/{kind}.js"
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(script(key, document))


def _thumbs(root: Path) -> None:
    rng = np.random.default_rng(0)
    (root / "thumbs").mkdir()
    x = np.linspace(0, 1, 96)
    for k in range(24):
        hue, turn = rng.uniform(0.2, 1, 3), rng.uniform(0, 6.3)
        wave = 0.5 + 0.5 * np.sin(6 * (np.cos(turn) * x[:, None] + np.sin(turn) * x[None, :]) + k)
        pixels = (255 * wave[..., None] * hue).astype(np.uint8)
        PilImage.fromarray(pixels).save(root / f"thumbs/{k}.webp", quality=70)


def _users(text: str) -> list[str]:
    return [text.replace("{}", "") + f"user-{k:02d}/ä" for k in range(N_USERS)]


def _value(row: int, metric: int, user: int) -> float:
    spread = math.sin(1.7 * user + row) * 0.12
    return round(0.82 - 0.045 * row + 0.03 * metric + spread, 6)


def _cells(row: int, best: bool) -> dict:
    cells = {}
    for m, (metric, _, exponent, _) in enumerate(METRICS):
        mean = float(np.mean([_value(row, m, u) for u in range(N_USERS)])) * 10.0**exponent
        gone = metric == "people-prefer" and row == 5
        none = {"mean": None, "low": None, "high": None, "n_units": 0}
        low, high = mean - 0.05 * 10.0**exponent, mean + 0.06 * 10.0**exponent
        there = {"mean": mean, "low": low, "high": high, "n_units": N_USERS}
        cells[metric] = {
            **(none if gone else there),
            "own_judge": row == 2 and m == 1,
            "best": best and m < 3,
        }
    return cells


def _row(k: int, label: str, n_ranked: int, anchor: bool) -> dict:
    failed = 7 if label == "lora-user" else 0
    groups = ("a", "a", "ab", "bc", "c")
    rank = None if anchor else k + 1
    return {
        "label": label,
        "name": label,
        "distribution": "persongen-bench",
        "version": "0.1.0",
        "anchor": anchor,
        "external": label == "sd-prompt",
        "local": False,
        "budget": None,
        "rank": rank,
        "rank_low": None if anchor else max(1, k),
        "rank_high": None if anchor else min(n_ranked, k + 3),
        "group": "" if anchor else groups[k] if k < 5 else "cd",
        "cells": _cells(k, k < 2),
        "seeds": [0],
        "seed_sd": None,
        "run_ids": [f"{k:016x}"],
        "code": "e73d630275942f13",
        "n_expected": N_USERS * N_PICTURES,
        "n_ok": N_USERS * N_PICTURES - failed,
        "states": {"ok": N_USERS * N_PICTURES - failed, **({"failed": failed} if failed else {})},
        "p_block": 0.001,
        "mark": "copies" if label == "nearest-item" else "",
        "versus_first": None
        if k == 0
        else {
            "mean": -0.045 * k,
            "low": -0.045 * k - 0.04,
            "high": -0.045 * k + 0.04,
            "p_value": 0.02,
            "p_holm": None if anchor else 0.04,
            "n_units": N_USERS,
            "minimum_detectable_effect": 0.05,
        },
        "cost": {
            "fit_seconds": 12.5 * (k + 1),
            "seconds_per_image_p50": 0.08 * 1.6**k,
            "peak_memory_mb": 900.0 + k,
        },
    }


def _standings(title: str, methods: list[dict], anchors: list[dict], text: str) -> dict:
    columns = [
        {
            "metric": m,
            "direction": d,
            "exponent": e,
            "decimals": n,
            "range": [None, None],
            "known_taste": False,
        }
        for m, d, e, n in METRICS
    ]
    reported = {
        "schema_version": 1,
        "title": text.format("A paper, Table 1"),
        "source": text.format("A. Nother, A paper"),
        "world": "210 people",
        "caveat": "another world size",
        "caption": "",
        "differs": {"recall@5": "another encoder"},
        "rows": [
            {"method": text.format("theirs"), "metrics": {"true-taste": 0.71, "recall@5": 0.0009}}
        ],
    }
    refused = {
        "run": "old-run",
        "label": text.format("old"),
        "seed": 0,
        "reason": text.format("another split"),
        "kind": "split",
    }
    return {
        "schema_version": 7,
        "board": {
            "name": "tasteworld",
            "title": title,
            "headline": "true-taste",
            "columns": columns,
        },
        "protocol": {
            "track": "prompt-free",
            "dataset": "tasteworld",
            "unit": "user",
            "output": "image",
            "note": text.format("none"),
        },
        "signatures": {m: f"{m}|impl:1" for m, *_ in METRICS},
        "n_units": N_USERS,
        "n_ranked_units": N_USERS,
        "methods": methods,
        "anchors": anchors,
        "missing": ["copy-history"],
        "refused": [refused],
        "reported": [reported],
        "notes": [text.format("Every row is of one seed.")],
        "leaks": [] if text == "{}" else [text.format("leak")],
    }


def _columns(text: str) -> tuple[ColumnCard, ...]:
    audit = {
        "over_methods": {"value": 0.91, "low": 0.8, "high": 0.97},
        "over_users": {"value": 0.4, "low": None, "high": None},
        "best_honest": 0.8,
        "hacked": 0.99,
        "hacked_taste": 0.3,
        "fooled_by": [text.format("copy-history")],
        "board": "tasteworld",
        "n_users": 96,
    }
    return tuple(
        ColumnCard(
            metric=metric,
            header=f"{metric} (x1e{e})" if e else metric,
            decimals=n,
            exponent=e,
            direction=d,
            headline=metric == "true-taste",
            card=text.format(f"What {metric} measures, in a sentence or two."),
            does_not_show=text.format("Whether anybody would hang it on a wall."),
            signature=f"{metric}|in:u8|weights:sha256:2f34390adee7b325|impl:1",
            audit=audit if d == "higher" else {},
            by_user=metric != "fid",
            human=metric == "people-prefer",
        )
        for metric, d, e, n in METRICS
    )


def _facts(k: int, row: dict) -> RowFacts:
    history = [
        {
            "release": release,
            "date": date,
            "mean": (row["cells"]["true-taste"]["mean"] or 0.0) - lag,
            "low": 0.5,
            "high": 0.8,
            "rank": row["rank"],
        }
        for release, date, lag in ((OLD, "2026-08-01", 0.06), (RELEASE, "2026-11-20", 0.0))
    ]
    return RowFacts(
        row=k,
        label=row["label"],
        kind="anchor" if row["anchor"] else "method",
        date=f"2026-11-{10 + k:02d}",
        package="persongen-bench 0.1.0",
        complete=row["n_ok"] == row["n_expected"],
        n_failed=row["n_expected"] - row["n_ok"],
        n_pictures=N_SHOWN * N_PICTURES,
        history=tuple(history),
    )


def _picture(k: int, user: int, index: int) -> Picture:
    return Picture(
        thumb=f"thumbs/{(7 * k + 5 * user + index) % 24}.webp",
        sample=f"{k}-{user}-{index}",
        index=index,
        seed=0,
        request="0",
        taste=min(0.99, max(0.01, _value(k, 0, user) + 0.05 * index)),
        training=f"thumbs/{(user + index) % 24}.webp",
        training_distance=11.25 + index,
        held_out=f"thumbs/{(user + index + 9) % 24}.webp",
        held_out_distance=14.5 + index,
        copy_of="training" if k == 8 and index == 0 else "",
    )


def _people(text: str) -> People:
    people = tuple(
        Person(
            user=user,
            history=tuple(f"thumbs/{(k + j) % 24}.webp" for j in range(10)) if k < N_SHOWN else (),
            requests=("0",) if k < N_SHOWN else (),
            references=(f"thumbs/{k}.webp",) if k < N_SHOWN else (),
            captions=(text.format("a quiet street at night"),) if k < N_SHOWN else (),
            n_likes=30 + k,
        )
        for k, user in enumerate(_users(text))
    )
    return People(people=people, sampled=N_SHOWN, note="")


def _documents(slug: str, rows: list[dict], text: str) -> dict:
    users = tuple(_users(text))
    found = {f"people/{slug}": _people(text)}
    for m, (metric, _, exponent, _) in enumerate(METRICS):
        scale = 10.0**exponent
        values = tuple(
            tuple(_value(k, m, u) * scale for u in range(N_USERS)) for k in range(len(rows))
        )
        if metric != "fid":
            found[f"values/{slug}/{m}"] = Values(metric=metric, users=users, values=values)
    for k, row in enumerate(rows):
        shown = {
            users[u]: tuple(_picture(k, u, i) for i in range(N_PICTURES)) for u in range(N_SHOWN)
        }
        found[f"pictures/{slug}/{k}"] = Pictures(row=k, label=row["label"], users=shown)
    return found


def _link(slug: str, title: str, n_rows: int, first: str) -> BoardLink:
    return BoardLink(
        slug=slug,
        name=slug,
        title=title,
        release=RELEASE,
        data=DATA,
        date="2026-11-20",
        n_rows=n_rows,
        n_runs=n_rows,
        first=first,
    )


def _plain(slug: str, methods: tuple[str, ...], anchors: tuple[str, ...], text: str):
    hostile = text != "{}"
    said = HOSTILE + "{}" + SCRIPT if hostile else "{}"
    n = len(methods)
    ranked = [_row(k, said.format(label), n, False) for k, label in enumerate(methods)]
    lines = [_row(n + k, said.format(label), n, True) for k, label in enumerate(anchors)]
    rows = ranked + lines
    title = said.format("Simulated people with known taste, empty prompt")
    board = BoardPage(
        slug=slug,
        release=RELEASE,
        date="2026-11-20",
        standings=_standings(title, ranked, lines, said),
        columns=_columns(said),
        rows=tuple(_facts(k, row) for k, row in enumerate(rows)),
        fragile=Fragile(n_users=3, new_first=rows[1]["label"], of=N_USERS),
        history=tuple(
            {"slug": slug, "release": r, "date": d, "first": rows[0]["label"]}
            for r, d in ((OLD, "2026-08-01"), (RELEASE, "2026-11-20"))
        ),
        downloads={
            **{kind: f"downloads/{slug}.{kind}" for kind in ("csv", "json", "tex")},
            "people": f"downloads/{slug}.people.csv",
        },
        notes=(said.format("Pictures of 6 of 16 people are shown."),),
        figures={},
    )
    return _link(slug, title, len(rows), rows[0]["label"]), board, _documents(slug, rows, said)


def _bare():
    nothing = {
        "mean": None,
        "low": None,
        "high": None,
        "n_units": 0,
        "own_judge": False,
        "best": False,
    }
    row = {
        **_row(0, "only", 1, False),
        "cells": {m: nothing for m, *_ in METRICS},
        "cost": {},
        "rank": None,
        "rank_low": None,
        "rank_high": None,
        "group": "",
        "n_ok": 0,
    }
    standings = {
        **_standings("Nothing known", [row], [], "{}"),
        "reported": [],
        "refused": [],
        "notes": [],
    }
    facts = _facts(0, row).model_copy(update={"history": (), "date": "", "n_pictures": 0})
    board = BoardPage(
        slug="bare",
        release=RELEASE,
        date="",
        standings=standings,
        columns=_columns("{}"),
        rows=(facts,),
        fragile=Fragile(n_users=None, new_first="", of=0),
        history=(),
        figures={},
        downloads={kind: f"downloads/bare.{kind}" for kind in ("csv", "json", "tex")},
    )
    values = {
        f"values/bare/{k}": Values(metric=metric, users=(), values=((),))
        for k, (metric, *_) in enumerate(METRICS)
        if metric != "fid"
    }
    others = values | {
        "people/bare": People(people=(), sampled=0, note="The data could not be opened."),
        "pictures/bare/0": Pictures(row=0, label="only", users={}),
    }
    return _link("bare", "Nothing known", 1, "").model_copy(update={"date": ""}), board, others
