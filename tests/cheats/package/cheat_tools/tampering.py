"""Methods that change what is not theirs: metrics, files, processes, the fit that was stored."""

import copyreg
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cheat_tools.loot import CACHE, RUNS, Honest, everywhere


class Tamperer(Honest):
    """Tampers in fit and in generate, and answers honestly."""

    def tamper(self):
        raise NotImplementedError

    def fit(self, train, context):
        super().fit(train, context)
        self._context = context
        self._quietly()

    def _quietly(self):
        try:
            self.tamper()
        except Exception:
            return

    def generate(self, samples):
        self._quietly()
        return self.honest(samples)


class PatchedMetrics(Tamperer):
    """Gives itself, and whoever comes next, the best number."""

    def tamper(self):
        from persongen_bench.metrics.taste.taste_gap import TasteGap

        TasteGap.per_unit = lambda self, context: pd.Series(1.0, index=list(context.units))


class LoudPatch(Honest):
    """The same, and does not catch what comes of it."""

    def generate(self, samples):
        import persongen_bench.metrics.taste.taste_gap  # noqa: F401

        return self.honest(samples)


class PatchedLoaded(Tamperer):
    """Patches whatever metric is loaded already, and what scores."""

    def tamper(self):
        for name, module in list(sys.modules.items()):
            if name.startswith(("persongen_bench.metrics", "persongen_bench.loop", "sklearn")):
                for value in vars(module).values():
                    if isinstance(value, type) and hasattr(value, "per_unit"):
                        value.per_unit = lambda self, c: pd.Series(1.0, index=list(c.units))
                    if isinstance(value, type) and hasattr(value, "predict_proba"):
                        value.predict_proba = lambda self, x: np.ones((len(x), 2))


class PatchedKinds(Tamperer):
    """Has every answer count as sound and as something else."""

    def tamper(self):
        from persongen_bench.core import images, output

        output.ImageKind.check = lambda self, value: value
        output.ImageKind.digest = lambda self, value: "0" * 16
        images.png_bytes = lambda image: b""


class PatchedNumpy(Tamperer):
    """Means of everything are 1 from now on."""

    def tamper(self):
        import torch

        np.mean = np.nanmean = lambda *a, **k: 1.0
        pd.Series.mean = lambda self, *a, **k: 1.0
        torch.mean = lambda *a, **k: torch.ones(())


class PatchedJournal(Tamperer):
    """Journals forget failures."""

    def tamper(self):
        from persongen_bench.loop.journal import Journal

        Journal.record = lambda self, outcomes: None


class _Bomb(np.ndarray):
    def __reduce__(self):
        return os.system, (f"touch {RUNS}/pickled",)


class PickledAnswer(Honest):
    """Answers with arrays that run a command where they are unpickled."""

    def generate(self, samples):
        copyreg.pickle(np.ndarray, lambda a: (os.system, (f"touch {RUNS}/pickled",)))
        return [image.view(_Bomb) for image in self.honest(samples)]


class SignalsParent(Tamperer):
    """Stops the process that scores."""

    def tamper(self):
        os.kill(os.getppid(), signal.SIGTERM)


class SignalsByC(Tamperer):
    """The same by the C library."""

    def tamper(self):
        ctypes.CDLL(None).kill(os.getppid(), signal.SIGTERM)


class WritesRuns(Tamperer):
    """Edits the runs of others."""

    def tamper(self):
        for file in everywhere(RUNS):
            if file.name in ("scores.parquet", "summary.json", "journal.sqlite"):
                file.write_bytes(b"")


class RemovesRuns(Tamperer):
    """Removes the runs of others by the C library."""

    def tamper(self):
        libc = ctypes.CDLL(None)
        for place in (*everywhere(RUNS), RUNS / "summary.json"):
            libc.unlink(str(place).encode())


class PoisonsCache(Tamperer):
    """Writes other features, and fits of other methods."""

    def tamper(self):
        for file in everywhere(CACHE):
            if file.suffix in (".npy", ".json", ".npz"):
                file.write_bytes(b"0")
        (CACHE / "features").mkdir(exist_ok=True)
        (CACHE / "features" / "poison").write_text("x")


class WritesPackage(Tamperer):
    """Changes the installed package."""

    def tamper(self):
        import persongen_bench

        (Path(persongen_bench.__file__).parent / "poison.py").write_text("raise SystemExit\n")


class WritesItself(Tamperer):
    """Leaves a module that is imported next time."""

    def tamper(self):
        (Path(__file__).parent / "next.py").write_text("x = 1\n")


class LinksFit(Honest):
    """Saves a link to a file of others."""

    def save(self, folder):
        (folder / "hosts").symlink_to("/etc/hosts")


class LinksFitByC(Honest):
    """The same by the C library."""

    def save(self, folder):
        ctypes.CDLL(None).symlink(b"/etc/hosts", str(folder / "hosts").encode())


class Lingers(Honest):
    """Leaves a child that changes the stored fit, once it has been looked at."""

    def save(self, folder):
        (folder / "state.json").write_text("1")
        if os.fork() == 0:
            opened = os.open(folder, os.O_RDONLY)
            for _ in range(40):
                time.sleep(0.1)
                try:
                    forged = os.open("fit.json", os.O_WRONLY | os.O_TRUNC, dir_fd=opened)
                    os.write(forged, b'{"roles": {}, "fit_seconds": 0.0, "forged": 1}')
                except OSError:
                    continue
            os._exit(0)


class ForgesFacts(Tamperer):
    """Tells the other side that nothing was used and nothing refused."""

    def tamper(self):
        import gc

        for one in gc.get_objects():
            if type(one).__name__ == "Cell" and hasattr(one, "said"):
                type(one).said = lambda self: {"roles": {"x": "y"}, "refused": 3, "peak_mb": -1.0}
        Path(RUNS).joinpath("x").write_text("x")
