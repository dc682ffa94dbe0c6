"""Malformed tables of a user's own folder: CSV and Parquet."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_case import Case
from fuzz_inputs import STRANGERS, damages, special, write

from persongen_bench.core.images import png_bytes
from persongen_bench.datasets.folder import Folder, FolderConfig

N_ITEMS = 8
ITEMS = "item_id,image,caption,theme\n" + "".join(
    f"i{k},p{k}.png,a thing,{'red' if k % 2 else 'blue'}\n" for k in range(N_ITEMS)
)
LOG = "user_id,item_id,rating,timestamp\n" + "".join(
    f"u{user},i{item},{1 + (user + item) % 5},{1_700_000_000 + 60 * item}\n"
    for user in range(4)
    for item in range(N_ITEMS)
)
PICTURE = png_bytes(np.zeros((3, 8, 8), dtype=np.uint8))
FILES = {"items": ("items.csv", ITEMS), "log": ("interactions.csv", LOG)}


def catalogue(folder: Path) -> None:
    """A good folder."""
    for name, text in FILES.values():
        (folder / name).write_text(text)
    for k in range(N_ITEMS):
        (folder / f"p{k}.png").write_bytes(PICTURE)


def load(folder: Path, config: FolderConfig | None) -> None:
    """Everything that a run reads of a folder before it fits."""
    data = Folder.load(config or FolderConfig(), folder)
    assert data.revision
    for rule in data.splits:
        data.split(rule, 0)
    data.catalog.images(data.catalog.ids[:2])


def spoilt(*makes: Callable[[Path], Any], config: FolderConfig | None = None) -> Any:
    """A good folder, then what spoils it; reads with ``config``."""

    def make(folder: Path) -> FolderConfig | None:
        catalogue(folder)
        for spoil in makes:
            spoil(folder)
        return config

    return make


def texts() -> list[Case]:
    """Whole files of CSV that are something else, or are written otherwise."""
    cases = []
    for which, (name, text) in FILES.items():
        data = text.encode()
        for what, content in STRANGERS.items():
            cases.append(Case(f"{which}: {what}", spoilt(write(name, content))))
        for what, content in damages(data, 8, 6).items():
            cases.append(Case(f"{which}: {what}", spoilt(write(name, content)), may_pass=True))
        for what, change in OTHERWISE.items():
            allowed = what in RIGHT
            cases.append(Case(f"{which}: {what}", spoilt(_changed(name, change)), may_pass=allowed))
        for what, make in special(name).items():
            cases.append(Case(f"{which}: {what}", spoilt(make)))
    return cases


def _changed(name: str, change: Callable[[str], str | bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write(name, change((folder / name).read_text()))(folder)

    return make


def _row(text: str, **cells: str) -> str:
    """The text with the cells of its second row changed."""
    header, first, *rest = text.rstrip("\n").split("\n")
    names = header.split(",")
    said = dict(zip(names, first.split(","), strict=True))
    said |= {name: _quoted(cell) for name, cell in cells.items() if name in said}
    return "\n".join([header, ",".join(said[name] for name in names), *rest]) + "\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _with_columns(n: int, text: str) -> str:
    header, *rest = text.rstrip("\n").split("\n")
    names = ",".join(f"c{k}" for k in range(n))
    return "\n".join([f"{header},{names}", *(row + ",1" * n for row in rest[:2])]) + "\n"


RIGHT = ("old line ends", "CRLF", "a mark", "quoted", "blank rows between", "trailing commas",
         "an extra column")  # fmt: skip
"""Ways to write a table that are read as they are meant."""
OTHERWISE: dict[str, Callable[[str], str | bytes]] = {
    "semicolons": lambda text: text.replace(",", ";"),
    "tabs": lambda text: text.replace(",", "\t"),
    "bars": lambda text: text.replace(",", "|"),
    "old line ends": lambda text: text.replace("\n", "\r"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "a mark": lambda text: "\ufeff" + text,
    "quoted": lambda text: "\n".join(
        ",".join(map(_quoted, row.split(","))) for row in text.split("\n") if row
    ),
    "blank rows between": lambda text: text.replace("\n", "\n\n"),
    "trailing commas": lambda text: text.replace("\n", ",,\n"),
    "an extra column": lambda text: text.replace("\n", ",x\n"),
    "no header": lambda text: text.partition("\n")[2],
    "header alone": lambda text: text.partition("\n")[0] + "\n",
    "header twice": lambda text: text.partition("\n")[0] + "\n" + text,
    "capitals": lambda text: text.partition("\n")[0].upper() + "\n" + text.partition("\n")[2],
    "a blank first row": lambda text: "\n" + text,
    "commas alone": lambda text: ",,,\n" * 50,
    "latin-1": lambda text: _row(text, item_id="caf\xe9", image="caf\xe9").encode("latin-1"),
    "a NUL inside": lambda text: _row(text, item_id="i\0"),
    "open quotes": lambda text: text.replace("i1,", '"i1,', 1),
    "a million quotes": lambda text: text + '"' * 1_000_000,
    "a cell of 100 kB": lambda text: _row(text, item_id="x" * 100_000),
    "a cell of 10 MB": lambda text: _row(text, item_id="x" * 10_000_000, image="y" * 10_000_000),
    "a label of 100 kB": lambda text: _row(text, theme="x" * 100_000, user_id="x" * 100_000),
    "a name of 100 kB": lambda text: text.replace("item_id", "x" * 100_000, 1),
    "a column twice": lambda text: text.replace("\n", ",x\n").replace(",x", ",item_id", 1),
    "100,000 columns": partial(_with_columns, 100_000),
    "1,000,000 columns": partial(_with_columns, 1_000_000),
    "a row of 1,000,000 cells": lambda text: text + "1," * 1_000_000 + "\n",
    "a row cut": lambda text: text + "i99\n",
    "turned": lambda text: "\n".join(map(",".join, zip(*(
        row.split(",") for row in text.rstrip("\n").split("\n")
    ), strict=True))),
    "an empty id": lambda text: _row(text, item_id=""),
    "an id of blanks": lambda text: _row(text, item_id=" \t "),
    "an id of 501": lambda text: _row(text, item_id="x" * 501),
    "an id in colour": lambda text: _row(text, item_id="\x1b[31mi0\x9b", image="\x1b]0;x\x07"),
    "an id turned round": lambda text: _row(text, item_id="\u202ei0\u2066", image="\u202e.png"),
    "an id of lines": lambda text: _row(text, item_id="a\nb\u2028c\x85d", image="a\nb"),
    "an id of braces": lambda text: _row(text, item_id="{image}{0}{}%s", image="{item_id}{x!r}"),
    "a formula": lambda text: _row(text, item_id="=1+1", image="=cmd|' /C calc'!A0"),
    "a row twice": lambda text: text + text.split("\n")[1] + "\n",
}  # fmt: skip

NUMBERS = (
    "", " ", "nan", "NaN", "-nan", "inf", "Infinity", "-inf", "1e999", "-1e999", "9" * 5_000,
    "1" + "0" * 400, "0x10", "1_000", "1,5", "1.5.2", "--1", "1e", "e1", "true", "yes", "null",
    "None", "N/A", "\u0661\u0662", "\u00bd", "\u221e", "5 stars", "50%", "$5", "3-May",
    "12/31/2024",
    "=1+1", "1 000", "[1]", '{"a": 1}', "'4", "\u202e4", "4\x1b[0m", "1j", "4f", "lovely",
)  # fmt: skip
TIMES = (
    "nan", "inf", "-inf", "1e300", "-1e300", "99999999999999999999", "9" * 5_000, "yesterday",
    "now", "0000-00-00", "0001-01-01", "1600-01-01", "1677-09-21T00:12:43Z", "2262-04-12",
    "9999-12-31T23:59:60Z", "99999-01-01", "-2024-01-01", "2024-13-01", "2024-02-30",
    "2024-05-31T25:00", "31.12.2024", "12/31/24", "1700000000000", "1700000000000000000", "true",
    "2024-W05-1X", "2024-05-31T12:00:00+99:00", "\u0662\u0660\u0662\u0664-01-01", "NaT", "1e18",
)  # fmt: skip
IMAGES = (
    "", ".", "..", "/", "/etc/passwd", "/dev/zero", "../x.png", "a/../../x.png",
    "p0.png/x", "x" * 300, "x/" * 3_000, "http://example.org/p0.png", "file:///etc/passwd",
    "C:\\p0.png", "\\\\host\\share\\p0.png", "a\\p0.png", "P0.PNG", "p0.jpg", " p0 .png",
    "~/p0.png",
    "$HOME/p0.png", "p0.png\u200b", "%70%30.png", '"p0.png"', "items.csv", "-", "\U0001f600.png",
)  # fmt: skip
ITEM_IDS = ("i00", "i0.0", "I0", " i 0", "i0.png", "images\\i0", "0", "-1", "1e5", "i\u200b0",
            "x" * 500, "nan", "None", "p0.png", "u0", "'i0'", "i\u0660")  # fmt: skip


def cells() -> list[Case]:
    """Cells of the log and the items that mean nothing."""
    columns = {
        "rating": (NUMBERS, "interactions.csv", FolderConfig()),
        "timestamp": (TIMES, "interactions.csv", FolderConfig()),
        "item_id": (ITEM_IDS, "interactions.csv", FolderConfig()),
        "image": (IMAGES, "items.csv", FolderConfig()),
    }
    return [
        Case(
            f"{column} {cell[:24]!r} {len(cell)}",
            spoilt(_changed(name, partial(_row, **{column: cell})), config=config),
        )
        for column, (bad, name, config) in columns.items()
        for cell in bad
    ]


def pictures() -> list[Case]:
    """What an image column may lead to."""
    links = {
        what: spoilt(make, config=FolderConfig(verify=True))
        for what, make in special("p0.png").items()
    }
    cases = [Case(f"picture: {what}", make) for what, make in links.items()]
    for what, content in STRANGERS.items():
        make = spoilt(write("p0.png", content), config=FolderConfig(verify=True))
        cases.append(Case(f"picture: {what}", make))
    return cases


def logs() -> list[Case]:
    """Logs that nothing can be learnt from, and options that do not fit them."""

    def log(rows: list[str], header: str = "user_id,item_id,rating,timestamp", **options: Any):
        text = "\n".join([header, *rows]) + "\n"
        return spoilt(write("interactions.csv", text), config=FolderConfig(**options))

    def rated(ratings: list[object]) -> list[str]:
        return [f"u{k % 3},i{k // 3},{rating},{k}" for k, rating in enumerate(ratings)]

    clicks = [f"u{k % 3},i{k // 3}" for k in range(12)]
    return [
        Case("log: clicks", log(clicks, "user_id,item_id")),
        Case("log: all equal", log(rated([1] * 12))),
        Case("log: of 100", log(rated([*range(0, 96, 8)]))),
        Case("log: of 10", log(rated([1, 10, 3, 4] * 3))),
        Case("log: huge", log(rated([1e308, -1e308] * 6))),
        Case("log: huge and threshold", log(rated([1e308, -1e308] * 6), like_threshold=0),
             may_pass=True),
        Case("log: means overflow", log(["u0,i0,1e308,1"] * 4 + rated([1, 5] * 6),
                                        repeats="mean", like_threshold=4), may_pass=True),
        Case("log: nothing liked", log(rated([1, 2, 3] * 4), like_threshold=9)),
        Case("log: everything liked", log(rated([1, 2, 3] * 4), like_threshold=-9)),
        Case("log: twice", log([*rated([1, 5] * 6), *rated([5, 1] * 6)])),
        Case("log: last without time", log(["u0,i0,1,", "u0,i0,5,"], repeats="last")),
        Case("log: implicit with zeros", log(rated([0, 1] * 6), feedback="implicit")),
        Case("log: implicit and threshold",
             log(rated([1] * 12), feedback="implicit", like_threshold=1)),
        Case("log: swapped", log([f"i{k % 3},u{k // 3},{1 + k % 5},{k}" for k in range(12)])),
        Case("log: one row", log(["u0,i0,5,1"])),
        Case("log: one user", log([f"u0,i{k},{1 + k % 5},{k}" for k in range(8)]), may_pass=True),
        Case("log: from 1", log([f"u{k % 3},{1 + k // 3},{1 + k % 5},{k}" for k in range(12)])),
        Case("log: pseudo users beside it", log(rated([1, 5] * 6), pseudo_users=3)),
        Case("log: years", log([f"u{k % 3},i{k // 3},{1 + k % 5},2024" for k in range(12)])),
        Case("log: days", log([f"u{k % 3},i{k // 3},{1 + k % 5},45000" for k in range(12)])),
    ]  # fmt: skip
