"""`pgbench new KIND` writes a package that installs and passes the check as it is."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib

import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize("kind", SKELETONS)
def test_generated_package_installs_and_passes(kind, tmp_path):
    folder, site = write_plugin(kind, "hue-wheel", tmp_path / "source"), tmp_path / "site"
    paths = (str(site), os.environ.get("PYTHONPATH", ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def python(*command):
        return subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    done = python(*install, "--target", str(site), str(folder))
    assert done.returncode == 0, done.stderr
    checked = python("-m", "persongen_bench", "check", "hue-wheel/hue-wheel")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests"))
    assert tested.returncode == 0, tested.stdout
