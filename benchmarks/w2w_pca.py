"""Memory and time of `w2w`'s components at the size of ImageGem: 23,000 LoRAs of 1.45 M numbers.

    python benchmarks/w2w_pca.py [--models 600] [--size 1451520] [--components 100]

Random vectors are written to a file, standardised, multiplied, decomposed, and ten directions are
brought back, as a fit does. Memory is what the process holds itself (RssAnon): pages of the mapped
file belong to the system's cache, which takes them back. The last lines scale it to the paper's
size by what is held: products, blocks, vectors of the length. Time is not scaled: products go with
the square of the models (3.8e14 multiplications for the paper's) and all else with their number.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from persongen_bench.methods.w2w.corpus import BLOCK, Corpus
from persongen_bench.methods.w2w.pca import EXACT, GramPca

PAPER = (23_000, 1_451_520)
"""LoRAs, and numbers of the first triplet of all attention layers of SDXL."""
N_DIRECTIONS = 10
LIMIT_GB = 8.0
GB = 2**30


class Peak:
    """The most memory that the process held while it was watched."""

    def __init__(self) -> None:
        self.bytes = self.start = held()
        self._done = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[Peak]:
        """Look every 5 ms."""
        watcher = threading.Thread(target=self._look, daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            self._done.set()
            watcher.join()

    def _look(self) -> None:
        while not self._done.wait(0.005):
            self.bytes = max(self.bytes, held())


def held() -> int:
    """Bytes of the process that are in no file (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def products_bytes(n: int) -> int:
    """Of the n x n matrix, float64 up to `EXACT` vectors, else float32."""
    return n * n * (8 if n <= EXACT else 4)


def expected_bytes(n: int, size: int, n_components: int) -> int:
    """What a fit holds at most, above the libraries.

    The products and four blocks (the rows, their differences, the standardised rows in both
    orders), or the products and the eigenvectors with their float64 copies; beside them vectors of
    the length and directions.
    """
    blocks = 4 * max(BLOCK, 4 * 64 * n) * (2 if n <= EXACT else 1)
    vectors = size * 4 * (2 + N_DIRECTIONS)
    components = 6 * 8 * n * min(n_components, n)
    return products_bytes(n) + max(blocks, components) + vectors


def measure(
    shape: tuple[int, int], dtype: str, n_components: int, folder: Path
) -> dict[str, float]:
    """Seconds of each part, and the peak in bytes."""
    rng, times = np.random.default_rng(0), {}
    corpus = Corpus(folder, shape, "float16" if dtype == "float16" else "float32")
    started = time.perf_counter()
    common = rng.standard_normal((8, shape[1]), dtype=np.float32)
    corpus.write(
        0.1 * rng.standard_normal(8, dtype=np.float32) @ common
        + 0.1 * rng.standard_normal(shape[1], dtype=np.float32)
        for _ in range(shape[0])
    )
    del common
    times["write"] = time.perf_counter() - started
    with Peak().watched() as peak:
        started = time.perf_counter()
        pca = GramPca.fit(corpus, n_components, 0.01)
        times["fit"] = time.perf_counter() - started
        started = time.perf_counter()
        normals = rng.standard_normal((pca.coordinates.shape[1], N_DIRECTIONS))
        directions = pca.directions(corpus, normals)
        times["directions"] = time.perf_counter() - started
    assert np.isfinite(directions).all()
    corpus.remove()
    return {**times, "peak": float(peak.bytes - peak.start), "explained": pca.explained}


def main() -> None:
    """Measure, then scale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=600)
    parser.add_argument("--size", type=int, default=PAPER[1])
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float16")
    parser.add_argument("--components", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=None, help="where the file may lie")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=said.folder) as folder:
        shape = (said.models, said.size)
        found = measure(shape, said.dtype, said.components, Path(folder))
    expected = expected_bytes(*shape, said.components)
    print(f"{said.models} x {said.size} {said.dtype}, {said.components} components: "
          f"write {found['write']:.0f} s, fit {found['fit']:.0f} s, "
          f"{N_DIRECTIONS} directions {found['directions']:.0f} s")  # fmt: skip
    print(f"held: {found['peak'] / GB:.2f} GiB, by the formula at most {expected / GB:.2f} GiB")
    n, size = PAPER
    at_paper = expected_bytes(n, size, 1000)
    file = n * size * (2 if said.dtype == "float16" else 4)
    print(f"at {n} x {size}, 1000 components: at most {at_paper / GB:.1f} GiB held "
          f"(target: below {LIMIT_GB:.0f}), a file of {file / GB:.0f} GiB")  # fmt: skip


if __name__ == "__main__":
    main()
