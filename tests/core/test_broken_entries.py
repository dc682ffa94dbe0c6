"""A plugin that is broken is named with the reason; every other entry is as it was."""

import sys

import pytest
from plugin_case import install

from persongen_bench.api import cards, listing
from persongen_bench.api.probing import imported_apart
from persongen_bench.api.search import selectable
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.metric_cards import broken_metrics, every_metric
from persongen_bench.core.seams import cause_of, others_code
from persongen_bench.leaderboards.board import read_boards

FILES = {
    "shop_tools/__init__.py": "",
    "shop_tools/fine.py": "class Draw:\n    '''Draws.'''\n",
    "shop_tools/syntax.py": "def f(:\n",
    "shop_tools/leaves.py": "import sys\nsys.exit(0)\n",
    "shop_tools/dies.py": "import os\nprint('bye')\nos._exit(0)\n",
    "shop_tools/odd.py": "class Odd(BaseException): pass\nraise Odd('no\\x1b[31m way')\n",
    "shop_tools/mute.py": (
        "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute\n"
    ),
    "shop_tools/deep.py": "x = " + "(" * 5000 + ")" * 5000,
    "shop_tools/zero.py": "x = '\0'\n",
}
BROKEN = {  # entry => its value, what loading it says, what the list says without importing it
    "syntax": ("shop_tools.syntax:Draw", r"SyntaxError: .*syntax\.py", "SyntaxError"),
    "leaves": ("shop_tools.leaves:Draw", r"it ends the program \(SystemExit 0\)", ""),
    "odd": ("shop_tools.odd:Draw", r"Odd: no\\x1b\[31m way", ""),
    "mute": ("shop_tools.mute:Draw", "Mute", ""),
    "deep": ("shop_tools.deep:Draw", "does not import", "broken:"),
    "zero": ("shop_tools.zero:Draw", "does not import", "null bytes"),
    "nothing": ("shop_tools.fine:Paint", "no attribute 'Paint'", ""),
    "nowhere": ("shop_tools.nowhere:Draw", "No module named", "no module shop_tools.nowhere"),
    "value": ("not a value", "expected module:name", "expected module:name"),
    "Mine": ("shop_tools.fine:Draw", "malformed name", "malformed name"),
    "has space": ("shop_tools.fine:Draw", "malformed name", "malformed name"),
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    points = {name: value for name, (value, _, _) in BROKEN.items()}
    groups = {kind: {"draw": "shop_tools.fine:Draw", **points} for kind in ("methods", "metrics")}
    install(tmp_path, monkeypatch, groups, FILES)
    return tmp_path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_entry_refuses_to_load_by_name_and_its_neighbours_do_not(shop, name):
    with pytest.raises(ConfigError, match=f"method 'shop-tools/{name}'.*{BROKEN[name][1]}") as told:
        registry.get("methods", f"shop-tools/{name}")
    assert str(told.value).isprintable()
    assert registry.get("methods", "shop-tools/draw").__name__ == "Draw"
    assert registry.get("methods", "rebeca").__name__ == "Rebeca"


def test_the_list_marks_what_the_source_tells_and_imports_nothing(shop):
    rows = {row["name"]: row["what it is"] for row in cards.rows("methods")}
    assert rows["shop-tools/draw"] == "Draws."
    assert rows["rebeca"]
    for name, (_, _, said) in BROKEN.items():
        text = rows[f"shop-tools/{name}"]
        assert said in text
        assert text.startswith(listing.BROKEN) == bool(said), name
    assert not {m for m in sys.modules if m.startswith("shop_tools.")}


def test_one_broken_metric_leaves_the_others_in_the_list(shop):
    rows = {row["metric"]: row for row in cards.rows("metrics")}
    assert "SystemExit 0" in rows["shop-tools/leaves"]["signature"]
    assert "AttributeError" in rows["shop-tools/draw"]["signature"]  # a class that is no metric
    assert rows["novelty"]["signature"].startswith("novelty|")
    with pytest.raises(ConfigError, match="metric shop-tools/draw does not open: Attr"):
        cards.card("metric", "shop-tools/draw")


def test_all_metrics_are_those_that_open_and_the_others_are_named(shop):
    broken = broken_metrics()
    assert {name.partition("/")[0] for name in broken} == {"shop-tools"}
    assert "SystemExit 0" in broken["shop-tools/leaves"]
    assert "novelty" in every_metric()
    assert not any(name.startswith("shop-tools") for name in every_metric())
    assert "rebeca" in selectable()  # which asks every method


def test_doctor_names_each_even_one_that_ends_or_holds_up_the_process(shop, monkeypatch):
    more = {"dies": "shop_tools.dies:Draw", "hangs": "shop_tools.hangs:Draw"}
    (shop / "shop_tools" / "hangs.py").write_text("import time\ntime.sleep(600)\n")
    points = {"draw": "shop_tools.fine:Draw", **more, "leaves": "shop_tools.leaves:Draw"}
    install(shop / "more", monkeypatch, {"methods": points}, {}, name="more-tools")
    monkeypatch.setattr("persongen_bench.api.probing.PATIENCE", 5)
    asked = [registry.find("methods", f"more-tools/{name}") for name in points]
    dies, hangs, leaves = imported_apart(asked)
    assert "'more-tools/dies' of distribution 'more-tools' ends the program (status 0)" in dies
    assert "'more-tools/hangs'" in hangs
    assert "does not end within 5 seconds" in hangs
    assert "'more-tools/leaves'" in leaves
    assert "SystemExit 0" in leaves


def test_an_entry_that_two_distributions_bring_is_nobodys(tmp_path, monkeypatch):
    points = {"methods": {"draw": "shop_tools.fine:Draw", "other": "shop_tools.fine:Draw"}}
    install(tmp_path / "a", monkeypatch, points, FILES)
    twin = {"methods": {"draw": "shop_copy.fine:Draw"}}
    files = {"shop_copy/__init__.py": "", "shop_copy/fine.py": FILES["shop_tools/fine.py"]}
    install(tmp_path / "b", monkeypatch, twin, files, name="Shop_Tools")
    entries = registry.entries("methods")
    (name,) = (name for name in entries if name.lower().endswith("tools/draw"))
    assert "registered by two distributions, Shop_Tools 1.0 and shop-tools 1.0" in (
        entries[name].problem
    )
    assert registry.get("methods", "shop-tools/other").__name__ == "Draw"


def test_the_same_name_and_module_in_two_places_is_told_too(tmp_path, monkeypatch):
    points = {"methods": {"draw": "shop_tools.fine:Draw"}}
    for place in ("a", "b"):
        install(tmp_path / place, monkeypatch, points, FILES)
    assert "two distributions" in registry.find("methods", "shop-tools/draw").problem


def test_one_installation_that_is_found_twice_is_one(tmp_path, monkeypatch):
    """An editable install: metadata in two folders, the module in one."""
    points = {"methods": {"draw": "shop_tools.fine:Draw"}}
    install(tmp_path / "a", monkeypatch, points, FILES)
    install(tmp_path / "b", monkeypatch, points, {})
    assert registry.get("methods", "shop-tools/draw").__name__ == "Draw"


def test_a_distribution_that_calls_itself_as_this_one_replaces_nothing(tmp_path, monkeypatch):
    points = {"methods": {"rebeca": "shop_tools.fine:Draw", "mine": "shop_tools.fine:Draw"}}
    install(tmp_path, monkeypatch, points, FILES, name="Persongen_Bench")
    assert registry.get("methods", "rebeca").__name__ == "Rebeca"
    assert (
        "calls itself persongen-bench" in registry.find("methods", "persongen-bench/mine").problem
    )


def test_a_board_is_read_without_importing_its_package(tmp_path, monkeypatch):
    boards = {"boards": {"bad": "shop_tools:bad", "deep": "shop_tools:deep"}}
    files = {"shop_tools/__init__.py": "import sys\nsys.exit(0)\n", "shop_tools/bad.toml": "x = 1",
             "shop_tools/deep.toml": "x = " + "[" * 5000}  # fmt: skip
    install(tmp_path, monkeypatch, boards, files)
    good, broken = read_boards()
    assert "tasteworld" in good
    assert set(broken) == {"shop-tools/bad", "shop-tools/deep"}
    assert "shop_tools" not in sys.modules


def test_others_code_lets_our_errors_and_an_interruption_pass():
    for error in (ConfigError("ours"), KeyboardInterrupt()):
        with pytest.raises(type(error)), others_code("plugin x"):
            raise error
    said = r"^plugin x: it ends the program \(SystemExit\)$"
    with pytest.raises(PgbenchError, match=said), others_code("plugin x"):
        sys.exit()


def test_a_cause_is_one_printable_line_of_bounded_length():
    text = cause_of(ValueError("a\nb\x1b]0;t\x07\u202e" + "c" * 10_000))
    assert text.isprintable()
    assert text.startswith("ValueError: a b")
    assert len(text) < 400
