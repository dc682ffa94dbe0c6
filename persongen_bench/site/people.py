"""People and pictures of a table as documents; every picture is opened once, a part at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from persongen_bench.core.errors import DataError, PgbenchError
from persongen_bench.core.output import IMAGE
from persongen_bench.core.plain import LABEL, plain
from persongen_bench.core.progress import Progress
from persongen_bench.core.request import unit_of
from persongen_bench.core.types import Image
from persongen_bench.loop.answer_files import AnswerFiles, read_file
from persongen_bench.loop.copies import LINES
from persongen_bench.loop.encoding import CHUNK
from persongen_bench.loop.results import RunResults, read_table
from persongen_bench.loop.veil import Veil
from persongen_bench.site.chosen import Made
from persongen_bench.site.data_pictures import DataPictures, Near
from persongen_bench.site.documents import People, Person, Picture, Pictures
from persongen_bench.site.gather import Table
from persongen_bench.site.names import shown_names
from persongen_bench.site.thumbs import Thumbs
from persongen_bench.util.opening import HELD

Opened: TypeAlias = tuple[int, Made, Image]
"""Row, picture, pixels."""
COPIES = ("training", "held-out")
"""What a picture may be a copy of."""


@dataclass
class Shown:
    """What a site shows of a table's people, and what it could not open."""

    table: Table
    names: Mapping[str, str]
    """User => what is shown in its place, of everybody whom a picture was asked for."""
    sampled: Sequence[str]
    rows: Sequence[Sequence[Made]]
    """The pictures chosen of every row, by person."""
    thumbs: Thumbs
    data: DataPictures | None
    note: str
    """Why there is no data; empty: there is."""
    prompts: Mapping[str, str] | None = None
    """Prompt => what is shown in its place, where prompts have the values; None: people have."""
    unread: int = 0
    """Pictures that could not be read, or are not those recorded."""

    def pictures(self, progress: Progress) -> Iterator[Pictures]:
        """A document for each row, in order."""
        rows = self.table.standings.rows
        users: list[dict[str, list[Picture]]] = [{} for _ in rows]
        every = [(k, made) for k, row in enumerate(self.rows) for made in row]
        done = 0
        for part in self._parts(progress(every, "pictures", len(every))):
            for k, user, picture in self._seen(part):
                users[k].setdefault(self.names[user], []).append(picture)
            while done < part[-1][0]:
                yield self._of_row(done, users[done])
                done += 1
        for k in range(done, len(rows)):
            yield self._of_row(k, users[k])

    def _of_row(self, k: int, users: dict[str, list[Picture]]) -> Pictures:
        label = plain(self.table.standings.rows[k].label, LABEL)
        shown = {user: tuple(own) for user, own in sorted(users.items())}
        users.clear()
        return Pictures(row=k, label=label, users=shown)

    def _parts(self, every: Iterable[tuple[int, Made]]) -> Iterator[list[Opened]]:
        """Pictures as they are opened, of several rows; memory is bounded (`util.opening`)."""
        part, held = list[Opened](), 0
        for k, made in every:
            image = self._image(made)
            if image is None:
                self.unread += 1
                continue
            part.append((k, made, image))
            held += image.nbytes
            if len(part) == CHUNK or held > HELD:
                yield part
                part, held = [], 0
        if part:
            yield part

    def _seen(self, part: Sequence[Opened]) -> Iterator[tuple[int, str, Picture]]:
        """Row, person and document of each picture."""
        images, users = [image for _, _, image in part], [made.user for _, made, _ in part]
        near: list[tuple[Near | None, Near | None]] = [(None, None)] * len(images)
        taste: list[float | None] = [None] * len(images)
        if self.data is not None:
            near, taste = self.data.nearest(images), self.data.taste(images, users)
            self.data.add([side.item for sides in near for side in sides if side is not None])
        for (k, made, image), liked, sides in zip(part, taste, near, strict=True):
            yield k, made.user, self._picture(made, image, liked, sides)

    def _image(self, made: Made) -> Image | None:
        """A picture as it is recorded; nothing is marked in a run whose picture is another."""
        try:
            image: Image = read_file(self._files[made.run_id].output_path(made.sample), IMAGE)
        except (DataError, OSError):
            return None
        return image if IMAGE.digest(image) == made.digest else None

    @cached_property
    def _files(self) -> dict[str, AnswerFiles]:
        """Run => where its pictures lie."""
        runs = self.table.runs.items()
        return {name: AnswerFiles(run.path, IMAGE, Veil(run.config)) for name, run in runs}

    def _picture(
        self, made: Made, image: Image, taste: float | None, near: tuple[Near | None, Near | None]
    ) -> Picture:
        line = self._copied.get((made.run_id, made.sample), {})
        training, held_out = near
        return Picture(
            thumb=self.thumbs.add(image),
            unit=self._unit(made),
            sample=plain(made.sample, LABEL),
            index=made.place.number,
            seed=made.place.seed,
            request=self._requests[made.place.request],
            taste=taste,
            training=self._thumb(training),
            training_distance=_distance(training, line.get("training_difference")),
            held_out=self._thumb(held_out),
            held_out_distance=_distance(held_out, line.get("held_out_difference")),
            copy_of=copied if (copied := line.get("copy_of")) in COPIES else "",
        )

    def _unit(self, made: Made) -> str:
        """Whose value a picture belongs to; a prompt is known where the data are, or by its id."""
        if self.prompts is None:
            return self.names[made.user]
        asked = None if self.data is None else self.data.requests.get(made.place.request)
        unit = made.place.request if asked is None else unit_of(asked, "prompt")
        return self.prompts.get(unit, "")

    @cached_property
    def _requests(self) -> dict[str, str]:
        """Request => what is shown in its place, of those whose pictures are shown."""
        return shown_names(made.place.request for row in self.rows for made in row)

    def _thumb(self, near: Near | None) -> str:
        if near is None or self.data is None:
            return ""
        return self.data.add([near.item])[0]

    @cached_property
    def _copied(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Run and sample => what was found of copies; nothing of runs that were not searched."""
        samples: dict[str, list[str]] = {}
        for made in (one for row in self.rows for one in row):
            samples.setdefault(made.run_id, []).append(made.sample)
        return {
            (name, str(line["sample_id"])): line
            for name, wanted in samples.items()
            for line in _lines(self.table.runs[name], wanted)
        }

    def people(self) -> People:
        """Everybody whom a picture was asked for."""
        some = set(self.sampled)
        return People(
            people=tuple(self._person(user, user in some) for user in sorted(self.names)),
            sampled=len(some),
            note=self.note,
        )

    def _person(self, user: str, sampled: bool) -> Person:
        nobody = Person(
            user=self.names[user], history=(), requests=(), references=(), captions=(), n_likes=0
        )
        if self.data is None:
            return nobody
        likes = self.data.likes(user)
        if not sampled:
            return nobody.model_copy(update={"n_likes": len(likes)})
        asked = [self.data.requests[one] for one in self._asked.get(user, ())
                 if one in self.data.requests]  # fmt: skip
        return Person(
            user=self.names[user],
            history=tuple(self.data.history(user)),
            requests=tuple(self._requests[one.request_id] for one in asked),
            references=tuple(
                "".join(self.data.add([one.reference] if one.reference else [])) for one in asked
            ),
            captions=tuple(plain(one.instruction or "") for one in asked),
            n_likes=len(likes),
        )

    @cached_property
    def _asked(self) -> dict[str, list[str]]:
        """Person => the requests whose pictures are shown."""
        found: dict[str, set[str]] = {}
        for made in (one for row in self.rows for one in row):
            found.setdefault(made.user, set()).add(made.place.request)
        return {user: sorted(requests) for user, requests in found.items()}


def _distance(near: Near | None, recorded: object) -> float | None:
    """Of what was found; else as the run has it, where that is a number."""
    if near is not None:
        return near.distance
    return recorded if isinstance(recorded, float) and math.isfinite(recorded) else None


def _lines(run: RunResults, samples: Sequence[str]) -> list[dict[str, Any]]:
    """What was found of these samples; nothing where the file is not there, or another."""
    try:
        table = read_table(run.path / LINES)
        found = table.filter(pc.is_in(table["sample_id"], pa.array(samples)))
        return list(found.to_pylist())
    except (PgbenchError, KeyError, pa.ArrowException):
        return []
