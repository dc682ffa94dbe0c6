"""The contract of a method: what the loop and the leaderboard rely on, as tests.

from persongen_bench.testing import MethodContract

class TestMine(MethodContract):
    method = "my-distribution/my-method"
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from persongen_bench.core.config import Config
from persongen_bench.core.method import LISTED_LENGTH, MARK_LENGTH, NOTE_LENGTH, Explains
from persongen_bench.core.output import KINDS
from persongen_bench.core.request import Failure, Request
from persongen_bench.testing.leaks import find_strings, opened_files
from persongen_bench.testing.method_case import MethodCase
from persongen_bench.testing.observe import (
    NotingStack,
    fingerprint,
    own_taste,
    printed,
    refuses_unknown,
    unsafe_files,
)
from persongen_bench.testing.require import (
    ContractError,
    require,
    require_answers,
    require_same,
)


class MethodContract(MethodCase):
    """Subclass it and set ``method`` (and ``config``), or override `make`.

    A method that declares ``privileged`` receives the held-out view and is excused from the three
    checks that forbid any trace of it.
    """

    # --- what it declares -----------------------------------------------------------------

    def test_declares_what_the_loop_reads(self) -> None:
        """Config, presets, makes, roles and the rest are there and of their types."""
        cls, method = self.method_class(), self.make()
        require(issubclass(cls.Config, Config), "Config must derive from core.config.Config")
        require(isinstance(method.config, cls.Config), "self.config must be an instance of Config")
        require(isinstance(cls.privileged, bool), "privileged must be True or False")
        require(isinstance(cls.generate_fields, frozenset), "generate_fields must be a frozenset")
        unknown = cls.generate_fields - set(cls.Config.model_fields)
        require(not unknown, f"generate_fields names unknown fields {sorted(unknown)}")
        require(cls.makes in KINDS, f"makes is {cls.makes!r}, not one of {', '.join(KINDS)}")
        named = isinstance(method.roles, tuple) and all(isinstance(r, str) for r in method.roles)
        require(named, "roles must be a tuple of names of roles")

    def test_every_preset_is_a_valid_config(self) -> None:
        """Defaults and presets validate; a config survives JSON; unknown fields are refused."""
        cls = self.method_class()
        for name, values in {"(defaults)": {}, **cls.presets}.items():
            try:
                config = cls.Config.model_validate(dict(values))
            except ValueError as error:
                raise ContractError(f"preset {name} is not valid: {error}") from None
            again = cls.Config.model_validate_json(config.model_dump_json())
            require(again == config, f"preset {name} changes when written as JSON and read back")
        require(refuses_unknown(cls.Config), "Config must refuse unknown fields (extra='forbid')")

    # --- what it delivers -----------------------------------------------------------------

    def test_delivers_one_answer_per_sample(self) -> None:
        """Of the kind that ``makes`` names, or a `Failure` with a reason; at least one answer.

        What each kind must be is said in `core.output`: an image is uint8 RGB (3, h, w).
        """
        delivery = require_answers(self.fitted().delivery, len(self.samples()), self.kind())
        made = [answer for answer in delivery if not isinstance(answer, Failure)]
        require(made, "every sample failed in a small world where everybody has a history")
        failed = [answer for answer in delivery if isinstance(answer, Failure)]
        states = {str(answer.state) for answer in failed} - {"method_error", "filtered"}
        require(not states, f"a method cannot say {min(states, default='')!r} of a sample")
        said = f"{len(failed)} of {len(delivery)} samples failed, though everybody has a history"
        require(not failed, f"{said}: {failed[0].reason if failed else ''}")

    def test_no_samples_give_no_answers(self) -> None:
        """``generate([])`` is empty."""
        require_answers(self.fitted().method.generate([]), 0, self.kind())

    def test_unknown_user_is_served_or_refused(self) -> None:
        """A user outside the training view gives answers, failures or UnsupportedRequestError."""
        train = self.fitted().world.train
        self.served_or_refused(Request("nobody", tuple(train.catalog.ids[:2]), 2))

    def test_empty_history_is_served_or_refused(self) -> None:
        """A known and an unknown user without history: answers, failures or a clean refusal."""
        self.served_or_refused(Request(self.fitted().world.train.users[0], (), 2))
        self.served_or_refused(Request("nobody", (), 2))

    def test_reaches_the_taste_floor(self) -> None:
        """Users of the toy world like one hue each; only checked where ``taste_floor`` is set."""
        if self.taste_floor is None:
            return  # no promise was made
        reached = own_taste(self.fitted().world, self.samples(), self.fitted().delivery)
        require(
            reached >= self.taste_floor,
            f"mean true taste {reached:.3f} is below the floor of {self.taste_floor}",
        )

    # --- the same answer every time -------------------------------------------------------

    def test_same_seed_same_answers(self) -> None:
        """Two fits with one seed agree, whatever state the global generators are in."""
        again = self.fitted("again").delivery
        self.same(self.fitted().delivery, again, "two fits with the same seed")

    def test_generating_leaves_no_trace(self) -> None:
        """The same samples asked for twice give the same answers."""
        fitted = self.fitted()
        again = fitted.method.generate(self.samples())
        self.same(fitted.delivery, again, "generating twice")

    def test_batch_does_not_matter(self) -> None:
        """All at once, one by one and in shuffled order are equal to the last bit."""
        fitted, samples = self.fitted(), self.samples()
        single = [answer for sample in samples for answer in fitted.method.generate([sample])]
        self.same(fitted.delivery, single, "all at once against one by one")
        order = np.random.default_rng(0).permutation(len(samples))
        shuffled = fitted.method.generate([samples[k] for k in order])
        expected = [fitted.delivery[k] for k in order]
        self.same(expected, shuffled, "canonical against shuffled order")

    def test_worker_does_not_matter(self) -> None:
        """Another process that loads the saved state gives the same answers."""
        if not self.applies("test_worker_does_not_matter"):
            return
        fitted = self.fitted()
        with tempfile.TemporaryDirectory() as folder:
            fitted.method.save(Path(folder))
            there = self.elsewhere(
                "delivery_from_state", folder=folder, references=fitted.with_references
            )
        require_same(printed(fitted.delivery, self.kind()), there, "this process against a worker")

    def test_save_and_load_round_trip(self) -> None:
        """A loaded method gives the same answers, and saves only files that cannot run code."""
        fitted, fresh = self.fitted(), self.make()
        with tempfile.TemporaryDirectory() as folder:
            fitted.method.save(Path(folder))
            unsafe = unsafe_files(Path(folder))
            fresh.load(Path(folder), fitted.world.stack, fitted.world.train)
            loaded = fresh.generate(self.samples())
        self.same(fitted.delivery, loaded, "fitted against loaded")
        require(not unsafe, f"save wrote pickled data: {', '.join(unsafe)}")

    def test_explains_the_request(self) -> None:
        """Where it `Explains`: what it says is of the history and short, and leaves no trace."""
        fitted = self.fitted()
        if not isinstance(fitted.method, Explains):
            return
        for request in {s.request.request_id: s.request for s in fitted.samples}.values():
            said = fitted.method.explain(request)
            others = sorted(set(said.history) - set(request.history))
            require(not others, f"explain names {others}, which are not of the history")
            words = list(said.history.values())
            require(all(words), "explain says nothing of an item that it names")
            short = all(len(word) <= MARK_LENGTH for word in words)
            require(short, f"explain needs more than {MARK_LENGTH} characters for an item")
            require(len(said.note) <= NOTE_LENGTH, f"its note has more than {NOTE_LENGTH} of them")
            brief = all(0 < len(why) <= LISTED_LENGTH for why in said.listed.values())
            require(brief, f"it says nothing of a listed item, or more than {LISTED_LENGTH}")
            require(fitted.method.explain(request) == said, "explain says something else each time")
        again = fitted.method.generate(self.samples())
        self.same(fitted.delivery, again, "generating before and after explaining")

    # --- what it may touch ----------------------------------------------------------------

    def test_inputs_stay_as_they_were(self) -> None:
        """Fit and generate change neither the training view nor the list of samples."""
        world, samples = self.world(), self.samples()
        before, asked = fingerprint(world), list(samples)
        self.fit(world).method.generate(samples)
        require(fingerprint(world) == before, "fit or generate changed the training view")
        require(samples == asked, "generate changed the list of samples it was given")

    def test_asks_for_no_other_role(self) -> None:
        """Fitting, generating and loading ask the stack for the declared roles only."""
        world, declared = self.world(), {role.partition("/")[0] for role in self.make().roles}
        stack = NotingStack(world.stack)
        fitted = self.fit(replace(world, stack=stack))
        with tempfile.TemporaryDirectory() as folder:
            fitted.method.save(Path(folder))
            self.make().load(Path(folder), stack, world.train)
        others = sorted(stack.asked - declared)
        require(not others, f"asked for {', '.join(others)}, which roles does not name")

    def test_holds_no_held_out_item(self) -> None:
        """No held-out id can be reached from the training view or from the fitted method."""
        if not self.applies("test_holds_no_held_out_item"):
            return
        world, method = self.fitted().world, self.fitted().method
        for name, holder in {"training view": world.train, "fitted method": method}.items():
            leaks = find_strings(holder, world.held_out_items, inside_memory=True)
            for item, trail in leaks.items():
                raise ContractError(f"the {name} reaches held-out item {item}: {trail}")

    def test_held_out_data_do_not_matter(self) -> None:
        """Two worlds that differ only in their held-out part give the same answers."""
        if not self.applies("test_held_out_data_do_not_matter"):
            return
        one, other = self.fitted().delivery, self.fitted("other held-out part").delivery
        self.same(one, other, "two worlds that differ only in their held-out part")

    def test_opens_no_held_out_file(self) -> None:
        """Fitting and generating open no picture outside the training catalogue."""
        if not self.applies("test_opens_no_held_out_file"):
            return
        with tempfile.TemporaryDirectory() as folder:
            world = self.world(root=Path(folder))
            with opened_files() as opened:
                self.fit(world)
            hidden = world.dataset.catalog.items.loc[sorted(world.held_out_items), "image"]
            touched = opened() & {(Path(folder) / name).resolve() for name in hidden}
        require(not touched, f"opened held-out picture {min(touched, default=Path()).name}")
