"""The relations of ImageGem and their columns, and the map from those to what files call them.

The layout of the release is not known to us. Every relation is a table of its own, and a file
``columns.toml`` beside the tables says what they are called, where it is not as here:

```toml
[images]
file = "image_metadata"       # image_metadata.parquet, .csv, or shards image_metadata-*.parquet
image_id = "id"
user_id = "username_hash"
```
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular
from persongen_bench.datasets.typed_columns import Field

MAP = "columns.toml"
EMOJI = ("heart", "like", "laugh", "cry")
"""Feedback on an image: how often each was given (paper 004, A.2)."""
ASPECTS = ("toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit")
"""Of a prompt, each from 0 to 1: what Detoxify says (paper 004, A.1)."""
_LARGEST_MAP = 1 << 20

_ASPECTS = {name: Field("share", f"probability of {name} in the prompt") for name in ASPECTS}
RELATIONS: Mapping[str, Mapping[str, Field]] = {
    "images": {
        "image_id": Field("id", "the image", required=True),
        "user_id": Field("id", "who made it: a pseudonym", required=True),
        "prompt": Field("text", "what it was made with"),
        "prompt_id": Field("id", "row of the relation prompts, in place of prompt"),
        "model_id": Field("id", "the LoRA it was made with, in place of the relation uses"),
        "timestamp": Field("time", "when it was made"),
        "image": Field("path", "path of its file; default: images/<image_id>.<ending>"),
        "base_model": Field("label", "base model, such as SDXL 1.0"),
        "in_house": Field("flag", "whether a model's owner made it to show the model"),
        "nsfw": Field("label", "NSFW level"),
        "license": Field("label", "licence"),
        **{name: Field("count", f"how often {name} was given") for name in EMOJI},
        **_ASPECTS,
    },
    "prompts": {
        "prompt_id": Field("id", "the prompt", required=True),
        "prompt": Field("text", "its words", required=True),
        **_ASPECTS,
    },
    "feedback": {
        "image_id": Field("id", "the image", required=True),
        **{name: Field("count", f"how often {name} was given") for name in EMOJI},
    },
    "models": {
        "model_id": Field("id", "the LoRA", required=True),
        "owner": Field("id", "who uploaded it: a pseudonym"),
        "base_model": Field("label", "base model, such as SDXL 1.0"),
        "rank": Field("rank", "rank of the LoRA"),
        "tags": Field("text", "its tags, separated by |"),
        "timestamp": Field("time", "when it was uploaded"),
        "nsfw": Field("label", "NSFW level"),
        "license": Field("label", "licence"),
        "file": Field("path", "path of its weights"),
    },
    "tags": {
        "model_id": Field("id", "the LoRA", required=True),
        "tag": Field("text", "one of its tags", required=True),
    },
    "uses": {
        "image_id": Field("id", "the image", required=True),
        "model_id": Field("id", "a LoRA that it was made with", required=True),
    },
}
"""Relation => its columns. Users are the ids in ``images`` and the owners of models."""


@dataclass(frozen=True)
class ColumnMap:
    """What files call the relations and their columns, where it is not as here."""

    root: Path
    said: Mapping[str, Mapping[str, str]]

    def stem(self, relation: str) -> str:
        """The name of the relation's files without the ending."""
        return self.said.get(relation, {}).get("file", relation)

    def columns(self, relation: str, present: list[str], path: Path) -> dict[str, str]:
        """Column here => column of the file, of those that the file has.

        Raises `DataError` for one that is required or mapped and is not there.
        """
        mapped = self.said.get(relation, {})
        names: dict[str, str] = {}
        for name, field in RELATIONS[relation].items():
            theirs = mapped.get(name, name)
            if theirs in present:
                names[name] = theirs
            elif name in mapped:
                raise DataError(
                    f"{path} row 1: no column {theirs!r}, which {MAP} names as {name} of "
                    f"{relation}; it has {_listed(present)}",
                    fix=f"Correct {self.root / MAP}.",
                )
            elif field.required:
                raise self._missing(relation, name, present, path)
            else:
                self._refuse_near(relation, name, present, path)
        return names

    def _missing(self, relation: str, name: str, present: list[str], path: Path) -> DataError:
        return DataError(
            f"{path} row 1: no column {name!r} ({RELATIONS[relation][name].meaning}), found "
            f"{_listed(present)}",
            fix=f'Say what it is called in {self.root / MAP}: [{relation}] {name} = "...".',
        )

    def _refuse_near(self, relation: str, name: str, present: list[str], path: Path) -> None:
        """A column whose name differs in case or blanks would else be passed over."""
        plain = name.replace("_", "")
        for other in present:
            if other.casefold().replace("_", "").replace(" ", "").replace("-", "") == plain:
                raise DataError(
                    f"{path} row 1: no column {name!r}, but {other!r}",
                    fix=f'Rename it, or say so in {self.root / MAP}: [{relation}] {name} = "..."',
                )


def read_map(root: Path) -> ColumnMap:
    """The map in ``root``, an empty one where there is none.

    Raises `DataError` for one that is no TOML, or that names a relation or column that we do not
    know, or two columns of ours by one of theirs.
    """
    path = root / MAP
    if not path.exists():
        return ColumnMap(root, {})
    try:
        said = tomllib.loads(read_regular(path, "table", _LARGEST_MAP).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not TOML ({error})", fix="Correct it.") from None
    for relation, columns in said.items():
        _check(path, relation, columns)
    return ColumnMap(root, said)


def _check(path: Path, relation: str, columns: Any) -> None:  # noqa: ANN401  # whatever TOML holds
    if relation not in RELATIONS or not isinstance(columns, dict):
        raise DataError(
            f"{path}: no relation is called {relation!r}",
            fix=f"Use [{'], ['.join(RELATIONS)}].",
        )
    known = ("file", *RELATIONS[relation])
    for name, theirs in columns.items():
        if name not in known:
            raise DataError(
                f"{path}: {relation} has no column {name!r}", fix=f"Use {', '.join(known)}."
            )
        if not isinstance(theirs, str) or not theirs:
            raise DataError(
                f"{path}: {relation}.{name} is {theirs!r}, expected the name of a column",
                fix="Write it in quotes.",
            )
        if name == "file" and ("/" in theirs or "\\" in theirs or theirs.startswith(".")):
            raise DataError(
                f"{path}: {relation}.file is {theirs!r}, expected a name in {path.parent}",
                fix="Put the table beside columns.toml, and leave out its ending.",
            )
    names = [theirs for name, theirs in columns.items() if name != "file"]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: {relation} uses {twice!r} for two columns", fix="Correct one.")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 20} more" * (len(names) > 20)
    return ", ".join(repr(name[:80]) for name in names[:20]) + more
