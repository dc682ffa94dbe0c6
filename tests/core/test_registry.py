"""Names to implementations: of this package, of a third party, of a notebook."""

import subprocess
import sys

import pytest
from plugin_case import fresh_registry, install

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, UnknownNameError

PLUGIN = {"shop_tools/__init__.py": "", "shop_tools/methods.py": "class Draw:\n    '''Draws.'''\n"}


@pytest.fixture
def fresh(monkeypatch):
    fresh_registry(monkeypatch)


def test_third_party_entries_carry_their_distribution(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, {"methods": {"draw": "shop_tools.methods:Draw"}}, PLUGIN)
    entries = registry.entries("methods")
    assert entries["shop-tools/draw"].distribution == "shop-tools"
    assert "shop_tools.methods" not in sys.modules  # listing imports nothing
    assert registry.get("methods", "shop-tools/draw").__name__ == "Draw"
    with pytest.raises(UnknownNameError, match="Did you mean shop-tools/draw"):
        registry.get("methods", "draw")
    names = list(entries)
    assert names.index("rebeca") < names.index("shop-tools/draw")


@pytest.mark.parametrize("kind", registry.KINDS)
def test_what_is_registered_at_run_time_is_local(fresh, kind):
    before = set(registry.entries(kind))
    thing = object()
    registry.register(kind, "mine", thing)
    assert set(registry.entries(kind)) - before == {"local/mine"}
    assert registry.get(kind, "local/mine") is thing
    assert registry.entries(kind)["local/mine"].distribution == "local"
    with pytest.raises(UnknownNameError, match="Did you mean local/mine"):
        registry.get(kind, "mine")


def test_a_later_one_replaces_an_earlier_one_of_its_kind_only(fresh):
    for kind, thing in (("methods", 1), ("metrics", 2), ("methods", 3)):
        registry.register(kind, "mine", thing)
    assert registry.get("methods", "local/mine") == 3
    assert registry.get("metrics", "local/mine") == 2


def test_nothing_installed_is_ever_shadowed(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, {"methods": {"draw": "shop_tools.methods:Draw"}}, PLUGIN)
    with pytest.raises(ConfigError, match="'shop-tools/draw' belongs to an installed package"):
        registry.register("methods", "draw", object, distribution="shop-tools")
    with pytest.raises(ConfigError, match="belongs to an installed package"):
        registry.register("methods", "new", object, distribution="persongen-bench")
    registry.register("methods", "rebeca", object)
    assert registry.get("methods", "rebeca").__name__ == "Rebeca"
    assert registry.get("methods", "local/rebeca") is object


@pytest.mark.parametrize("name", ["", "My method", "../x", "a/b", "X"])
def test_a_malformed_name_is_refused(fresh, name):
    with pytest.raises(ConfigError, match="is malformed"):
        registry.register("methods", name, object)


def test_an_unknown_kind_is_refused(fresh):
    with pytest.raises(ConfigError, match=r"no kind is called 'method'.*methods, datasets"):
        registry.register("method", "mine", object)


def test_a_broken_plugin_is_named(tmp_path, monkeypatch):
    points = {"draw": "shop_tools.methods:Paint"}
    boards = {"shop": "shop_tools.nowhere:shop"}
    install(tmp_path, monkeypatch, {"methods": points, "boards": boards}, PLUGIN)
    for kind, name in (("methods", "draw"), ("boards", "shop")):
        with pytest.raises(ConfigError, match="of distribution 'shop-tools' does not import"):
            registry.get(kind, f"shop-tools/{name}")


def test_a_board_is_the_file_beside_its_package(tmp_path, monkeypatch):
    files = {**PLUGIN, "shop_tools/boards/__init__.py": "", "shop_tools/boards/shop.toml": "x = 1"}
    install(tmp_path, monkeypatch, {"boards": {"shop": "shop_tools.boards:shop"}}, files)
    file = registry.get("boards", "shop-tools/shop")
    assert file.read_text(encoding="utf-8") == "x = 1"


def test_listing_boards_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from persongen_bench.leaderboards.board import read_boards\n"
        "assert read_boards()[0], 'no boards'\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'matplotlib', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
