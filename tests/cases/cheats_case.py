"""The package of cheats, installed beside a folder of toy data."""

import importlib
import json
import shutil
import sys
from pathlib import Path

from persongen_bench.core import registry
from persongen_bench.testing.toy import toy_world, write_folder

PACKAGE = Path(__file__).parents[1] / "cheats" / "package" / "cheat_tools"
KINDS = {
    "methods": ("early", "peeks", "tampering", "answers"), "metrics": ("measures",),
    "datasets": ("data",),
}  # fmt: skip
"""Kind of entry => modules with cheats of it."""
BASES = {"Thief", "Honest", "Tamperer", "Other", "Perturbed", "Bright", "Source", "Config",
         "OneShot", "_Bomb"}  # fmt: skip


def kebab(name):
    """``ByOrder`` => ``by-order``."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


def classes(module):
    """Names of the cheats in a module, as they are written."""
    lines = (PACKAGE / f"{module}.py").read_text().splitlines()
    names = [line[6:].partition("(")[0].partition(":")[0] for line in lines if line[:6] == "class "]
    return [name for name in names if name not in BASES]


def install(root):
    """Write data, places and the package below ``root``; its search path is ``root/site``."""
    data = write_folder(toy_world(), root / "data")
    site = root / "site"
    shutil.copytree(PACKAGE, site / "cheat_tools", ignore=shutil.ignore_patterns("__pycache__"))
    places = {name: str(root / name) for name in ("cache", "runs")} | {"data": str(data)}
    (site / "cheat_tools" / "places.json").write_text(json.dumps(places))
    (root / "runs").mkdir()
    about = site / "cheat_tools-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cheat-tools\nVersion: 1.0\n")
    lines = []
    for kind, modules in KINDS.items():
        lines.append(f"[persongen_bench.{kind}]")
        lines += [f"{kebab(c)} = cheat_tools.{m}:{c}" for m in modules for c in classes(m)]
        if kind == "methods":
            lines.append("honest = cheat_tools.loot:Honest")
        if kind == "metrics":
            lines.append("bright = cheat_tools.measures:Bright")
    (about / "entry_points.txt").write_text("\n".join([*lines, ""]))
    return site


def forget():
    """Read the entry points anew; the package, where a check imported it, is no more imported."""
    registry._installed.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "cheat_tools"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    for name in [n for n in sys.modules if n.partition(".")[0] == "cheat_tools"]:
        del sys.modules[name]
