"""What makes a new run and a new fit: code that touches a result, and no other."""

import importlib
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import persongen_bench
from persongen_bench.core import images, registry
from persongen_bench.core.progress import no_progress
from persongen_bench.loop import external, making, manifest, run
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.fit_key import code_of, fit_key
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.wall import known
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.toy import toy_world, write_folder
from persongen_bench.util import closure

# --- edits of a copy of the package ---------------------------------------------------------

ROOTS = [
    "persongen_bench.methods.rebeca.method",
    "persongen_bench.stacks.sandbox",
    "persongen_bench.loop.making",
]
"""What `fit.code_of` starts from for `rebeca` on `sandbox` (see util/test_closure.py)."""
HASH = (
    f"from persongen_bench.util import closure\nprint(closure.__file__, closure.code_hash({ROOTS}))"
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The Python files of the package in a folder of their own."""
    source, root = Path(persongen_bench.__file__).parent, tmp_path_factory.mktemp("copy")
    for file in source.rglob("*.py"):
        target = root / source.name / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return root


def hash_of(copy):
    done = subprocess.run(
        [sys.executable, "-c", HASH], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}, cwd=copy,
    )  # fmt: skip
    file, code = done.stdout.split()
    assert Path(file).is_relative_to(copy)
    return code


@pytest.fixture(scope="module")
def before(copy):
    return hash_of(copy)


def hash_after_an_edit(copy, name):
    """The hash with another first docstring in one file."""
    file = copy / "persongen_bench" / name
    text = file.read_text()
    try:
        file.write_text(text.replace('"""', '"""Edited. ', 1))
        assert file.read_text() != text
        return hash_of(copy)
    finally:
        file.write_text(text)


@pytest.mark.parametrize(
    "name",
    [
        "leaderboards/plots.py", "metrics/taste/precision_recall.py", "metrics/_sets.py",
        "methods/wrong_user.py", "methods/rebeca_v1.py", "methods/finetune/training.py",
        "cli/app.py", "api/tables.py", "loop/generate.py", "loop/score.py", "loop/store.py",
        "stacks/sprites/__init__.py", "util/provenance.py", "util/closure.py", "__init__.py",
    ],
)  # fmt: skip
def test_an_edit_elsewhere_keeps_the_code_of_rebeca(copy, before, name):
    assert hash_after_an_edit(copy, name) == before


@pytest.mark.parametrize(
    "name",
    [
        "methods/prior/sampling.py", "methods/prior/method.py", "methods/rebeca/network.py",
        "methods/rebeca/__init__.py", "core/request.py", "core/images.py", "loop/making.py",
        "util/execution.py", "util/batching.py", "stacks/sandbox/__init__.py",
        "stacks/diffusion/decoder.py", "stacks/diffusion/settings.py",
        "stacks/sandbox/dino.py",  # imported inside a function
    ],
)  # fmt: skip
def test_an_edit_of_what_touches_an_image_changes_it(copy, before, name):
    assert hash_after_an_edit(copy, name) != before


def test_the_same_files_elsewhere_have_the_same_hash(before):
    assert closure.code_hash(ROOTS) == before


def test_making_images_imports_nouns_and_tools_only():
    rooms = {name.split(".")[1] for name in closure.import_closure([making.__name__])}
    assert rooms == {"core", "util", "loop"}
    inside = {n for n in closure.import_closure([making.__name__]) if ".loop" in n}
    assert inside == {f"persongen_bench.loop{end}" for end in ("", ".making", ".drawing")}


# --- through the loop, with a method of another package ------------------------------------

METRICS = ("taste-gap", "novelty")
PROTOCOL = Terms("catalogue", "prompt-free", METRICS, n_images=2, n_history=3)
METHOD = """
from keyed_plugin.helper import pick
from persongen_bench.methods._items import FromCatalog, open_choices

class Keyed(FromCatalog):

    def generate(self, samples):
        ids = self._train.catalog.ids
        return open_choices(self._train, samples, [pick(ids) for _ in samples])
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An installed package with the method ``keyed``, its helper, and a plot it does not import."""
    root = tmp_path / "plugin"
    meta, package = root / "keyed_plugin-1.0.dist-info", root / "keyed_plugin"
    meta.mkdir(parents=True)
    package.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: keyed-plugin\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text(
        "[persongen_bench.methods]\nkeyed = keyed_plugin.method:Keyed\n"
    )
    (package / "__init__.py").touch()
    (package / "method.py").write_text(METHOD)
    (package / "helper.py").write_text("def pick(ids):\n    return ids[0]\n")
    (package / "plots.py").write_text("COLOUR = 'red'\n")
    monkeypatch.syspath_prepend(root)
    restart()
    yield package
    monkeypatch.undo()
    restart()
    for name in [name for name in sys.modules if name.startswith("keyed_plugin")]:
        del sys.modules[name]


def restart():
    """Forget the files that were read, as a new process has."""
    for cache in (closure._closure_hash, closure._spec, closure._content, closure.imports_of):
        cache.cache_clear()
    registry._installed.cache_clear()
    known._known.clear()
    importlib.invalidate_caches()


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    data = write_folder(toy_world(), tmp_path / "catalogue")
    return load_world(WorldRef("folder", "pixels", {"like_threshold": 2}, data))


def test_a_fit_is_reused_until_code_that_it_runs_changes(plugin, world, tmp_path):
    def make():
        restart()
        job = run.Job(world, PROTOCOL, MethodChoice("keyed-plugin/keyed"), seed=3)
        results = run.run(job, tmp_path / f"runs-{len(list(tmp_path.iterdir()))}")
        config = RunDirectory.open(results.path).config
        return config.run_id, fit_key(config, world)

    def fits():
        return sorted(file.parent.name for file in (tmp_path / "cache").glob("fits/*/fit.json"))

    first = make()
    (plugin / "plots.py").write_text("COLOUR = 'blue'\n")
    assert make() == first
    assert fits() == [first[1]]
    (plugin / "helper.py").write_text("def pick(ids):\n    return ids[1]\n")
    second = make()
    assert second[0] != first[0]
    assert second[1] != first[1]
    assert fits() == sorted([first[1], second[1]])
    assert "keyed_plugin.method" not in sys.modules


def test_the_code_of_a_run_is_of_the_method_the_stack_the_track_and_making(plugin, world):
    facts = facts_of(MethodChoice("keyed-plugin/keyed"))
    stack = type(world.stack).__module__
    assert stack == "persongen_bench.stacks.pixels"
    track = "persongen_bench.tracks.prompt_free"
    roots = ["keyed_plugin.method", stack, track, "persongen_bench.loop.making"]
    assert code_of(facts, world, "prompt-free") == closure.code_hash(roots)


def test_images_made_elsewhere_are_of_no_code(world, tmp_path):
    folder = tmp_path / "delivered"
    folder.mkdir()
    (folder / "a.png").write_bytes(images.png_bytes(np.zeros((3, 4, 4), dtype=np.uint8)))
    (folder / "manifest.csv").write_text(f"user_id,image\n{world.test.users[0]},a.png\n")
    delivery = external.Delivery(partial(manifest.from_folder, folder), "theirs")
    directory = external.ingest(delivery, world, PROTOCOL, tmp_path / "runs", no_progress)
    assert directory.config.code == "external"
