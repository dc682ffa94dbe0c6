"""`pgbench new KIND` writes a package that installs and passes the check as it is."""

from __future__ import annotations

import ast
import tomllib

import pytest
from example_case import Place, install, with_warm_python

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.testing.scaffold import SKELETONS, write_method, write_plugin


def test_writes_a_package(tmp_path):
    folder = write_method("hue-wheel", tmp_path / "new")
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {
        "pyproject.toml",
        "README.md",
        "src/hue_wheel/__init__.py",
        "tests/test_contract.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["persongen_bench.methods"] == {"hue-wheel": "hue_wheel:HueWheel"}
    source = ast.parse((folder / "src/hue_wheel/__init__.py").read_text())
    assert {n.name for n in source.body if isinstance(n, ast.ClassDef)} == {
        "HueWheelConfig",
        "HueWheel",
    }
    assert not any("{{" in path.read_text() for path in folder.rglob("*") if path.is_file())


def test_default_folder_is_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (tmp_path / write_method("mine") / "pyproject.toml").exists()
    assert (tmp_path / "mine").is_dir()


@pytest.mark.parametrize(
    "name", ["", "My-Method", "my_method", "1st", "a--b", "-a", "a-", "../up", "a/b", "a b", "é"]
)
def test_malformed_name_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="is not a method name"):
        write_method(name, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["persongen-bench", "class", "tests"])
def test_taken_name_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="is taken"):
        write_method(name, tmp_path / "new")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    kept = tmp_path / "mine" / "thesis.txt"
    kept.write_text("precious")
    with pytest.raises(ConfigError, match="exists already"):
        write_method("mine", tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    assert kept.read_text() == "precious"


@pytest.mark.parametrize("kind", SKELETONS)
def test_every_kind_of_package(kind, tmp_path):
    """It declares what `pgbench new KIND` was asked for, and nothing of a template is left."""
    folder = write_plugin(kind, "hue-wheel", tmp_path / "new")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    (group,) = project["entry-points"]
    assert group == f"persongen_bench.{kind}s"
    assert list(project["entry-points"][group]) == ["hue-wheel"]
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert not any(mark in text for text in texts.values() for mark in ("{{", "{%"))
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text())
    assert f"pgbench new {kind} hue-wheel" in (folder / "README.md").read_text()


def test_a_misspelt_kind(tmp_path):
    with pytest.raises(ConfigError, match="no kind is called 'metod'"):
        write_plugin("metod", "mine", tmp_path / "mine")


def test_every_registered_kind_has_a_skeleton():
    assert [f"{kind}s" for kind in SKELETONS] == sorted(registry.KINDS, key=order)


def order(kind):
    return list(SKELETONS).index(kind.removesuffix("s"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A package of every kind, each as it was written, installed beside one another."""
    folder = tmp_path_factory.mktemp("packages")
    written = [write_plugin(kind, f"{kind}-wheel", folder / kind) for kind in SKELETONS]
    with with_warm_python(install(folder, *written)) as installed:
        yield Place(installed, folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SKELETONS)
def test_generated_package_installs_and_passes(kind, packages):
    assert "all passed" in packages.pgbench("check", f"{kind}-wheel/{kind}-wheel")
    tests = packages.folder / kind / "tests"
    tested = packages.python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests))
    assert tested.returncode == 0, tested.stdout
    assert " passed" in tested.stdout
