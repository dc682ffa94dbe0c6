"""The page of what accelerators did, from the files of ``benchmarks/device.sh`` in docs/devices.

``python docs/device_page.py FILE`` prints the table of one file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from writing import page, table

FOLDER = Path(__file__).parent / "devices"
INTRODUCTION = (
    "`bash benchmarks/device.sh` measures in under eight minutes, without a network, what the "
    "package does on the machine that it runs on: the same samples on the CPU and on the device, "
    "REBECA's prior at FLICKR-AES's shape beside a plain loop of the published recipe, drawing "
    "with the published stacks at full size with random weights in them, LoRA training, the "
    "encoders that metrics look through, exact search. `--reduced` runs all of it small on a CPU, "
    "as the tests do. Where the machine has no network, wheels of what it lacks lie in `wheels/`. "
    "A figure stands here with the name of its device; its file is in `docs/devices/`."
)
NONE = (
    "No figure exists for a GPU: the package has not been measured on one yet. What is said of "
    "speed elsewhere was measured on CPUs."
)


def device_page() -> str:
    """Every device that was measured, or that none was."""
    files = sorted(FOLDER.glob("*.json"))
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    body = [line for report in reports for line in ["", *lines(report)]]
    if not any(report["kind"] == "cuda" for report in reports):
        body = [NONE, *body]
    return page("Devices", INTRODUCTION, body)


def lines(report: dict[str, Any]) -> list[str]:
    """One device: what it is, its figures, what was left out."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    small = ["", "**Reduced sizes: these figures say nothing of a speed.**"]
    return [
        f"## {report['device']}",
        "",
        f"`{report['command']}`; Python {report['python']}, {versions}.",
        *(small if report["reduced"] else []),
        "",
        *table(("part", "what", "figure", "with"), _figures(report["figures"])),
        "",
        *table(("part", "how it ended", "seconds"), _parts(report["parts"])),
    ]


def _figures(figures: Sequence[dict[str, Any]]) -> Iterator[Sequence[str]]:
    for one in figures:
        value = "left out" if one["value"] is None else f"{one['value']:.4g} {one['unit']}"
        yield one["part"], one["what"], value, one["note"]


def _parts(parts: dict[str, dict[str, Any]]) -> Iterator[Sequence[str]]:
    for name, how in parts.items():
        yield name, f"{how['state']} {how['why']}".strip(), f"{how['seconds']:.1f}"


if __name__ == "__main__":
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write("\n".join(lines(report)) + "\n")
