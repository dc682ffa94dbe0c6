"""Draw the rooms and their arrows: ``python docs/architecture_picture.py [FILE.png]``.

Writes ``docs/images/architecture.svg``; with an argument, the same picture there as well.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

PICTURE = Path(__file__).parent / "images" / "architecture.svg"
PLAIN, LIGHT, EDGE = "#eef1f6", "#ffffff", "#8a94a6"
DOOR, LOOP, SEAMS = "#ffe2b8", "#cfe6d2", "#d3e0fb"
WIDTH, HEIGHT, LEFT, RIGHT = 10.4, 9.1, 0.15, 8.0
ROW, GAP = 0.56, 0.24

# From the top down: rooms of one layer, each with what is in it and its colour.
LAYERS = (
    (("cli", "the pgbench command: parses, calls api, prints", PLAIN),),
    (("instruments", "the benchmark under test: controls, audit, rehearsal", PLAIN),),
    (("api", "the door: what a command does, as values; import persongen_bench as pb", DOOR),),
    (("site", "runs as pages", PLAIN), ("study", "people who judge", PLAIN)),
    (("leaderboards", "which runs compare, how they rank, how they print", PLAIN),),
    (("loop", "makes a run", LOOP),),
    (
        ("datasets", "who liked what", PLAIN),
        ("methods", "make pictures", PLAIN),
        ("metrics", "measure them", PLAIN),
        ("tracks", "what is asked", PLAIN),
    ),
    (("stacks", "the frozen pretrained models, by role", PLAIN),),
    (
        ("stats", "intervals and tests, by user", PLAIN),
        ("worlds", "people of known taste", PLAIN),
        ("rankers", "who would like what", PLAIN),
    ),
    (("util", "tools that know none of the nouns: files, batching, progress, provenance", PLAIN),),
    (("core", "the nouns and the seams: what a method, data set, metric, stack must be", SEAMS),),
)
STAGES = ("prepare", "fit", "generate", "score", "record")


def box(axes: Axes, corner: tuple[float, float], size: tuple[float, float], color: str) -> None:
    """A rounded box with its lower left corner at ``corner``."""
    shape = "round,pad=0,rounding_size=0.07"
    axes.add_patch(
        FancyBboxPatch(corner, *size, boxstyle=shape, facecolor=color, edgecolor=EDGE, lw=0.9)
    )


def arrow(axes: Axes, tail: tuple[float, float], head: tuple[float, float]) -> None:
    """An arrow from the room that imports to the room that is imported."""
    style = {"arrowstyle": "-|>", "color": "#555f70", "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=head, xytext=tail, arrowprops=style)


def room(axes: Axes, name: str, text: str, place: tuple[float, float, float], color: str) -> None:
    """A room; ``place`` is its left edge, lower edge and width. Narrow ones have two lines."""
    left, low, width = place
    box(axes, (left, low), (width, ROW), color)
    narrow = width < RIGHT / 3
    name_y, text_y = (low + 0.39, low + 0.16) if narrow else (low + ROW / 2, low + ROW / 2)
    indent = 0.12 if narrow else 1.55 if width > RIGHT / 1.5 else 0.85
    axes.text(left + 0.12, name_y, name, weight="bold", size=11.5, va="center")
    axes.text(left + indent, text_y, text, size=9.5, va="center")


def stages(axes: Axes, low: float) -> None:
    """What a run passes through, inside the loop."""
    step = 1.05
    for k, name in enumerate(STAGES):
        left = RIGHT - 0.15 - step * (len(STAGES) - k) + 0.15
        box(axes, (left, low + 0.1), (step - 0.2, ROW - 0.2), LIGHT)
        axes.text(left + (step - 0.2) / 2, low + ROW / 2, name, size=9.5, ha="center", va="center")
        if k:
            arrow(axes, (left - 0.2, low + ROW / 2), (left, low + ROW / 2))


def testing(axes: Axes, lows: list[float]) -> None:
    """The room at the side: what plugins test themselves with rests on the two lowest only."""
    *_, upper, lower, _, _, util, core = lows
    left, width = RIGHT + 0.5, WIDTH - RIGHT - 0.65
    box(axes, (left, lower), (width, upper + ROW - lower), PLAIN)
    axes.text(left + 0.12, upper + 0.33, "testing", weight="bold", size=11.5, va="center")
    lines = "the contracts that\nplugins and built-ins\npass: pgbench check"
    axes.text(left + 0.12, upper + 0.1, lines, size=9.5, va="top", linespacing=1.35)
    for k, layer in enumerate((util, core)):
        x, y = left + width * (k + 1) / 3, layer + ROW / 2
        axes.plot([x, x], [lower, y], color="#555f70", lw=1.2, solid_capstyle="butt")
        arrow(axes, (x, y), (RIGHT, y))


def draw() -> Figure:
    """The picture."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    names = [tuple(name for name, _, _ in layer) for layer in LAYERS]
    lows = [HEIGHT - 0.15 - ROW - k * (ROW + GAP) for k in range(len(LAYERS))]
    for layer, low in zip(LAYERS, lows, strict=True):
        share = (RIGHT - LEFT + 0.15) / len(layer)
        for k, (name, text, color) in enumerate(layer):
            left = LEFT + k * share
            room(axes, name, text, (left, low, share - 0.15), color)
    for upper, lower, low in zip(LAYERS, LAYERS[1:], lows, strict=False):
        n_arrows = max(len(upper), len(lower))
        for k in range(n_arrows):
            x = LEFT + (RIGHT - LEFT) * (k + 0.5) / n_arrows
            arrow(axes, (x, low), (x, low - GAP))
    stages(axes, lows[names.index(("loop",))])
    testing(axes, lows)
    note = "An arrow leads from a room to what it may import: the next layer and every lower one."
    axes.text(LEFT, 0.13, note, size=9.5, style="italic", va="center")
    return figure


def main() -> None:
    """Write the picture; its text stays text, and the same code gives the same file."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "architecture"}):
        draw().savefig(PICTURE, metadata={"Date": None, "Creator": None})
        for path in sys.argv[1:]:
            draw().savefig(path, dpi=100)


if __name__ == "__main__":
    main()
