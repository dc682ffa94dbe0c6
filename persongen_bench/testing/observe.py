"""Instruments of the contracts: fingerprints, unsafe files, disturbed global generators."""

from __future__ import annotations

import random
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError
from persongen_bench.core.images import pixel_hash
from persongen_bench.core.output import OutputKind
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack, StackShell
from persongen_bench.core.types import content_hash, frame_hash
from persongen_bench.testing.toy import ToyWorld
from persongen_bench.util.tensor_header import read_header

_PICKLE_SUFFIXES = {".pkl", ".pickle", ".pt", ".pth", ".joblib", ".dill"}
_PICKLE_MAGIC = tuple(bytes([0x80, version]) for version in range(2, 6))


def unsafe_files(folder: Path) -> list[str]:
    """Names of files under ``folder`` that hold pickled data, which runs code when it is read."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [str(path.relative_to(folder)) for path in files if _is_pickled(path)]


def _is_pickled(path: Path) -> bool:
    if path.suffix in _PICKLE_SUFFIXES:
        return True
    if _is_safetensors(path):
        return False  # the length of its header may read as the start of a pickle
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            heads = [archive.read(name)[:256] for name in archive.namelist()]
    else:
        with path.open("rb") as file:
            heads = [file.read(256)]
    return any(head.startswith(_PICKLE_MAGIC) or b"'descr': '|O'" in head for head in heads)


def _is_safetensors(path: Path) -> bool:
    try:
        read_header(path)
    except DataError:
        return False
    return True


def refuses_unknown(config: type[Config]) -> bool:
    """Whether a configuration class forbids fields it does not have."""
    try:
        config.model_validate({"no-such-field": 1})
    except ValidationError as error:
        return any(entry["type"] == "extra_forbidden" for entry in error.errors())
    return False


def fingerprint(world: ToyWorld) -> str:
    """Hash of the training view as it is now; the cached hashes of the types are not used."""
    view = world.train
    pixels = [pixel_hash(image) for image in view.catalog.images(view.catalog.ids)]
    tables = [frame_hash(view.interactions), frame_hash(view.catalog.items.reset_index())]
    likes = {user: list(items) for user, items in view.liked_items.items()}
    return content_hash(tables, pixels, likes)


def printed(delivery: Sequence[Any], kind: OutputKind) -> list[str]:
    """One string per delivered sample that tells any two different answers of a kind apart."""
    return [
        f"{answer.state}: {answer.reason}" if isinstance(answer, Failure) else kind.digest(answer)
        for answer in delivery
    ]


def own_taste(world: ToyWorld, samples: Sequence[Sample], delivery: Sequence[object]) -> float:
    """Mean true like-probability of the delivered images for the users they were made for."""
    made = [
        (image, sample.request.user_id)
        for image, sample in zip(delivery, samples, strict=True)
        if isinstance(image, np.ndarray)
    ]
    taste = world.dataset.taste
    if taste is None or not made:
        return float("nan")
    return float(np.mean([taste.utility([image], [user])[0, 0] for image, user in made]))


@contextmanager
def disturbed_generators() -> Iterator[None]:
    """Put every global random generator into another state; restore them afterwards.

    What does not read them is not affected: that is what the contract wants to know.
    """
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002  # disturbing it is the point
    torch = sys.modules.get("torch")
    kept_torch = torch.get_rng_state() if torch is not None else None
    random.setstate(random.Random(12345).getstate())  # noqa: S311  # no secret
    np.random.set_state(np.random.RandomState(12345).get_state())  # noqa: NPY002
    if torch is not None:
        torch.set_rng_state(torch.Generator().manual_seed(12345).get_state())
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(kept_torch)


class NotingStack(StackShell):
    """A stack that notes the roles it is asked for."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.asked: set[str] = set()
        """Roles that a model was asked for, without variants."""

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model for a role, noted."""
        self.asked.add(name)
        return super().role(name)
