"""What a machine with an accelerator does with this package, in under eight minutes, no network.

    bash benchmarks/device.sh [--out FOLDER] [--minutes 7.5] [--only PART ...] [--reduced]

`device.sh` sets the stage (wheels, entry points) and calls this. It computes on the GPU that torch
finds, else on the CPU, where ``--reduced`` is the mode to choose: small sizes, which say nothing of
a speed but that all of it runs. Every part is a process of its own with a limit, so that one that
fails or hangs takes nothing with it, and is written down as soon as it ends. Random weights of the
published stacks are written by processes in the background, from the start.

``FOLDER/device.json`` holds the machine's name, the versions, the command and every figure, with
what was left out and why; ``docs/device_page.py`` makes a table of it. Exit status 1 where a part
failed or the devices do not agree.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

VERSIONS = ("torch", "transformers", "diffusers", "open_clip_torch", "peft", "numpy")


@dataclass(frozen=True)
class Planned:
    """A part, where it is, and the seconds that it may take."""

    module: str
    function: str
    seconds: float
    needs: tuple[str, ...] = ()
    """Packages besides those that every part needs."""


PARTS = {
    "parity": Planned("_device_prior", "parity", 45),
    "prior training": Planned("_device_prior", "training", 135),
    "prior sampling": Planned("_device_prior", "sampling", 50),
    "sd15": Planned("_device_models", "sd15", 60),
    "judges": Planned("_device_models", "judges", 40),
    "lora": Planned("_device_models", "lora", 40, ("peft",)),
    "search": Planned("_device_search", "search", 35, ("faiss",)),
    "sdxl": Planned("_device_models", "sdxl", 75),
}
"""In the order in which they are worth having."""
LEAST = 10.0
"""Seconds below which a part is not begun."""


def main() -> None:
    """Run the parts; exit status 1 where one failed."""
    given = _arguments()
    if given.part is not None:
        _one(given)
        return
    given.out.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * given.minutes
    report: dict[str, Any] = {**_machine(given), "figures": [], "parts": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = given.only or list(PARTS)
        writers = _writers(names, folder, given)
        try:
            for part in names:
                _add(report, part, folder, given, until)
                _keep(given.out, report)
        finally:
            for writer in writers:
                writer.kill()
                writer.wait()
    failed = [part for part, how in report["parts"].items() if how["state"] == "failed"]
    print(f"{given.out / 'device.json'}: {', '.join(failed) or 'nothing'} failed")
    raise SystemExit(1 if failed else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("device-out"))
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="PART")
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _machine(given: argparse.Namespace) -> dict[str, Any]:
    """What it is, said before anything is measured."""
    import torch

    cuda = torch.cuda.is_available()
    said = {
        "device": torch.cuda.get_device_name(0) if cuda else platform.processor() or "CPU",
        "kind": "cuda" if cuda else "cpu",
        "reduced": given.reduced,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in VERSIONS},
        "command": " ".join(["bash benchmarks/device.sh", *sys.argv[1:]]),
    }
    print(json.dumps(said), flush=True)
    return said


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _writers(
    parts: list[str], folder: Path, given: argparse.Namespace
) -> list[subprocess.Popen[bytes]]:
    """A process for each stack whose weights are needed."""
    stacks = {"sd15": {"sd15", "judges", "lora"}, "sdxl": {"sdxl"}}
    needed = [stack for stack, users in stacks.items() if users & set(parts)]
    words = [sys.executable, __file__, *(["--reduced"] if given.reduced else [])]
    return [
        subprocess.Popen([*words, "--part", f"weights {stack}", "--weights", str(folder)])  # noqa: S603  # this file
        for stack in needed
    ]


def _add(
    report: dict[str, Any], part: str, folder: Path, given: argparse.Namespace, until: float
) -> None:
    """Run a part, and put down what it found."""
    seconds = min(PARTS[part].seconds, until - time.monotonic())
    missing = [name for name in PARTS[part].needs if importlib.util.find_spec(name) is None]
    if seconds < LEAST or missing:
        why = f"there is no {', '.join(missing)} here" if missing else "the time was up"
        report["parts"][part] = {"state": "left out", "seconds": 0.0, "why": why}
        print(f"{part}: left out, {why}", flush=True)
        return
    found = folder / f"{part}.json"
    words = [
        sys.executable, __file__, "--part", part, "--seconds", str(seconds), "--out", str(found),
        "--weights", str(folder), *(["--reduced"] if given.reduced else []),
    ]  # fmt: skip
    began = time.monotonic()
    state, why = "done", ""
    try:
        ended = subprocess.run(  # noqa: S603  # this file
            words, timeout=seconds, check=False, stderr=subprocess.PIPE, text=True
        )
        if ended.returncode:
            state, why = "failed", " ".join(ended.stderr.split())[-300:]
    except subprocess.TimeoutExpired:
        state, why = "ended", f"its {seconds:.0f} s were up"
    if found.exists():
        report["figures"] += json.loads(found.read_text(encoding="utf-8"))
    spent = round(time.monotonic() - began, 1)
    report["parts"][part] = {"state": state, "seconds": spent, "why": why}
    print(f"{part}: {state} in {spent} s {why}", flush=True)


def _keep(folder: Path, report: dict[str, Any]) -> None:
    text = json.dumps(report, indent=1) + "\n"
    (folder / "device.json").write_text(text, encoding="utf-8")


def _one(given: argparse.Namespace) -> None:
    """A part, in its own process."""
    if given.part.startswith("weights "):
        from _device_models import write_weights

        write_weights(given.part.partition(" ")[2], given.weights, reduced=given.reduced)
        return
    import torch
    from _device_tools import Part

    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    part = Part(given.part, device, given.reduced, given.seconds, given.out, given.weights)
    planned = PARTS[given.part]
    getattr(importlib.import_module(planned.module), planned.function)(part)


if __name__ == "__main__":
    main()
