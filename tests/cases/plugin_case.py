"""A third party's package, written into a folder and found like an installed one."""

import sys
from pathlib import Path

from persongen_bench.core import registry


def install(folder: Path, monkeypatch, groups: dict, files: dict[str, str], name="shop-tools"):
    """Put a distribution with these entry points and files on the path, until the test ends.

    ``groups``: kind => {entry name: value}; ``files``: path below ``folder`` => text.
    """
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = []
    for kind, points in groups.items():
        lines.append(f"[persongen_bench.{kind}]")
        lines += [f"{key} = {value}" for key, value in points.items()]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    packages = {Path(path).parts[0] for path in files}
    for module in [m for m in sys.modules if m.partition(".")[0] in packages]:
        monkeypatch.delitem(sys.modules, module)  # of an earlier test
    monkeypatch.syspath_prepend(folder)
    fresh_registry(monkeypatch)


def fresh_registry(monkeypatch):
    """Read the entry points anew, forget what is registered; after the test it is as it was."""
    installed = getattr(registry._installed, "__wrapped__", registry._installed)
    monkeypatch.setattr(registry, "_installed", installed)
    monkeypatch.setattr(registry, "_registered", {})
