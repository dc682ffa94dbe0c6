"""The contract of a track: the same well-formed requests every time, of a known kind and unit."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, get_args

from persongen_bench.core import registry
from persongen_bench.core.output import KINDS
from persongen_bench.core.request import Request
from persongen_bench.core.track import Track
from persongen_bench.core.types import Unit
from persongen_bench.testing.base import Contract
from persongen_bench.testing.observe import disturbed_generators, fingerprint
from persongen_bench.testing.require import require
from persongen_bench.testing.toy import ToyWorld, toy_world, world_of

N_IMAGES, N_HISTORY = 2, 3
"""What the contract asks for unless a check is about these numbers."""


class TrackContract(Contract):
    """Subclass it and set ``track`` (and ``dataset``), or override `make` and `world`."""

    subject: ClassVar[str] = "track"

    track: str | type[Track] = ""
    """Registered name, ``distribution/name`` for a plugin, or the class itself."""
    dataset: str = ""
    """Registered data set to ask about, with its defaults; empty: the toy world of six users."""
    split: str | None = None
    """Split of ``dataset``; None: its first."""

    def make(self) -> Track:
        """A new track."""
        named = isinstance(self.track, str)
        cls = registry.get("tracks", str(self.track)) if named else self.track
        made: Track = cls()  # type: ignore[operator]  # a class in both cases
        return made

    def world(self) -> ToyWorld:
        """What is asked about."""
        if not self.dataset:
            return world_of(toy_world().dataset, self._toy_split())
        loader = registry.get("datasets", self.dataset)
        return world_of(loader.load(loader.Config(), None), self.split)

    def requests(self, n_images: int = N_IMAGES, n_history: int = N_HISTORY) -> list[Request]:
        """What a new track asks of the world."""
        return list(self.make().requests(self._world(), n_images, n_history))

    def test_declares_kind_and_unit(self) -> None:
        """``output`` is a kind of answer, ``unit`` the user or the prompt."""
        track = self.make()
        require(track.output in KINDS, f"output is {track.output!r}, not one of {', '.join(KINDS)}")
        units = get_args(Unit)
        require(track.unit in units, f"unit is {track.unit!r}, not one of {', '.join(units)}")

    def test_asks_something_of_known_users(self) -> None:
        """At least one `Request`; where users are compared, each of a user of the data."""
        requests, world = self.requests(), self._world()
        require(requests, "it asks nothing")
        for request in requests:
            require(isinstance(request, Request), f"found a {type(request).__name__}")
        if self.make().unit == "prompt":
            return  # who asks does not matter
        unknown = {r.user_id for r in requests} - {*world.train.users, *world.test.users}
        require(not unknown, f"asks for user {min(unknown, default='')!r}, who is not in the data")

    def test_same_world_same_requests(self) -> None:
        """In the same order, whatever state the global generators are in, in any process."""
        here = self.asked()
        with disturbed_generators():
            again = self.asked()
        require(again == here, "asking twice gives other requests")
        require(self.elsewhere("asked") == here, "another process is asked something else")

    def test_ids_are_unique(self) -> None:
        """No two requests share an id: two equal ones of one user need names of their own."""
        ids = Counter(request.request_id for request in self.requests())
        twice = [name for name, n in ids.items() if n > 1]
        require(not twice, f"{len(twice)} ids stand twice, such as {twice[:1]}")

    def test_histories_are_training_items(self) -> None:
        """Every item of a history is in the training catalogue, and none stands twice."""
        known = set(self._world().train.catalog.ids)
        for request in self.requests():
            hidden = [item for item in request.history if item not in known]
            require(not hidden, f"user {request.user_id}: {hidden[:1]} is no training item")
            once = len(set(request.history)) == len(request.history)
            require(once, f"user {request.user_id}: an item stands twice in a history")

    def test_histories_are_as_long_as_asked(self) -> None:
        """``n_history`` is a maximum; 0 gives none."""
        for most in (N_HISTORY, 1, 0):
            longest = max(len(r.history) for r in self.requests(n_history=most))
            require(longest <= most, f"a history of {longest} items where {most} are allowed")

    def test_references_are_items(self) -> None:
        """A reference is an item of the data set, held out or not; the loop gives the opener."""
        known = set(self._world().dataset.catalog.ids)
        for request in self.requests():
            inside = request.reference is None or request.reference in known
            require(inside, f"user {request.user_id}: {request.reference!r} is no item")
            require(request.opener is None, "a track gives no opener; the loop does")

    def test_models_are_models(self) -> None:
        """A model to edit is one of the data set's, held out or not; the loop gives the opener."""
        zoo = self._world().dataset.models
        known = set() if zoo is None else set(zoo.ids)
        for request in self.requests():
            inside = request.model is None or request.model in known
            require(inside, f"user {request.user_id}: {request.model!r} is no model")
            require(request.model_opener is None, "a track gives no opener; the loop does")

    def test_number_of_answers_is_as_asked(self) -> None:
        """Each request asks for ``n_images`` answers, and is otherwise the same for any number."""
        few, many = self.requests(n_images=1), self.requests(n_images=4)
        require({r.n_images for r in few} == {1}, "n_images = 1 is not what is asked for")
        require({r.n_images for r in many} == {4}, "n_images = 4 is not what is asked for")
        same = [r.key() for r in few] == [r.key() for r in many]
        require(same, "n_images changes more than the number of answers")

    def test_inputs_stay_as_they_were(self) -> None:
        """Asking changes nothing of the world."""
        world = self._world()
        before = fingerprint(world)
        self.requests()
        require(fingerprint(world) == before, "asking changed the training view")

    def asked(self) -> list[dict[str, object]]:
        """What identifies each request; also the worker's side of a check."""
        return [request.key() for request in self.requests()]

    def _toy_split(self) -> str | None:
        return "open" if self.make().output == "ranking" else None

    def _world(self) -> ToyWorld:
        return self.once("world", self.world)
