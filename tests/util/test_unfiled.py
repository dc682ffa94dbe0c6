"""Classes that no module file holds are known by their source and by what they name."""

import linecache
import subprocess
import sys
from types import ModuleType

import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.util import closure, provenance
from persongen_bench.util.unfiled import source_hash

METHOD = """
@final
class Method(Base):
    Config = Settings

    def generate(self, samples):
        return [helper(sample, SCALE) for sample in samples]
"""
BASE = "class Base:\n    def fit(self):\n        self.fitted = True\n"
SETTINGS = "class Settings:\n    width: int = 3\n"
HELPER = """
def helper(sample, scale):
    from persongen_bench.core import images
    return scale
"""
START = "from typing import final\nimport functools\nSCALE = {'x': [1, 2.5]}\nOTHER = 1\n"


@pytest.fixture
def notebook(monkeypatch):
    """Runs cells as a notebook does: source in `linecache`, no file, one namespace."""

    def run(*cells):
        module = ModuleType("cells_of_a_notebook")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        for k, cell in enumerate(cells):
            name = f"<cell {k} of {id(module)}>"
            lines = cell.splitlines(keepends=True)
            monkeypatch.setitem(linecache.cache, name, (len(cell), None, lines, name))
            exec(compile(cell, name, "exec"), vars(module))
        return vars(module)["Method"]

    return run


CELLS = (START, HELPER, BASE, SETTINGS + METHOD)


def changed(place, old, new):
    assert old in CELLS[place]
    return [c.replace(old, new) if k == place else c for k, c in enumerate(CELLS)]


def test_the_same_cells_have_the_same_hash(notebook):
    assert source_hash(notebook(*CELLS)) == source_hash(notebook(*CELLS))
    assert source_hash(notebook("".join(CELLS))) == source_hash(notebook(*CELLS))


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        (3, "helper(sample, SCALE)", "helper(sample, 1)"),
        (3, "@final\n", ""),
        (3, "width: int = 3", "width: int = 4"),
        (2, "True", "False"),
        (1, "return scale", "return 2 * scale"),
        (1, "core import images", "core import errors"),
        (1, "def helper", "@functools.cache\ndef helper"),
        (0, "2.5", "2.6"),
    ],
)
def test_what_the_class_is_made_of_counts(notebook, place, old, new):
    assert source_hash(notebook(*changed(place, old, new))) != source_hash(notebook(*CELLS))


@pytest.mark.parametrize(
    "new",
    [
        "OTHER = 2", "from persongen_bench import cli", "def f(): pass",
        "sample = 2", "samples = 2", "scale = 2",  # names that are local to the method
    ],
)  # fmt: skip
def test_what_else_stands_in_the_notebook_does_not(notebook, new):
    cells = changed(0, "OTHER = 1", new)
    assert source_hash(notebook(*cells, "import torch\nOTHER = 3")) == source_hash(notebook(*CELLS))


def test_the_modules_of_ours_that_it_uses_count(notebook, monkeypatch):
    roots = []
    monkeypatch.setattr(closure, "code_hash", lambda modules: roots.append(modules) or "h")
    cells = changed(2, "class Base", "class Base(FromCatalog)")
    source_hash(notebook("from persongen_bench.methods._items import FromCatalog", *cells))
    # one import stands inside `helper`, the other at the top of a cell, used as a base class
    assert roots == [{"persongen_bench.core.images", "persongen_bench.methods._items"}]


def test_a_helper_behind_a_cache_counts(notebook):
    cells = changed(1, "def helper", "@functools.cache\ndef helper")
    more = [cell.replace("return scale", "return 3") for cell in cells]
    assert source_hash(notebook(*cells)) != source_hash(notebook(*more))


def test_a_class_without_source_is_one_clear_error(monkeypatch):
    module = ModuleType("typed_in_by_hand")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("class Method:\n    def fit(self): pass", vars(module))
    with pytest.raises(ConfigError, match="in a file, or in the notebook cell") as caught:
        provenance.code_of(vars(module)["Method"]())
    assert str(caught.value).startswith("the source of Method in typed_in_by_hand cannot be read")


SCRIPT = """
from persongen_bench.core.errors import ConfigError
from persongen_bench.util import provenance
SCALE = 1
class Settings: width = 3
class Method:
    config = Settings()
    def fit(self): return SCALE
try: print(provenance.code_of(Method()))
except ConfigError as error: print(error)
"""


def said(*arguments, **options):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, **options)
    return done.stdout.strip()


def test_a_script_counts_by_its_classes_and_not_as_a_whole(tmp_path):
    (tmp_path / "one.py").write_text(SCRIPT)
    (tmp_path / "two.py").write_text(f"{SCRIPT}import json  # nothing to the method\n")
    (tmp_path / "three.py").write_text(SCRIPT.replace("SCALE = 1", "SCALE = 2"))
    one, two, three = (said(tmp_path / f"{name}.py") for name in ("one", "two", "three"))
    assert one == two == said("-m", "one", cwd=tmp_path)
    assert one != three
    assert "cannot be read" not in one


def test_standard_input_has_no_source():
    assert "the source of Method in __main__ cannot be read" in said("-", input=SCRIPT)
