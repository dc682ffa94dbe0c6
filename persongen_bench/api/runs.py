"""A run as Python sees it: its numbers as frames, its images as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from persongen_bench.core.plain import LABEL, plain
from persongen_bench.core.types import Image
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import RunConfig, Summary
from persongen_bench.loop.store import RunDirectory

SUMMARY_COLUMNS = ("mean", "low", "high", "n_units", "own_judge", "signature")


class Answers(Mapping[str, list[Any]]):
    """Request id => what was delivered for it, read from disk when asked for; None: nothing was."""

    def __init__(self, results: RunResults) -> None:
        self._directory = RunDirectory(results.path, results.config)
        self._rows = {str(request): rows for request, rows in results.samples.groupby("request_id")}

    def __getitem__(self, request_id: str) -> list[Any]:
        """In the order of the samples' index."""
        return [
            self._directory.read_output(str(row.sample_id), str(row.digest))
            if row.state == "ok" else None
            for row in self._rows[request_id].itertuples()
        ]  # fmt: skip

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class Run:
    """A complete run; everything it says comes from its directory."""

    def __init__(self, results: RunResults, notices: tuple[str, ...] = ()) -> None:
        self.results = results
        self.notices = notices
        """What a user should know of it, such as a stack that is not the board's."""

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """The run in a directory; raises `RunError` where it is not complete."""
        return cls(RunDirectory.open(Path(path)).results())

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.results.path

    @property
    def config(self) -> RunConfig:
        """Its identity: data, method, stack, seed, terms."""
        return self.results.config

    @property
    def label(self) -> str:
        """Printed name of the method."""
        return self.config.method.label

    @property
    def summary(self) -> Summary:
        """Every number with its interval, the tests and the states of the samples."""
        return self.results.summary

    @property
    def scores(self) -> pd.DataFrame:
        """One row per unit and metric: ``unit, metric, value, signature``."""
        return self.results.scores

    @property
    def samples(self) -> pd.DataFrame:
        """One row per sample: ids, user, index, state, reason, hashes."""
        return self.results.samples

    @property
    def cost(self) -> Mapping[str, Any]:
        """Seconds, memory and bytes."""
        return self.results.cost

    @cached_property
    def outputs(self) -> Answers:
        """Request id => the answers, whatever their kind."""
        return Answers(self.results)

    @cached_property
    def images(self) -> Mapping[str, list[Image | None]]:
        """User id => the images made for that user, uint8 ``(3, h, w)``; None: not delivered.

        Of a run of adapters, what was drawn with them; empty for rankings.
        """
        if not (self.samples["pixel_hash"] != "").any():
            return {}
        directory = RunDirectory(self.path, self.config)
        users: dict[str, list[Image | None]] = {}
        for row in self.samples.itertuples():
            images = users.setdefault(str(row.user_id), [])
            if row.state == "ok":
                images.append(directory.read_image(str(row.sample_id), str(row.pixel_hash)))
            else:
                images.append(None)
        return users

    @property
    def contact_sheet(self) -> Path:
        """The picture of what users liked and what was made for them."""
        from persongen_bench.leaderboards.gallery import CONTACT_SHEET

        return self.path / CONTACT_SHEET

    def to_frame(self) -> pd.DataFrame:
        """One row per metric: ``mean, low, high, n_units, own_judge, signature``."""
        rows = {
            name: number.model_dump(include=set(SUMMARY_COLUMNS))
            for name, number in self.summary.metrics.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(SUMMARY_COLUMNS))

    def __repr__(self) -> str:
        delivered = f"{self.summary.n_ok} of {self.summary.n_expected} delivered"
        return f"<Run {plain(self.label, LABEL)} on {self.config.board}: {delivered}, {self.path}>"

    def _repr_html_(self) -> str:
        """For notebooks: the numbers with their intervals."""
        numbers = self.to_frame().drop(columns="signature").to_html(float_format="{:.3f}".format)
        notices = "".join(f"<p>{escape(notice)}</p>" for notice in self.notices)
        return f"<h4>{escape(repr(self)[1:-1])}</h4>{notices}{numbers}"
