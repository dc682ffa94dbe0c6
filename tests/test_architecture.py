"""The rules of the code base that a machine can check."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "persongen_bench"

# The rooms from the ground up: a folder imports its own tier and lower ones, never a higher one.
TIERS = (
    {"core"},
    {"util"},
    {"stats", "worlds", "rankers"},
    {"stacks"},
    {"datasets", "methods", "metrics", "tracks"},
    {"loop"},
    {"leaderboards"},
    {"site", "study"},
    {"api", "testing"},
    {"instruments"},
    {"cli"},
)
# What plugins test themselves with needs the nouns and the tools only.
TESTING = {"core", "util", "testing"}
SEPARATE = [tier for tier in TIERS if len(tier) > 1]
"""Rooms of one tier that never import one another."""
DOOR = {"__init__", "__main__"}
"""The only modules outside a room; the first loads `api` when it is asked to, the second `cli`."""
HUBS = {
    "loop/run.py", "loop/store.py", "core/registry.py", "core/types.py", "core/dataset.py",
    "cli/app.py",
}  # fmt: skip
MAX_LEAF, MAX_HUB, MAX_FUNCTION, MAX_PARAMETERS = 250, 300, 60, 6

FILES = sorted(p for p in PACKAGE.rglob("*.py") if "templates" not in p.parts)


def room(path: Path) -> str:
    """First name below the package: ``methods`` for methods/rebeca/network.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def every_file(rule):
    """A rule of one file as a test for every room, which names all files that break it."""

    @pytest.mark.parametrize("name", sorted({room(path) for path in FILES}))
    def holds(name):
        broken = []
        for path in FILES:
            if room(path) == name:
                try:
                    rule(path)
                except AssertionError as error:
                    broken.append(f"{path.relative_to(PACKAGE)}: {error}")
        assert not broken, "\n".join(broken)

    return holds


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree_of(path)))


def tier(name: str) -> int:
    return next(k for k, names in enumerate(TIERS) if name in names)


@cache
def imported(path: Path) -> set[str]:
    """Rooms that a file imports from, at its top or inside functions."""
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: import by the full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = (name.split(".") for name in found if name.startswith("persongen_bench."))
    return {names[1] for names in inside} - {"__version__"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def modules_imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, at its top or inside functions."""
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found & MODULES


def functions(path: Path):
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.fixture(scope="module", autouse=True)
def nothing_stays_parsed():
    """Half a million nodes would slow the tests of other files."""
    yield
    for kept in (tree_of, nodes_of, imported, calls):
        kept.cache_clear()


@cache
def calls(path: Path) -> tuple[tuple[ast.Call, str], ...]:
    """Every call with the text of what is called."""
    return tuple((n, ast.unparse(n.func)) for n in nodes_of(path) if isinstance(n, ast.Call))


def test_the_root_holds_rooms_only():
    loose = {path.stem for path in PACKAGE.glob("*.py")}
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert loose == DOOR
    assert rooms == set().union(*TIERS)


@every_file
def test_imports_point_downwards(path):
    own = room(path)
    if own in DOOR:
        return
    if own == "testing":
        assert imported(path) <= TESTING
    upward = {name for name in imported(path) if tier(name) > tier(own)}
    assert not upward, f"{own} imports {sorted(upward)}"


@every_file
def test_rooms_side_by_side_do_not_import_one_another(path):
    for side in SEPARATE:
        if room(path) in side:
            assert not imported(path) & side - {room(path)}


def test_no_import_goes_round_in_a_circle():
    graph = {module_of(path): modules_imported(path) for path in FILES}
    sorter = graphlib.TopologicalSorter(
        {name: {found for found in imports if found != name} for name, imports in graph.items()}
    )
    sorter.prepare()


@every_file
def test_file_is_short(path):
    most = MAX_HUB if path.relative_to(PACKAGE).as_posix() in HUBS else MAX_LEAF
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= most, f"{lines} lines, at most {most}"


@every_file
def test_functions_are_short_and_take_few_parameters(path):
    for node in functions(path):
        length = node.end_lineno - node.lineno + 1
        where = f"{path.name}:{node.lineno} {node.name}"
        assert length <= MAX_FUNCTION, f"{where}: {length} lines"
        if not decorated_as_command(node):
            assert parameters(node) <= MAX_PARAMETERS, f"{where}: {parameters(node)} parameters"


def decorated_as_command(node) -> bool:
    """A command's options are its parameters; typer has no other way to say them."""
    return any("command" in ast.unparse(d) or "callback" in ast.unparse(d)
               for d in node.decorator_list)  # fmt: skip


def parameters(node) -> int:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([a for a in given if a.arg not in ("self", "cls")])


def test_functions_are_short_on_the_whole():
    lengths = sorted(n.end_lineno - n.lineno + 1 for p in FILES for n in functions(p))
    assert lengths[len(lengths) // 2] <= 8, "median"
    assert lengths[int(0.9 * len(lengths))] <= 30, "90th percentile"


@every_file
def test_everything_is_annotated(path):
    for node in functions(path):
        where = f"{path.name}:{node.lineno} {node.name}"
        assert node.returns is not None, f"{where}: no return annotation"
        bare = [a.arg for a in [*node.args.args, *node.args.kwonlyargs] if a.annotation is None]
        assert set(bare) <= {"self", "cls"}, f"{where}: {bare} without annotation"


@every_file
def test_public_things_are_documented(path):
    assert ast.get_docstring(tree_of(path)), "module without docstring"
    for node in public_definitions(tree_of(path)):
        assert ast.get_docstring(node), f"{path.name}:{node.lineno} {node.name}: no docstring"


def public_definitions(scope):
    """Public classes and functions, and the public methods of public classes."""
    for node in scope.body:
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if named and not node.name.startswith("_") and not is_nested_config(scope, node):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node)


def is_nested_config(scope, node) -> bool:
    overload = any("overload" in ast.unparse(d) for d in node.decorator_list)
    return overload or (isinstance(scope, ast.ClassDef) and node.name == "Config")


UNSAFE_MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"}


@every_file
def test_nothing_can_run_code_from_data(path):
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in UNSAFE_MODULES, node.lineno
    for node, name in calls(path):
        where = f"{path.name}:{node.lineno}"
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        assert name not in ("eval", "exec"), f"{where}: {name}"
        assert name.split(".")[0] not in UNSAFE_MODULES, f"{where}: {name}"
        assert name != "yaml.load", f"{where}: use yaml.safe_load"
        assert name != "torch.load" or keywords.get("weights_only") == "True", where
        assert keywords.get("allow_pickle", "False") == "False", where
        assert keywords.get("trust_remote_code", "False") == "False", where


OWN_GENERATORS = re.compile(
    r"np\.random\.(default_rng|Generator|SeedSequence|PCG64|BitGenerator)\b"
)
GLOBAL_GENERATORS = re.compile(
    r"(np|numpy)\.random\.\w+|torch\.(manual_seed|seed|rand|randn|randint|randperm)|"
    r"random\.(seed|random|shuffle|choice|randint|sample|uniform)|torch\.cuda\.manual_seed\w*"
)
DISTURBS_THEM_ON_PURPOSE = {"testing/observe.py"}


@every_file
def test_no_global_random_generator(path):
    if str(path.relative_to(PACKAGE)) in DISTURBS_THEM_ON_PURPOSE:
        return
    for node, name in calls(path):
        passed = {k.arg for k in node.keywords} | {ast.unparse(a) for a in node.args}
        explicit = "generator" in passed or OWN_GENERATORS.fullmatch(name)
        wrong = GLOBAL_GENERATORS.fullmatch(name) and not explicit
        assert not wrong, f"{path.name}:{node.lineno}: {name} uses a global generator"


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["list", "methods"]])
def test_command_line_starts_light(command):
    code = (
        "import sys; from persongen_bench import cli\n"
        f"sys.argv = ['pgbench', *{command!r}]\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'diffusers', 'transformers', 'matplotlib', 'sklearn'}\n"
        "if sys.argv[1:] == ['list', 'methods']: heavy -= {'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_package_imports_light():
    code = "import sys, persongen_bench; print({'torch', 'pandas', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_runs_import_torch_for_models_that_need_it_alone():
    """Two seconds of every start, where the stack computes without it."""
    code = "import sys, persongen_bench.api.campaign; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def tracked_files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


# The first letter of each in brackets, so that this file does not find itself.
PRIVATE = re.compile(
    r"/[w]ork/|/[f]arm/|/[r]oot/|/[h]ome/|/[t]mp/|[b]ash_jobs|[p]ypi\.org|[p]ythonhosted"
)


def test_no_tracked_file_names_a_machine():
    for path in tracked_files():
        if path.suffix in (".png", ".safetensors", ".npz", ".parquet") or not path.exists():
            continue
        found = PRIVATE.search(path.read_text(encoding="utf-8", errors="replace"))
        assert found is None, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_every_entry_point_names_a_class_with_the_declared_file():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for group, points in project["entry-points"].items():
        for name, value in points.items():
            module = value.partition(":")[0].removeprefix("persongen_bench.").replace(".", "/")
            exists = (PACKAGE / f"{module}.py").exists() or (PACKAGE / module).is_dir()
            assert exists, f"{group} {name}: {value}"
