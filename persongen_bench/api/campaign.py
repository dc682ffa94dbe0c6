"""What `pgbench run` does: methods, seeds and a sweep, with the board's baselines and anchors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from persongen_bench.api.every_method import every_method
from persongen_bench.api.presets import check_preset, preset_of
from persongen_bench.api.scored_by import metrics_on
from persongen_bench.api.stacks import ChosenStack, choose_stack
from persongen_bench.api.sweeping import Sweep, check_sweep, swept
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.seams import others_code
from persongen_bench.leaderboards.board import ALL, Board, board_for
from persongen_bench.loop.choice import MethodChoice, Options
from persongen_bench.loop.taste_instruments import check_permuted
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import World, WorldRef
from persongen_bench.util.private import Pseudonyms
from persongen_bench.util.said import LARGEST_SEED, no_surrogates, whole


@dataclass(frozen=True)
class Campaign:
    """Everything a user says to `pgbench run`."""

    methods: tuple[str | MethodChoice, ...]
    """By name, or chosen with options of their own."""
    dataset: str
    runs: Path
    data_options: Options = field(default_factory=dict)
    root: Path | None = None
    split: str | None = None
    split_seed: int = 0
    track: str | None = None
    """None: the board's, else the data set's first that has a board."""
    board_name: str | None = None
    """None: the one that the data set and the track lead to."""
    stack: str | None = None
    """None: the board's, else its fallback where the files of that one are not there."""
    preset: str | None = None
    options: Options = field(default_factory=dict)
    sweep: Sweep = field(default_factory=dict)
    """Of the methods by name: a run for each combination of the values."""
    seeds: tuple[int, ...] = (0,)
    n_images: int | None = None
    beside: bool = True
    """Run the board's baselines and anchors too."""
    threads: int = 1
    metrics: tuple[str, ...] = ()
    """Metrics besides the board's own."""
    permute: tuple[str, ...] = ()
    """Instruments of permutation tests besides the board's (`loop.taste_instruments`)."""
    permute_images: int | None = None
    """Images of every user that these tests take; None: all."""
    pseudonymize: bool = False
    """Write pseudonyms in place of the names of users, requests and samples."""
    lora: Path | None = None
    """A LoRA file that every picture is drawn with."""

    def __post_init__(self) -> None:
        """Refuse numbers out of range and texts that cannot be written, by name."""
        for seed in self.seeds:
            whole("seed", seed, 0, LARGEST_SEED)
        whole("split_seed", self.split_seed, 0, LARGEST_SEED)
        whole("threads", self.threads, 1)
        if self.n_images is not None:
            whole("n_images", self.n_images, 1)
        check_permuted(self.permute, self.permute_images)
        if not self.seeds:
            raise ConfigError("no seed is given", fix="Give at least one, such as 0.")
        check_sweep(self.sweep, self.methods, len(self.seeds))
        for name in ("dataset", "split", "track", "board_name", "stack", "preset"):
            value = vars(self)[name]
            if value is not None and not no_surrogates(name, value):
                raise ConfigError(f"{name} is empty", fix="Name one, or leave it out.")

    @cached_property
    def board(self) -> Board:
        """The board the runs go to."""
        tracks = registry.get("datasets", self.dataset).tracks
        return board_for(self.dataset, self.track, self.board_name, tracks=tracks)

    @cached_property
    def chosen_stack(self) -> ChosenStack:
        """The frozen models, and what a user should know of the choice."""
        return choose_stack(self.stack, self.board)

    @property
    def prefer(self) -> tuple[str, ...]:
        """Presets to use where none is named: the stack's, then the board's."""
        names = (self.chosen_stack.name, self.board.preset)
        return tuple(name for name in names if name is not None)

    def world_ref(self) -> WorldRef:
        """Which world the runs share."""
        return WorldRef(
            dataset=self.dataset, stack=self.chosen_stack.name, options=self.data_options,
            root=self.root, split=self.split or self.board.split, split_seed=self.split_seed,
            lora=self.lora,
        )  # fmt: skip

    @property
    def n_answers(self) -> int:
        """Answers to each request."""
        return self.board.n_images if self.n_images is None else self.n_images

    def terms(self, world: World) -> Terms:
        """What the runs have in common."""
        board, metrics = self.board, metrics_on(self.board, world, self.metrics)
        key = Pseudonyms.of_this_machine().fingerprint if self.pseudonymize else None
        return Terms(
            board.name, board.track, metrics, self.n_answers, board.n_history, key,
            permute=self.permute, permute_images=self.permute_images, taste=board.taste,
        )  # fmt: skip


def choices(campaign: Campaign) -> list[tuple[MethodChoice, bool]]:
    """The methods to run, and whether each is an anchor; the user's own first."""
    return [(choice, anchor) for choice, anchor, _ in choices_of(campaign)]


def choices_of(campaign: Campaign) -> list[tuple[MethodChoice, bool, bool]]:
    """The methods to run, whether each is an anchor, and whether the user named it."""
    board = campaign.board
    asked = [one for method in _named(campaign) for one in _swept(campaign, method)]
    own = [(choice, choice.name in board.anchors, True) for choice in asked]
    if not campaign.beside:
        return own
    names = {choice.name for choice in asked}
    beside = [name for name in (*board.baselines, *board.anchors) if name not in names]
    wrapped = _wrapped([choice for choice, anchor, _ in own if not anchor])
    return own + [
        (_beside(name, wrapped, campaign), name in board.anchors, False) for name in beside
    ]


def _wrapped(asked: Sequence[MethodChoice]) -> tuple[MethodChoice, dict[str, object]] | None:
    """The first method that can be built, with its configuration: `wrong-user` wraps it."""
    for choice in asked:
        try:
            with others_code(f"method {choice.label}"):
                return choice, dict(facts_of(choice).config)
        except PgbenchError:
            continue  # it is refused by name before anything is fitted
    return None


def _named(campaign: Campaign) -> tuple[str | MethodChoice, ...]:
    """The methods asked for, each once, the board's own in place of `ALL`."""
    named: list[str | MethodChoice] = []
    for method in campaign.methods:
        own: tuple[str | MethodChoice, ...] = (method,)
        if method == ALL:
            own = every_method(campaign.board, campaign.chosen_stack.name, campaign.prefer)
        named += [one for one in own if one not in named]
    return check_preset(named, campaign.preset)


def _swept(campaign: Campaign, method: str | MethodChoice) -> Iterator[MethodChoice]:
    if isinstance(method, MethodChoice):
        yield replace(method, prefer=method.prefer or campaign.prefer)
        return
    preset = preset_of(method, campaign.preset)
    choice = MethodChoice(method, preset, campaign.options, prefer=campaign.prefer)
    yield from swept(choice, campaign.sweep)


def _beside(
    name: str, base: tuple[MethodChoice, dict[str, object]] | None, campaign: Campaign
) -> MethodChoice:
    """A baseline or anchor; `wrong-user` wraps the first method the user asked for."""
    if name != "wrong-user" or base is None:
        return MethodChoice(name, preset_of(name, campaign.preset), prefer=campaign.prefer)
    choice, config = base
    options = {"base": choice.name, "base_config": config, "n_history": campaign.board.n_history}
    shown = f"{name}[{choice.label}]"
    return MethodChoice(name, options=options, prefer=campaign.prefer, shown=shown)
