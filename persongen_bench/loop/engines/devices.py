"""Devices that workers are pinned to: the processor, or a graphics card by its number.

A worker's cell is shown its own card alone (CUDA_VISIBLE_DEVICES), so what a method or a stack
takes for the first one is that; on ``cpu`` it is shown none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from persongen_bench.core.errors import ConfigError

CPU, VISIBLE = "cpu", "CUDA_VISIBLE_DEVICES"
_DEVICE = re.compile(r"cpu|cuda:(0|[1-9]\d{0,2})")


def devices_of(text: str) -> tuple[str, ...]:
    """As they are said, ``cpu,cuda:0``, one a worker; raises `ConfigError` for anything else."""
    devices = tuple(one.strip() for one in text.split(","))
    for one in devices:
        if _DEVICE.fullmatch(one) is None:
            raise ConfigError(
                f"there is no device {one!r}", fix="Say cpu or cuda:N, as cpu,cuda:0."
            )
    return devices


def require_there(devices: tuple[str, ...]) -> None:
    """Raise `ConfigError` for a graphics card that this process is not shown."""
    import torch

    n_cards = torch.cuda.device_count()
    for one in devices:
        if one != CPU and number(one) >= n_cards:
            there = "none" if not n_cards else f"cuda:0 to cuda:{n_cards - 1}"
            raise ConfigError(f"there is no {one} here", fix=f"Graphics cards here: {there}.")


def number(device: str) -> int:
    """Of a graphics card, among those that this process is shown."""
    return int(device.partition(":")[2])


def shown(device: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables by which a process is shown ``device`` alone; none where it is not pinned."""
    if not device:
        return {}
    if device == CPU:
        return {VISIBLE: ""}
    visible = [one.strip() for one in environment.get(VISIBLE, "").split(",") if one.strip()]
    return {VISIBLE: visible[number(device)] if visible else str(number(device))}
