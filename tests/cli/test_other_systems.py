"""Other systems: no POSIX module at import, consoles of ASCII and old code pages, bare locales."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import persongen_bench

PACKAGE = Path(persongen_bench.__file__).parent
POSIX_ONLY = {"resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog",
              "crypt", "spwd", "nis", "readline", "curses"}  # fmt: skip
"""Modules of the standard library that Windows has not."""
ATTRIBUTES = {
    "os": {"fork", "forkpty", "sched_setaffinity", "sched_getaffinity", "getuid", "geteuid",
           "getgid", "setsid", "mkfifo", "statvfs", "chown", "killpg", "wait4", "O_NOFOLLOW",
           "O_DIRECTORY", "uname", "register_at_fork"},
    "signal": {"SIGKILL", "SIGALRM", "SIGHUP", "alarm", "setitimer", "pthread_sigmask"},
    "socket": {"AF_UNIX"},
}  # fmt: skip
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "templates" not in path.parts)

ELSEWHERE = f"""
import builtins, os, signal, socket, sys
real, posix = builtins.__import__, {POSIX_ONLY!r}
def checked(name, globals=None, locals=None, fromlist=(), level=0):
    whose = str((globals or {{}}).get("__name__"))
    if name.partition(".")[0] in posix and whose.startswith("persongen_bench"):
        raise ModuleNotFoundError(f"{{whose}} imports {{name}}")
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = checked
"""


def at_import(tree):
    """Nodes of a module that run when it is imported: not those in functions."""
    waiting = list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults]
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            waiting += ast.iter_child_nodes(node)


def posix_in(tree):
    for node in at_import(tree):
        if isinstance(node, ast.Import):
            yield from ({alias.name.partition(".")[0] for alias in node.names} & POSIX_ONLY)
        if isinstance(node, ast.ImportFrom):
            yield from ({(node.module or "").partition(".")[0]} & POSIX_ONLY)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from ({node.attr} & ATTRIBUTES.get(node.value.id, set()))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_of_posix_at_import(path):
    assert list(posix_in(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_the_check_sees_what_it_should():
    bad = (
        "import resource\nfrom fcntl import flock\nX = os.O_NOFOLLOW\ndef f(a=os.fork): import pwd"
    )
    assert sorted(posix_in(ast.parse(bad))) == ["O_NOFOLLOW", "fcntl", "fork", "resource"]


def python(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, check=False, timeout=300,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("words", [("--help",), ("list",), ("list", "boards")], ids=" ".join)
def test_light_commands_without_posix(words):
    code = f"{ELSEWHERE}\nfrom persongen_bench.cli import main\nsys.argv[0] = 'pgbench'\nmain()"
    done = python(code, *words)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.slow
def test_every_module_without_posix():
    names = [".".join(("persongen_bench", *path.relative_to(PACKAGE).with_suffix("").parts))
             for path in FILES if path.name not in ("__main__.py", "worker.py")]  # fmt: skip
    code = f"{ELSEWHERE}\nimport importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = python(code)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


BARE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
CONSOLES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
    "bare": BARE,
}
PROGRAM = "from persongen_bench.cli import main; main()"


@pytest.mark.parametrize(
    ("console", "words"),
    [
        ("ascii", ("show", "metric", "taste-gap")), ("ascii", ("list", "boards", "-f", "json")),
        ("ascii", ("list", "Zoë-北京")), ("cp1252", ("list", "Zoë-北京")),
        ("cp437", ("run", "--help")), ("bare", ("--help",)), ("bare", ("list", "Zoë-北京")),
    ],
    ids=str,
)  # fmt: skip
def test_every_console_shows_something(console, words):
    done = python(PROGRAM, *words, **CONSOLES[console])
    said = (done.stdout + done.stderr).decode(CONSOLES[console].get("PYTHONIOENCODING", "ascii"))
    assert "Traceback" not in said
    assert said.strip()
    assert done.returncode == (2 if words[-1][0] == "Z" else 0)


def test_names_are_never_cut():
    """Off a terminal the whole name stands in every line, however narrow it is said to be."""
    from persongen_bench.api import cards

    done = python(PROGRAM, "list", "metrics", COLUMNS="20")
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        row["metric"] for row in cards.rows("metrics")
    ]
    helped = python(PROGRAM, "run", "--help", COLUMNS="20").stdout.decode()
    assert "--pseudonymize" in helped
    assert "…" not in helped
