"""The folder of a study: the page with its pictures, and the private half."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from html import escape
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from persongen_bench.core import images
from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import Progress
from persongen_bench.study.answers import Answers
from persongen_bench.study.catches import TOLD, told_picture
from persongen_bench.study.folder import StudyFolder
from persongen_bench.study.material import Material
from persongen_bench.study.policy import POLICY
from persongen_bench.study.records import Study
from persongen_bench.study.sealing import Sealed
from persongen_bench.util.files import folder_atomic

ASSETS = resources.files("persongen_bench.study") / "assets"
_OLD = 946684800
"""2000-01-01: the time of every public file, so that no order of writing is told."""


def write_study(sealed: Sealed, material: Material, out: Path, progress: Progress) -> StudyFolder:
    """Write a study into a new folder, whole or not at all.

    Raises:
        ConfigError: if there is something of this name.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already", fix="Name a new folder with --out.")
    with folder_atomic(out) as folder:
        write_page(sealed.study, folder)
        (folder / "media").mkdir()
        for code, key in progress(list(sealed.media.items()), "pictures"):
            picture = told_picture() if key == TOLD else material.open(key)
            data = images.png_bytes(picture)
            (folder / "media" / f"{code}.png").write_bytes(data)
        for file in folder.rglob("*"):
            os.utime(file, (_OLD, _OLD))
        _write_private(sealed, StudyFolder(folder))
    return StudyFolder(out)


def write_page(study: Study, folder: Path) -> None:
    """The page of a study, and the study as the page reads it."""
    _copy(ASSETS, folder / "assets")
    markup = (ASSETS / "index.html").read_text(encoding="utf-8")
    (folder / "assets" / "index.html").unlink()
    page = markup.replace("{{policy}}", escape(POLICY))
    (folder / "index.html").write_text(page, encoding="utf-8")
    about = study.model_dump(mode="json", exclude={"sessions"})
    _script(folder / "study.js", "study", about)
    (folder / "sessions").mkdir()
    for session in study.sessions:
        _script(folder / "sessions" / f"{session.code}.js", "session", _plain(session))


def _script(file: Path, name: str, value: Mapping[str, object]) -> None:
    """A document as a page from a disk can read it: it may fetch nothing, but run scripts."""
    file.write_text(f"PGBENCH.put({json.dumps(name)}, {json.dumps(value)});\n", encoding="utf-8")


def _plain(value: Config) -> dict[str, object]:
    return value.model_dump(mode="json")


def _copy(source: Traversable, target: Path) -> None:
    target.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.is_dir():
            _copy(entry, target / entry.name)
        elif not entry.name.endswith((".py", ".pyc")):
            (target / entry.name).write_bytes(entry.read_bytes())


def _write_private(sealed: Sealed, folder: StudyFolder) -> None:
    folder.private.mkdir(mode=0o700)
    folder.study_file.write_text(sealed.study.model_dump_json(indent=1), encoding="utf-8")
    key = folder.private / "key.json"
    key.write_text(sealed.key.model_dump_json(indent=1), encoding="utf-8")
    folder.write_codes(sealed.codes)
    Answers.make(folder.answers_file, sealed.codes)
    for file in folder.private.iterdir():
        file.chmod(0o600)
