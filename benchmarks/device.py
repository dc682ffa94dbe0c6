"""What a machine with an accelerator does with this package, in under eight minutes, no network.

    bash benchmarks/device.sh [--out FOLDER] [--minutes 7.5] [--only PART ...] [--reduced]

`device.sh` sets the stage (wheels, entry points) and calls this. It computes on the GPU that torch
finds, else on the CPU, where ``--reduced`` is the mode to choose: small sizes, which say nothing of
a speed but that all of it runs. Every part is a process of its own with a limit, so that one that
fails or hangs takes nothing with it; it is forked from one that has imported libraries and touched
no device. A figure is written down as soon as it is known. Random weights of the published stacks
are written in the background, from the start.

``FOLDER/device.json`` holds the machine's name, the versions, the command and every figure, with
what was left out and why; ``docs/device_page.py`` makes a table of it. Exit status 1 where a part
failed or the devices do not agree.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import math
import multiprocessing
import platform
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from importlib import metadata
from multiprocessing.process import BaseProcess
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
STACKS = {"sd15": {"sd15", "judges", "lora"}, "sdxl": {"sdxl"}}
"""Which parts need the weights of a stack."""
IMPORTED = (
    "persongen_bench.stacks.diffusion.load",
    "persongen_bench.stacks.diffusion.clip_files",
    "persongen_bench.stacks.sandbox.judge",
)
"""What parts import only when they open a stack; once is enough."""
LEAST = 10.0
"""Seconds below which a part is not begun."""
PATIENCE = 20.0
"""In the reduced mode a part may take so many times as long: it may share its processor."""


def main() -> None:
    """Run the parts; exit status 1 where one failed."""
    given = _arguments()
    if given.reduced:
        given.minutes *= PATIENCE
    given.out.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * given.minutes
    report: dict[str, Any] = {**_machine(given), "parts": {}, "figures": []}
    processes = multiprocessing.get_context("forkserver")
    modules = {part.module for part in PARTS.values()}
    processes.set_forkserver_preload([*sorted(modules), *IMPORTED])
    names = given.only or list(PARTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stacks = [stack for stack, users in STACKS.items() if users & set(names)]
        writers = [
            processes.Process(target=_weights, args=(stack, folder, given.reduced))
            for stack in stacks
        ]
        for writer in writers:
            writer.start()
        try:
            for part in names:
                seconds = PARTS[part].seconds * (PATIENCE if given.reduced else 1.0)
                asked = (part, folder, min(seconds, until - time.monotonic()), given.reduced)
                _add(report, asked, processes.Process(target=_part, args=asked))
                _keep(given.out, report)
        finally:
            for writer in writers:
                writer.kill()
                writer.join()
    failed = [part for part, how in report["parts"].items() if how["state"] == "failed"]
    print(f"{given.out / 'device.json'}: {', '.join(failed) or 'nothing'} failed")
    raise SystemExit(1 if failed else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("device-out"))
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="PART")
    parser.add_argument("--reduced", action="store_true")
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


Asked = tuple[str, Path, float, bool]
"""A part, the folder it works in, the seconds it has, and whether sizes are reduced."""


def _add(report: dict[str, Any], asked: Asked, process: BaseProcess) -> None:
    """Run a part, and put down what it found."""
    part, folder, seconds, _ = asked
    missing = [name for name in PARTS[part].needs if importlib.util.find_spec(name) is None]
    state, why, began = "left out", "the time was up", time.monotonic()
    if missing:
        why = f"there is no {', '.join(missing)} here"
    elif seconds >= LEAST:
        process.start()
        process.join(seconds)
        state, why = "done", ""
        if process.exitcode is None:
            process.kill()
            process.join()
            state, why = "ended", f"its {seconds:.0f} s were up"
        elif process.exitcode:
            state, why = "failed", _read(folder / f"{part}.txt") or f"exit {process.exitcode}"
    report["figures"] += json.loads(_read(folder / f"{part}.json") or "[]")
    spent = round(time.monotonic() - began, 1)
    used = float(_read(folder / f"{part}.cpu") or "nan")
    cpu = None if math.isnan(used) else used
    report["parts"][part] = {"state": state, "seconds": spent, "cpu_seconds": cpu, "why": why}
    print(f"{part}: {state} in {spent} s, {used} CPU s {why}".rstrip(), flush=True)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _keep(folder: Path, report: dict[str, Any]) -> None:
    text = json.dumps(report, indent=1) + "\n"
    (folder / "device.json").write_text(text, encoding="utf-8")


def _weights(stack: str, folder: Path, reduced: bool) -> None:
    """Random weights, in a process of their own."""
    from _device_models import write_weights

    write_weights(stack, folder, reduced=reduced)


def _part(name: str, folder: Path, seconds: float, reduced: bool) -> None:
    """A part, in its own process."""
    import torch
    from _device_tools import Part

    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    part = Part(name, device, reduced, seconds, folder / f"{name}.json", folder)
    planned = PARTS[name]
    try:
        getattr(importlib.import_module(planned.module), planned.function)(part)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other parts go on
        traceback.print_exc()
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        (folder / f"{name}.txt").write_text(why, encoding="utf-8")
        raise SystemExit(1) from None
    finally:
        spent = time.process_time()
        (folder / f"{name}.cpu").write_text(f"{spent:.1f}", encoding="utf-8")


if __name__ == "__main__":
    main()
