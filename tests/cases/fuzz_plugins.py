"""Malformed packages of third parties: their entry points, modules, classes and boards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzz_case import Case, command
from plugin_case import fresh_registry

NAMES = ("Mine", "", " ", "a b", "../x", "a/b", "x" * 10_000, "\x1b[31m", "\u202ex", "-x", "\u00e9",
         "rebeca", "pip-install", "a.b+c")  # fmt: skip
TARGETS = ("shop", "shop:", ":Draw", "shop:Draw:x", "shop.nowhere:Draw", "shop:Nothing",
"os:system",
           "shop:__name__", "..shop:Draw", "shop Draw", "shop:Draw[extra]", "\u202eshop:Draw",
           "x" * 10_000 + ":y", "json:loads", "shop:Draw.nothing")  # fmt: skip
MODULES = {
    "a syntax error": "class Draw(:\n", "exits": "import sys\nsys.exit(0)\n", "raises": "1 / 0\n",
    "no module": "import nothing_of_this_name\n",
    "a NUL": "class Draw:\n    x = '\0'\n", "no UTF-8": b"# \xff\nclass Draw: pass\n",
    "tabs": "class Draw:\n\tx = 1\n        y = 2\n", "deep": "x = " + "(" * 5_000 + "\n",
    "a number": "Draw = 7\n", "no class": "Draw = None\n",
    "a function": "def Draw(): pass\n", "no members": "class Draw: pass\n",
    "bad members": "class Draw:\n    Config = card = presets = roles = tracks = name = 7\n",
    "a card that raises": "class Draw:\n    @property\n    def card(self): 1 / 0\n",
    "a meta class that raises": "class M(type):\n    def __getattr__(cls, n): raise ValueError(n)\n"
                                "class Draw(metaclass=M): pass\n",
    "recursion": "import sys\ndef f(): f()\nf()\n", "memory": "raise MemoryError\n",
    "a warning": "import warnings\nwarnings.warn('x')\nclass Draw: pass\n",
    "a name in colour": "class Draw:\n    '''\x1b[31m\u202e'''\n", "empty": "",
}  # fmt: skip
BOARDS = {
    "empty": "", "no TOML": "[", "deep": "a = " + "[" * 50_000, "huge": "n_images = " + "9" * 5_000,
    "another field": "x = 1", "no UTF-8": b"title = '\xff'", "types": "title = 7\nmetrics = 'x'",
    "a NUL": b"\0" * 100, "infinite": "n_images = inf",
}  # fmt: skip
ABOUT = {
    "no name": "Metadata-Version: 2.1\n", "empty": "", "no UTF-8": b"\xff\xfe",
    "a NUL": "Name: a\0b\n",
    "a name of another": "Metadata-Version: 2.1\nName: persongen-bench\nVersion: 9\n",
    "a name in colour": "Name: \x1b[31mx\nVersion: 1\n", "lines": "Name: a\n b\n\nVersion\n",
}  # fmt: skip
POINTS = {
    "no section": "draw = shop:Draw\n", "brackets": "[[[[",
    "no value": "[persongen_bench.methods]\ndraw\n",
    "no UTF-8": b"[persongen_bench.methods]\n\xff = shop:Draw\n",
    "a NUL": "[persongen_bench.methods]\na\0 = b\n",
    "twice": "[persongen_bench.methods]\ndraw = shop:Draw\ndraw = shop:Nothing\n",
    "another kind": "[persongen_bench.painters]\ndraw = shop:Draw\n",
    "a long line": "x" * 1_000_000,
}  # fmt: skip
GOOD = "class Draw:\n    '''Draws.'''\n"


def package(
    folder: Path,
    points: str | bytes = "[persongen_bench.methods]\ndraw = shop:Draw\n",
    module: str | bytes = GOOD,
    about: str | bytes = "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n",
) -> None:
    """An installed package in a folder."""
    info = folder / "shop-1.0.dist-info"
    info.mkdir()
    for path, data in ((info / "METADATA", about), (info / "entry_points.txt", points),
                       (folder / "shop.py", module)):  # fmt: skip
        path.write_bytes(data.encode(errors="surrogatepass") if isinstance(data, str) else data)


def use(folder: Path, words: Any) -> int:
    """One command where the package is installed; the package is gone after it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.delitem(__import__("sys").modules, "shop", raising=False)
        fresh_registry(patch)
        return command(*words)


def cases() -> list[Case]:
    """Every package, seen by commands that list all, and by those that name it."""
    made = []
    for name in NAMES:
        points = f"[persongen_bench.methods]\n{name} = shop:Draw\n"
        made += _seen(f"name {name[:12]!r}", lambda folder, points=points: package(folder, points))
    for target in TARGETS:
        points = f"[persongen_bench.methods]\ndraw = {target}\n"
        made += _seen(f"target {target[:16]!r}", lambda folder, p=points: package(folder, p))
    for what, module in MODULES.items():
        made += _seen(f"module: {what}", lambda folder, m=module: package(folder, module=m))
    for what, about in ABOUT.items():
        made += _seen(f"metadata: {what}", lambda folder, a=about: package(folder, about=a))
    for what, points in POINTS.items():
        made += _seen(f"entry points: {what}", lambda folder, p=points: package(folder, p))
    for what, board in BOARDS.items():
        made += _seen(f"board: {what}", lambda folder, b=board: _board(b, folder), "board")
    return made


def _board(text: str | bytes, folder: Path) -> None:
    package(folder, "[persongen_bench.boards]\ndraw = shop:draw\n")
    (folder / "draw.toml").write_bytes(text.encode() if isinstance(text, str) else text)


def _seen(what: str, make: Callable[[Path], None], kind: str = "method") -> list[Case]:
    def said(*words: str) -> Callable[[Path], tuple[str, ...]]:
        def made(folder: Path) -> tuple[str, ...]:
            make(folder)
            return words

        return made

    return [
        Case(f"{what}: list", said("list", f"{kind}s"), may_pass=True),
        Case(f"{what}: show", said("show", kind, "shop/draw"), may_pass=True),
    ]
