"""What the contracts share: their named checks, and finding a contract again elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from persongen_bench.testing.require import ContractError, require

T = TypeVar("T")
TIMEOUT_SECONDS = 300


class Contract:
    """Base of the contracts. Subclass one in a test module; pytest runs its ``test_`` methods.

    ``pgbench check`` runs the same methods without pytest.
    """

    subject: ClassVar[str] = ""
    """Name of the class attribute that says what is under test, such as ``method``."""

    _kept: ClassVar[WeakKeyDictionary[type, dict[str, Any]]] = WeakKeyDictionary()

    @classmethod
    def checks(cls) -> list[str]:
        """Names of the checks in the order of their definition, base classes first."""
        names: dict[str, None] = {}
        for owner in reversed(cls.__mro__):
            names.update(dict.fromkeys(n for n in vars(owner) if n.startswith("test_")))
        return list(names)

    def prepare(self) -> None:
        """Get what every check needs; an error here means that nothing can be checked."""

    def applies(self, check: str) -> bool:  # noqa: ARG002  # contracts override it
        """Whether a check binds this subject; one that does not passes without looking."""
        return True

    def once(self, key: str, make: Callable[[], T]) -> T:
        """Make something expensive once per contract class and subject, not once per check."""
        kept = self._kept.setdefault(type(self), {})
        full = f"{sorted(vars(self).items())!r}:{key}"
        if full not in kept:
            kept[full] = make()
        result: T = kept[full]
        return result

    def forget(self) -> None:
        """Drop what `once` keeps: the subject may be another one under the same name."""
        self._kept.pop(type(self), None)

    def describe(self) -> dict[str, Any]:
        """How another process finds this contract with its settings."""
        cls = type(self)
        require(
            "<locals>" not in cls.__qualname__,
            f"define {cls.__qualname__} at the top level of a module, so that another process "
            "can import it",
        )
        file = file_of(cls)
        return {
            "module": cls.__module__,
            "file": str(Path(file).resolve()),
            "qualname": cls.__qualname__,
            "settings": _jsonable(vars(self)),
        }

    def elsewhere(self, job: str, **arguments: object) -> Any:  # noqa: ANN401  # JSON
        """Run ``self.<job>(**arguments)`` in a fresh Python process; both sides speak JSON."""
        order = {
            "contract": self.describe(),
            "job": job,
            "arguments": arguments,
            "path": sys.path,
            "threads": sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None,
        }
        done = subprocess.run(  # our own interpreter and module
            [sys.executable, "-m", "persongen_bench.testing.worker"],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise ContractError(f"in another process: {lines[-1]}")
        return json.loads(done.stdout.splitlines()[-1])


def file_of(cls: type) -> str:
    """Where a class is defined; raises `ContractError` for one that no file holds."""
    try:
        return inspect.getfile(cls)
    except (TypeError, OSError):
        raise ContractError(
            f"define {cls.__qualname__} in a file, so that another process can import it"
        ) from None


def rebuild(description: dict[str, Any]) -> Contract:
    """The contract that `Contract.describe` described."""
    cls: Any = _module(description["module"], Path(description["file"]))
    for part in description["qualname"].split("."):
        cls = getattr(cls, part)
    contract: Contract = cls()
    for name, value in description["settings"].items():
        setattr(contract, name, Path(value["path"]) if _is_path(value) else value)
    return contract


def _module(name: str, file: Path) -> Any:  # noqa: ANN401  # a module
    """Import by name; a test module that is not importable by name is loaded from its file.

    A script is loaded under another name than ``__main__``, so that it does not do its work.
    """
    name = "__mp_main__" if name == "__main__" else name
    try:
        module = importlib.import_module(name)
    except ImportError:
        module = None
    if module is not None and Path(str(module.__file__)).resolve() == file:
        return module
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _jsonable(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"path": str(value)} if isinstance(value, Path) else value
        for name, value in settings.items()
    }


def _is_path(value: object) -> bool:
    return isinstance(value, dict) and list(value) == ["path"]
