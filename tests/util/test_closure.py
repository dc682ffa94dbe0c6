"""What counts as the code of something: followed by hand in packages of a few lines."""

import subprocess
import sys

import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.loop import making
from persongen_bench.methods.rebeca import Rebeca
from persongen_bench.methods.wrong_user import WrongUser
from persongen_bench.stacks.sandbox import SandboxStack
from persongen_bench.util import closure, provenance
from persongen_bench.util.closure import code_hash, import_closure

CACHES = (closure._closure_hash, closure._spec, closure._content, closure.imports_of)


@pytest.fixture(autouse=True)
def nothing_cached():
    for cache in CACHES:
        cache.cache_clear()
    yield
    for cache in CACHES:
        cache.cache_clear()


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Writes modules by name (``a.b`` => a/b.py; packages get their ``__init__``)."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in path.relative_to(tmp_path).parents[:-1]:
                (tmp_path / folder / "__init__.py").touch()
            path.write_text(source)
        return tmp_path

    return write


def names(*roots):
    return set(import_closure(roots))


@pytest.mark.parametrize(
    ("source", "followed"),
    [
        ("import pk.b", {"pk.b"}),
        ("import pk.b as other, pk.c", {"pk.b", "pk.c"}),
        ("from pk.b import name", {"pk.b"}),
        ("from pk import b", {"pk.b"}),
        ("from pk.b import *", {"pk.b"}),
        ("from . import b, c", {"pk.b", "pk.c"}),
        ("from .b import name", {"pk.b"}),
        ("from .deep.d import name", {"pk.deep", "pk.deep.d"}),
        ("def f():\n    from pk import b", {"pk.b"}),
        ("class A:\n    async def f(self):\n        import pk.b", {"pk.b"}),
        ("try:\n    import pk.b\nexcept ImportError:\n    import pk.c", {"pk.b", "pk.c"}),
        ("with open('x') as f:\n    import pk.b", {"pk.b"}),
        ("match 1:\n    case 1:\n        import pk.b", {"pk.b"}),
        ("for i in ():\n    pass\nelse:\n    import pk.b", {"pk.b"}),
        ("if TYPE_CHECKING:\n    import pk.b", set()),
        ("if typing.TYPE_CHECKING:\n    import pk.b\nelse:\n    import pk.c", {"pk.c"}),
        ("if not TYPE_CHECKING:\n    import pk.b", {"pk.b"}),
        ("'''import pk.b'''\n# import pk.b", set()),
        ("import numpy, torch.nn\nfrom pandas import DataFrame", set()),
        ("import pk.nowhere_to_be_found", set()),
        ("from .... import b\nfrom ...pk.b import name", set()),
    ],
)
def test_an_import_is_followed_where_it_runs(modules, source, followed):
    modules(pk__a=source, pk__b="", pk__c="", pk__deep__d="")
    assert names("pk.a") == {"pk", "pk.a"} | followed


def test_an_import_of_an_import_is_followed_and_circles_end(modules):
    modules(pk__a="import pk.b", pk__b="from pk import c", pk__c="import pk.a", pk__d="")
    assert names("pk.a") == names("pk.c") == {"pk", "pk.a", "pk.b", "pk.c"}


def test_what_a_package_brings_is_followed(modules):
    folder = modules(pk__a="from pk.deep import name", pk__deep__d="name = 1", pk__b="")
    (folder / "pk" / "deep" / "__init__.py").write_text("from pk.deep.d import name")
    assert names("pk.a") == {"pk", "pk.a", "pk.deep", "pk.deep.d"}
    (folder / "pk" / "__init__.py").write_text("from . import b")
    closure.imports_of.cache_clear()
    closure._content.cache_clear()
    assert names("pk.deep.d") == {"pk", "pk.b", "pk.deep", "pk.deep.d"}


def test_other_packages_are_not_followed_but_this_one_is(modules):
    modules(pk__a="import other\nfrom persongen_bench.core.errors import DataError", other="")
    own = {"persongen_bench.core", "persongen_bench.core.errors", "persongen_bench.core.plain"}
    assert names("pk.a") == {"pk", "pk.a"} | own
    assert names("pk.a", "other") == {"pk", "pk.a", "other"} | own


def test_our_door_counts_where_a_name_is_taken_from_it(modules):
    door = "persongen_bench"
    modules(
        one="from persongen_bench import core",
        two="from persongen_bench import __version__",
        three="import persongen_bench",
        four="import persongen_bench.core",
    )
    assert names("one") - {"one"} == names("four") - {"four"} == {"persongen_bench.core"}
    assert {door} <= names("two")
    assert {door} <= names("three")


def test_nothing_is_imported():
    code = (
        "import sys; from persongen_bench.util.closure import import_closure\n"
        "before = set(sys.modules)\n"
        "import_closure(['persongen_bench.methods.rebeca', 'persongen_bench.cli'])\n"
        "print(sorted(m for m in set(sys.modules) - before if m.startswith('persongen_bench')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_compiled_module_counts_by_its_bytes(modules):
    from importlib.machinery import EXTENSION_SUFFIXES

    folder = modules(pk__a="from pk import fast")
    built = folder / "pk" / f"fast{EXTENSION_SUFFIXES[0]}"
    built.write_bytes(b"\x7fELF import pk.b")
    assert import_closure(["pk.a"])["pk.fast"] == built


def test_the_hash_is_that_of_names_and_contents(modules):
    folder = modules(pk__a="import pk.b", pk__b="x = 1", pk__c="")

    def edited(name, text):
        (folder / name).write_text(text)
        for cache in CACHES:
            cache.cache_clear()
        return code_hash(["pk.a"])

    before = code_hash(["pk.a"])
    assert len(before) == 16
    assert edited("pk/c.py", "y = 2") == before
    assert edited("pk/b.py", "x = 2") != before
    assert edited("pk/b.py", "x = 1") == before
    assert edited("pk/a.py", "import pk.b, pk.c") != before
    assert code_hash(["pk.b", "pk.a", "pk.b"]) == code_hash(["pk.a", "pk.b"])


def test_what_cannot_be_read_is_one_clear_error(modules):
    modules(pk__a="import pk.b", pk__b="x = (")
    with pytest.raises(ConfigError, match=r"module pk.nowhere has no source file"):
        import_closure(["pk.nowhere"])
    with pytest.raises(ConfigError, match=r"pk/b.py: line 1: '\(' was never closed"):
        import_closure(["pk.a"])


# --- of methods and stacks -----------------------------------------------------------------


def test_a_method_and_a_stack_stand_for_their_modules():
    roots = ["persongen_bench.methods.rebeca.method", "persongen_bench.stacks.sandbox"]
    said = provenance.code_of(Rebeca(Rebeca.Config()), SandboxStack(), making)
    assert said == code_hash([*roots, "persongen_bench.loop.making"])


def test_a_wrapped_method_counts_too():
    def of(base):
        return provenance.code_of(WrongUser(WrongUser.Config(base=base)))

    own = "persongen_bench.methods.wrong_user"
    assert of("rebeca") == code_hash([own, "persongen_bench.methods.rebeca.method"])
    assert of("rebeca") != of("copy-history")


def test_a_class_that_is_inherited_from_counts(modules):
    modules(
        pk__a="from pk.b import Base\nclass Method(Base): pass",
        pk__b="from persongen_bench.methods._items import FromCatalog\nclass Base(FromCatalog): 1",
    )
    assert {"pk.b", "persongen_bench.methods._items"} <= names("pk.a")
