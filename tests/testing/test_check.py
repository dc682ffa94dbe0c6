"""`pgbench check`: one line per check, an honest exit status, no need of pytest."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, DataError, UnknownNameError
from persongen_bench.testing import MethodContract, toy_world
from persongen_bench.testing.check import check, find_kind
from persongen_bench.testing.toy import write_folder

pytestmark = pytest.mark.usefixtures("asks_a_warm_worker")


def test_good_entry_passes_with_one_line_per_check_and_a_summary():
    lines = []
    report = check("true-taste", lines.append)
    assert (report.kind, report.passed, report.exit_status) == ("metrics", True, 0)
    assert len(lines) == len(report.results) + 2
    assert re.fullmatch(r"worlds of seed \d+", lines[0])
    assert all(line.startswith("pass  ") for line in lines[1:-1])
    assert lines[-1].startswith(f"metric true-taste: {len(report.results)} checks, all passed in ")


class Broken:
    """Raises where the contract looks, in its own words."""

    presets: dict[str, dict[str, object]] = {}  # noqa: RUF012  # the shape of a method
    privileged = False
    generate_fields: frozenset[str] = frozenset()
    makes = "image"
    roles = ()

    class Config:
        pass


def test_fault_is_a_line_with_the_reason_not_a_traceback(monkeypatch):
    monkeypatch.setattr(registry, "get", lambda _kind, _name: Broken)
    lines = []
    report = check("random-item", lines.append)
    assert (report.passed, report.exit_status) == (False, 1)
    failed = [line for line in lines if line.startswith("FAIL")]
    assert failed
    assert all(len(line.splitlines()) == 2 for line in failed)
    assert "FAILED in" in lines[-1]


def test_privileged_anchor_is_excused_from_three_checks():
    whole = len(MethodContract.checks()) - 1  # the floor binds only where one is set
    assert len(check("oracle").results) == whole - 3
    assert len(check("mean-embedding").results) == whole


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean mean-embedding"):
        check("mean-embeding")


def test_kind_can_be_said():
    assert find_kind("methods:rebeca") == find_kind("method:rebeca") == "methods"
    assert find_kind("dsprites") == "datasets"
    with pytest.raises(ConfigError, match="unknown kind 'model'"):
        find_kind("model:rebeca")


def test_name_of_two_kinds_must_be_told_apart(monkeypatch):
    entries = registry.entries
    both = {"methods", "metrics"}
    monkeypatch.setattr(
        registry, "entries", lambda kind: {"twin": None} if kind in both else entries(kind)
    )
    with pytest.raises(ConfigError, match="Say method:twin or metric:twin"):
        check("twin")


def test_folder_of_a_data_set(tmp_path):
    report = check("folder", root=write_folder(toy_world(), tmp_path))
    assert report.passed, report.results


def test_absent_data_are_one_error_not_nine_failures(monkeypatch, tmp_path):
    monkeypatch.setenv("PGBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="Get the bundle"):
        check("flickr-aes")


def test_only_data_sets_have_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="only data sets"):
        check("true-taste", root=tmp_path)


def test_works_where_pytest_is_not_installed():
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from persongen_bench.testing.check import check\n"
        "sys.exit(check('copy-rate').exit_status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
