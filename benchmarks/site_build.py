"""How long a site takes to build, how large it is, and what a page loads first.

    python benchmarks/site_build.py [--runs 200] [--preset large] [--images 25] [--pictures 20000]

The runs are drawn, not made: rows of one board, people of tasteworld (210 with ``large``), pictures
of 64 px, all of them on disk. What scoring keeps in the cache (thumbnails of the catalogue for the
search for copies) is made before. Printed are seconds of the processor, user and system together,
and of the wall, of ``pgbench site`` in a process of its own, the site's bytes and those of its
documents, and, where playwright and a chromium are installed, how long the first board takes to be
on the screen of a browser that has been started. Targets: two minutes of the processor, and less
than 2 MB before a board is on the screen. That it is there within 2 s is a goal, which a machine
that others keep busy misses.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _site_runs import BOARD, config_of, draw_run, keep_pictures

from persongen_bench.core.progress import no_progress
from persongen_bench.loop.copy_pool import pool_of, spaced
from persongen_bench.loop.world import World, WorldRef, load_world

TREE = Path(__file__).parents[1]
SECONDS, FIRST, SHOWN = 120.0, 2_000_000, 2.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OWN = 256
"""Different pictures of a run; more samples share them."""


def draw_runs(folder: Path, world: World, n_runs: int, n_images: int) -> None:
    """Write complete runs of as many methods."""
    rng = np.random.default_rng(0)
    images = world.dataset.catalog.images(spaced(world.dataset.catalog.ids, OWN))
    for k in range(n_runs):
        kept = keep_pictures(folder / "kept" / str(k), images, rng)
        config = config_of(world, f"mean-embedding[size={k}]", n_images)
        samples = world.asked(config).samples
        draw_run(folder / "runs" / f"run-{k:03}", config, samples, kept)


def built(runs: Path, out: Path, pictures: int) -> tuple[float, float, float]:
    """Seconds on the processor and of the wall of building a site, and megabytes held at most."""
    environment = os.environ | {"PYTHONPATH": str(TREE), "OMP_NUM_THREADS": "1"}
    words = ["site", str(runs), "--out", str(out), "--pictures", str(pictures)]
    begin = time.perf_counter()
    subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", "persongen_bench", *words], env=environment, cwd=TREE, check=True
    )
    wall = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024


def opened(out: Path) -> float | None:
    """Seconds until the board is shown in a browser; None where there is no browser."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if program is None:
        return None
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        page = browser.new_page()
        begin = time.perf_counter()
        page.goto(f"{out.as_uri()}/index.html#/board/{BOARD}")
        page.locator("#board-table .tabulator-row").first.wait_for()
        seconds = time.perf_counter() - begin
        browser.close()
    return seconds


def sizes(out: Path) -> dict[str, int]:
    """Bytes of the site by kind; of documents that come in numbers, the largest."""
    data = out / "data" / BOARD

    def below(name: str) -> int:
        return sum(path.stat().st_size for path in (out / name).rglob("*") if path.is_file())

    first = [out / "index.html", out / "data" / "index.js", data / "board.js"]
    scripts = [path for path in out.glob("assets/**/*") if path.suffix in (".js", ".css")]
    return {
        "site": sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        "thumbnails": below("thumbs"),
        "documents": below("data"),
        "board": (data / "board.js").stat().st_size,
        "people": (data / "people.js").stat().st_size,
        "values of a column": max(path.stat().st_size for path in data.glob("values-*.js")),
        "pictures of a row": max(path.stat().st_size for path in data.glob("pictures-*.js")),
        "loaded first": sum(path.stat().st_size for path in (*first, *scripts)),
    }


def main() -> None:
    """Draw, build, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--preset", default="large")
    parser.add_argument("--images", type=int, default=25)
    parser.add_argument("--pictures", type=int, default=20_000)
    given = parser.parse_args()
    ref = WorldRef("tasteworld", "sandbox", {"preset": given.preset})
    world = load_world(ref, no_progress)
    pool_of(world)
    with tempfile.TemporaryDirectory() as folder:
        draw_runs(Path(folder), world, given.runs, given.images)
        people = len(world.asked(config_of(world, "m", given.images)).users)
        seconds, wall, most = built(Path(folder) / "runs", Path(folder) / "site", given.pictures)
        found = sizes(Path(folder) / "site")
        shown = opened(Path(folder) / "site")
    print(f"{given.runs} runs x {people} people x {given.images} images: {seconds:.1f} s of the "
          f"processor (target {SECONDS:.0f}), {wall:.1f} s in all, {most:.0f} MB")  # fmt: skip
    for name, size in found.items():
        target = f" (target {FIRST / 1e6:.0f})" if name == "loaded first" else ""
        print(f"{name:20} {size / 1e6:9.3f} MB{target}")
    if shown is None:
        print("the first board in a browser: not measured, there is none")
    else:
        print(f"the first board in a browser: {shown:.2f} s (goal {SHOWN:.0f})")
    met = seconds < SECONDS and found["loaded first"] < FIRST
    print(f"targets: {'met' if met else 'missed'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
