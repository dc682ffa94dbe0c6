"""What a run directory calls things: as the data do, or by pseudonyms; and never a place.

Everything in memory has the names of the data, so that orders, seeds and numbers are those of a
run without pseudonyms. They are replaced where something is written, by a keyed hash, and the rows
are put in the order of the new names, which tells nothing of the old ones. On the machine that has
the key a planned sample is found again by computing its name (`Veil.sample`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from persongen_bench.core.errors import RunError
from persongen_bench.core.later import pd
from persongen_bench.core.request import Sample
from persongen_bench.loop.explaining import Explained
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.schema import RunConfig, Summary
from persongen_bench.util.files import cache_root
from persongen_bench.util.privacy import without_places, without_places_in
from persongen_bench.util.private import Pseudonyms, is_pseudonym

_WORD = re.compile(r"[\w.@+-]+")


@dataclass
class Veil:
    """What of a run may be written, and under which name."""

    config: RunConfig
    users: dict[str, str] = field(default_factory=dict)
    """Of every planned sample: the user => the name in the directory."""

    @property
    def plain(self) -> bool:
        """Whether the directory uses the names of the data."""
        return self.config.pseudonyms is None

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """Those of this run; raises `RunError` where its key is not on this machine."""
        names = Pseudonyms.of_this_machine()
        if names.fingerprint != self.config.pseudonyms:
            raise RunError(
                "the users of this run have pseudonyms that were made with another key",
                fix="Work on it where it was made, or bring private/pseudonyms.key from the cache "
                "of that machine.",
            )
        return names

    def sample(self, sample_id: str) -> str:
        """What a sample is called in the directory, by whichever of its two names."""
        hidden = self.plain or is_pseudonym(sample_id)
        return sample_id if hidden else self.pseudonyms.sample(sample_id)

    def user(self, user_id: str) -> str:
        """What a user of the data is called in the directory."""
        return user_id if self.plain else self.pseudonyms.user(user_id)

    def request(self, request_id: str) -> str:
        """What a request of the data is called in the directory."""
        return request_id if self.plain else self.pseudonyms.request(request_id)

    def plan(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples as the journal enters them."""
        self.users |= {s.request.user_id: "" for s in samples}
        if self.plain:
            return samples
        self.users = {user: self.user(user) for user in self.users}
        hidden = [self._hidden(sample) for sample in samples]
        return sorted(hidden, key=lambda s: (s.request.user_id, s.request.request_id, s.index))

    def _hidden(self, sample: Sample) -> Sample:
        names, asked = self.pseudonyms, sample.request
        request = replace(
            asked, user_id=names.user(asked.user_id), request_id=names.request(asked.request_id)
        )
        return Sample(names.sample(sample.sample_id), sample.index, request)

    def lifted(self, table: pd.DataFrame, samples: Sequence[Sample]) -> pd.DataFrame:
        """The journal's rows of ``samples``, in their order, under the names of the data."""
        if self.plain:
            return table
        rows = table.set_index("sample_id").loc[[self.sample(s.sample_id) for s in samples]]
        return rows.reset_index().assign(
            sample_id=[s.sample_id for s in samples],
            request_id=[s.request.request_id for s in samples],
            user_id=[s.request.user_id for s in samples],
        )

    def outcome(self, outcome: Outcome) -> Outcome:
        """As it is recorded."""
        name, reason = self.sample(outcome.sample_id), self.text(outcome.reason)
        return replace(outcome, sample_id=name, reason=reason)

    def explained(self, said: Explained) -> Explained:
        """As it is kept: whose likes a history holds, no place in it tells."""
        marks = {place: self.text(mark) for place, mark in said.marks.items()}
        listed = {item: self.text(why) for item, why in said.listed.items()}
        return Explained(self.request(said.request_id), marks, self.text(said.note), listed)

    def scores(self, scores: pd.DataFrame) -> pd.DataFrame:
        """The table of ``unit, metric, value, signature`` as it is exported."""
        if self.plain:
            return scores
        of_user = self.config.unit == "user"
        name = self.pseudonyms.user if of_user else self.pseudonyms.request
        units = {unit: name(unit) for unit in scores["unit"].unique()}
        hidden = scores.assign(unit=scores["unit"].map(units))
        place = {metric: k for k, metric in enumerate(scores["metric"].unique())}
        return hidden.sort_values(
            ["metric", "unit"], key=lambda c: c.map(place) if c.name == "metric" else c
        ).reset_index(drop=True)

    def summary(self, summary: Summary) -> Summary:
        """As it is exported: its caveats and notes are texts."""
        metrics = {
            name: number.model_copy(update={"caveats": tuple(map(self.text, number.caveats))})
            for name, number in summary.metrics.items()
        }
        notes = tuple(map(self.text, summary.notes))
        return summary.model_copy(update={"metrics": metrics, "notes": notes})

    def text(self, text: str) -> str:
        """A message without places, and without users where they have pseudonyms."""
        if not text:
            return text
        said = without_places(text, self._places)
        return said if self.plain else self._without_users(said)

    def document(self, value: Any) -> Any:  # noqa: ANN401  # any JSON value
        """Every text of a JSON value as `text` leaves it."""
        said = without_places_in(value, self._places)
        return said if self.plain else _mapped(said, self._without_users)

    @cached_property
    def _places(self) -> dict[str, str]:
        known = {str(cache_root()): "<cache>", str(cache_root().resolve()): "<cache>"}
        root = self.config.dataset.root
        return known if root is None else {**known, root: "<data>"}

    def _without_users(self, text: str) -> str:
        text = _WORD.sub(self._known, text)
        for user in self._odd_users:
            text = text.replace(user, self.users[user])
        return text

    def _known(self, word: re.Match[str]) -> str:
        bare = word[0].rstrip(".")
        return self.users.get(bare, bare) + word[0][len(bare) :]

    @cached_property
    def _odd_users(self) -> list[str]:
        """Users whose ids are more than one word, the longest first."""
        odd = [user for user in self.users if not _WORD.fullmatch(user) or user.endswith(".")]
        return sorted(odd, key=len, reverse=True)


def _mapped(value: Any, change: Any) -> Any:  # noqa: ANN401  # any JSON value, a function of texts
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(one, change) for key, one in value.items()}
    return [_mapped(one, change) for one in value] if isinstance(value, list) else value
