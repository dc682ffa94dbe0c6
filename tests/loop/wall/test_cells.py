"""A method in a cell gives what it gives without one, and costs nobody else anything."""

import os
import shutil
import signal
import sys
from dataclasses import replace

import pytest

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.loop import run
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.fit import fit_once
from persongen_bench.loop.fit_key import code_of
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.wall import bubble, limits
from persongen_bench.loop.wall.homes import open_home
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.wall.tenancy import Tenancy
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.toy import toy_world, write_folder

TERMS = Terms("catalogue", "prompt-free", ("taste-gap", "novelty"), n_images=2, n_history=3)
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")
METHODS = """
import ctypes, os, sys
from persongen_bench.methods._items import FromCatalog, open_choices

class First(FromCatalog):
    def generate(self, samples):
        print("words of a method")
        for sample in samples:
            if sample.request.user_id.endswith("0"):
                self.trouble()
        ids = self._train.catalog.ids
        return open_choices(self._train, samples, [ids[0] for _ in samples])

    def trouble(self):
        pass

class Ends(First):
    def trouble(self):
        os._exit(3)

class Exits(First):
    def trouble(self):
        sys.exit(0)

class Crashes(First):
    def trouble(self):
        ctypes.string_at(0)

class Hangs(First):
    def trouble(self):
        while True:
            pass

class FitHangs(First):
    def fit(self, train, context):
        while True:
            pass

class Hoards(First):
    def trouble(self):
        import numpy as np
        self.rows = np.ones(1 << 30)

class FitEnds(First):
    def fit(self, train, context):
        os._exit(0)

class FitExits(First):
    def fit(self, train, context):
        sys.exit(0)

class Links(First):
    def save(self, folder):
        super().save(folder)
        (folder / "link").symlink_to("/etc/hostname")

class Brings(First):
    def fit(self, train, context):
        super().fit(train, context)
        import diffusers.schedulers.scheduling_ddim, requests
        from torch._inductor.runtime.cache_dir_utils import cache_dir
        cache_dir()
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            import joblib

class Peeks(First):
    def fit(self, train, context):
        super().fit(train, context)
        try:
            open({outside!r})
        except OSError:
            pass
"""
ENTRIES = {"first": "First", "ends": "Ends", "exits": "Exits", "crashes": "Crashes",
           "fit-ends": "FitEnds", "fit-exits": "FitExits", "links": "Links",
           "peeks": "Peeks", "brings": "Brings", "hangs": "Hangs", "fit-hangs": "FitHangs",
           "hoards": "Hoards",
           }  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data folder, a cache, and an installed package of methods."""
    root = tmp_path_factory.mktemp("cells")
    data = write_folder(toy_world(), root / "data")
    meta, package = root / "site" / "walled_plugin-1.0.dist-info", root / "site" / "walled_plugin"
    meta.mkdir(parents=True)
    package.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: walled-plugin\nVersion: 1.0\n")
    lines = [f"{name} = walled_plugin:{cls}" for name, cls in ENTRIES.items()]
    (meta / "entry_points.txt").write_text("\n".join(["[persongen_bench.methods]", *lines, ""]))
    outside = str(data / "interactions.csv")
    (package / "__init__.py").write_text(METHODS.replace("{outside!r}", repr(outside)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(root / "cache"))
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(root))  # torch sets it where it is imported
        patch.syspath_prepend(root / "site")
        registry._installed.cache_clear()
        yield root
    registry._installed.cache_clear()


@pytest.fixture(scope="module")
def world(place):
    return load_world(WorldRef("folder", "pixels", {"like_threshold": 2}, place / "data"))


def make(world, folder, name, execution=None, **options):
    job = run.Job(world, TERMS, MethodChoice(name, options=options), seed=3)
    return run.run(job, folder, execution)


def table(results):
    return [(results.path / name).read_bytes() for name in RESULTS]


def tenancy(world, name):
    choice = MethodChoice(name)
    facts = facts_of(choice)
    ref = choice.ref(facts, anchor=False)
    code = code_of(facts, world, TERMS.track)
    config = run_config(world, TERMS, ref, seed=3, code=code, threads=1)
    fit = fit_once(config, world, Execution())
    return Tenancy(config, facts, world, {"train": world.train}, reads=(fit,)), fit


@pytest.mark.parametrize(
    ("name", "options"),
    [("random-item", {}), ("nearest-item", {}), ("oracle", {}), ("copy-history", {}),
     ("wrong-user", {"base": "nearest-item"})],
)  # fmt: skip
def test_the_wall_changes_no_byte(world, tmp_path, monkeypatch, name, options):
    walled = table(make(world, tmp_path / "walled", name, **options))
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(Tenancy, "walled", False)
    assert table(make(world, tmp_path / "unwalled", name, **options)) == walled


def test_several_workers_make_the_same(world, tmp_path):
    one = table(make(world, tmp_path / "one", "walled-plugin/first"))
    three = make(world, tmp_path / "three", "walled-plugin/first", Execution(3, 2))
    assert table(three) == one


@pytest.mark.parametrize(
    ("name", "reason"),
    [("ends", "its process ended by itself (status 3)"), ("exits", "SystemExit: 0"),
     ("crashes", "SIGSEGV")],
)  # fmt: skip
def test_a_process_that_ends_costs_its_own_samples(world, tmp_path, name, reason):
    results = make(world, tmp_path, f"walled-plugin/{name}")
    for row in results.samples.itertuples():
        bad = row.user_id.endswith("0")
        assert row.state == ("method_error" if bad else "ok")
        assert (reason in row.reason) == bad


@pytest.mark.parametrize(
    ("name", "said"),
    [("fit-ends", "its process ended"), ("fit-exits", "failed to fit: SystemExit"),
     ("links", "failed to fit: refused: symlink")],
)  # fmt: skip
def test_a_fit_that_ends_is_one_line(world, tmp_path, name, said):
    with pytest.raises(RunError, match=said):
        make(world, tmp_path, f"walled-plugin/{name}")


def test_what_takes_too_long_costs_its_own_samples(world, tmp_path, monkeypatch):
    monkeypatch.setenv(limits.MINUTES, "0.02")
    monkeypatch.setattr(limits, "MOST_LATE", 99)
    results = make(world, tmp_path, "walled-plugin/hangs", Execution(1, 4))
    for row in results.samples.itertuples():
        bad = row.user_id.endswith("0")
        assert row.state == ("method_error" if bad else "ok")
        assert row.reason == ("it took more than 0.02 minutes" if bad else "")


@pytest.mark.parametrize(
    ("name", "said"),
    [("fit-hangs", "it took more than 0.02 minutes while it was fitted"),
     ("hangs", "it took more than 0.02 minutes, 2 times")],
)  # fmt: skip
def test_a_run_that_takes_too_long_ends(world, tmp_path, monkeypatch, name, said):
    monkeypatch.setenv(limits.MINUTES, "0.02")
    monkeypatch.setattr(limits, "MOST_LATE", 1)
    with pytest.raises(RunError, match=said):
        make(world, tmp_path, f"walled-plugin/{name}")


def test_what_needs_too_much_memory_costs_its_own_samples(world, tmp_path, monkeypatch):
    monkeypatch.setenv(limits.GIB, "4")
    results = make(world, tmp_path, "walled-plugin/hoards")
    for row in results.samples.itertuples():
        bad = row.user_id.endswith("0")
        assert row.state == ("method_error" if bad else "ok")
        assert row.reason == ("MemoryError: its process may hold 4 GiB" if bad else "")


@pytest.mark.parametrize("said", ["soon", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, said):
    monkeypatch.setenv(limits.MINUTES, said)
    with pytest.raises(ConfigError, match="no number above 0"):
        limits.minutes()


def test_what_was_refused_is_told(world, tmp_path, place):
    results = make(world, tmp_path, "walled-plugin/peeks")
    (note,) = results.summary.notes
    assert "was refused 1 times: open" in note
    assert str(place) not in note
    honest = make(world, tmp_path, "walled-plugin/first")
    assert honest.summary.notes == ()
    assert results.scores["value"].equals(honest.scores["value"])


def test_what_libraries_do_on_their_own_account_is_no_attempt(world, tmp_path):
    """urllib3 binds a socket when it is imported, and torch makes the folder of its compiler.

    joblib tries a semaphore, and warns on the terminal where it may not.
    """
    assert make(world, tmp_path, "walled-plugin/brings").summary.notes == ()


def test_no_code_of_another_package_is_imported_here(world, tmp_path, capfd):
    make(world, tmp_path, "walled-plugin/first")
    assert "walled_plugin" not in sys.modules
    assert "words of a method" not in capfd.readouterr().out


def test_a_cell_that_somebody_kills_costs_nothing(world):
    home_of, fit = tenancy(world, "random-item")
    asked = world.asked(home_of.config)
    with open_home(home_of) as home:
        home.load(fit)
        before = home.make(asked, asked.samples)
        os.kill(home._cell._process.pid, signal.SIGKILL)
        after = home.make(asked, asked.samples)
    assert [(a.answer == b.answer).all() for a, b in zip(before.made, after.made, strict=True)]


def test_a_cell_answers_for_no_reference_of_another_request(world):
    home_of, _ = tenancy(world, "random-item")
    asked = world.asked(home_of.config)
    with open_home(home_of) as home:
        home._desk.attend(asked, asked.samples[:1])
        held_out = world.test.catalog.ids[0]
        for what, of in (("references", ""), ("edited", ""), ("pictures", "train/examples")):
            answer = home._desk.answer({"what": what, "of": of, "ids": [held_out]})
            assert isinstance(answer, Exception)
        hidden = next(i for i in world.test.catalog.ids if i not in world.train.catalog.ids)
        for question in ({"what": "pictures", "of": "train", "ids": [hidden]},
                         {"what": "features", "of": "train/image_encoder", "ids": [hidden]},
                         {"what": "features", "of": "/image_encoder", "ids": [hidden]},
                         {"what": "pictures", "of": "train", "ids": "all"},
                         {"what": "world", "of": "", "ids": []}, {}):  # fmt: skip
            assert isinstance(home._desk.answer(question), Exception)


def test_a_method_that_only_this_process_knows_works_in_it(world):
    home_of, _ = tenancy(world, "random-item")
    local = replace(home_of, facts=replace(home_of.facts, name="local/mine"))
    assert home_of.walled
    assert not local.walled


def test_sealed_without_bubblewrap_is_one_line(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="needs bubblewrap"):
        bubble.require()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap here")
def test_a_sealed_method_makes_the_same_and_is_told_of(world, tmp_path, monkeypatch):
    honest = make(world, tmp_path / "open", "walled-plugin/first")
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(bubble.SEALED, "1")
    results = make(world, tmp_path / "sealed", "walled-plugin/peeks")
    assert results.scores["value"].equals(honest.scores["value"])
    (note,) = results.summary.notes
    assert "was refused 1 times: open" in note
