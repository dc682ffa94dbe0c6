"""Gains of edited models over the unedited ones, and their strips over strength."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image as PilImage

from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.core.request import Request
from persongen_bench.leaderboards import edit_gain
from persongen_bench.leaderboards.edit_gain import EditGain, edit_gains, gain_plot, lines
from persongen_bench.leaderboards.strength_strips import (
    EditStrip,
    edit_sheet,
    ordered_columns,
    shown_edits,
)

# --- gains ---------------------------------------------------------------------------------

BEFORE = {"anna": [0.2, 0.4], "ben": [0.5, 0.5]}
AFTER = {"anna": [0.4, 0.6], "ben": [0.5, 0.4]}


def table(values):
    rows = [(user, k, v) for user, own in values.items() for k, v in enumerate(own)]
    index = [f"{user}-{k}" for user, k, _ in rows]
    return pd.DataFrame({"user": [r[0] for r in rows], "value": [r[2] for r in rows]}, index=index)


def fake(label, seed=0):
    config = SimpleNamespace(method=SimpleNamespace(label=label), seed=seed)
    return SimpleNamespace(config=config, path=label)


def test_the_gain_is_the_mean_of_the_pairs_of_a_user_then_of_users():
    """Anna +.2 and +.2, ben 0 and -.1: means .2 and -.05, their mean .075."""
    found = edit_gain._gain(fake("w2w"), table(AFTER), table(BEFORE))
    assert found.gain == pytest.approx(0.075)
    assert found.taste == pytest.approx(0.475)
    assert (found.n_users, found.n_pairs) == (2, 4)


def test_users_whose_interval_lies_above_zero_are_counted():
    rng = np.random.default_rng(0)
    before = {user: rng.uniform(0.3, 0.5, 40) for user in ("anna", "ben", "cleo")}
    shift = {"anna": 0.2, "ben": 0.0, "cleo": -0.2}
    after = {u: v + shift[u] + rng.normal(0, 0.05, 40) for u, v in before.items()}
    found = edit_gain._gain(fake("w2w"), table(after), table(before))
    assert (found.up, found.down) == pytest.approx((1 / 3, 1 / 3))


def test_pictures_that_only_one_has_are_left_out():
    after = table(AFTER).drop(index="anna-1")
    found = edit_gain._gain(fake("w2w"), after, table(BEFORE))
    assert found.n_pairs == 3
    assert found.gain == pytest.approx((0.2 - 0.05) / 2)


def test_without_runs_or_the_unedited_one_it_says_so(monkeypatch):
    with pytest.raises(RunError, match="no run here edits models"):
        edit_gains([])
    directory = SimpleNamespace(kind=edit_gain.ADAPTER)
    monkeypatch.setattr(edit_gain, "RunDirectory", lambda *_: directory)
    monkeypatch.setattr(edit_gain.matching, "protocol", lambda run: {})
    world = SimpleNamespace(dataset=SimpleNamespace(taste="known"))
    monkeypatch.setattr(edit_gain, "reopen_world", lambda *_: world)
    with pytest.raises(RunError, match="no unedited run beside it"):
        edit_gains([fake("w2w")])
    world.dataset.taste = None
    with pytest.raises(RunError, match="true taste is known"):
        edit_gains([fake("w2w")])


def gain(label, value):
    return EditGain(
        label=label, seed=0, taste=0.4, gain=value, low=value - 0.1, high=value + 0.1, n_users=9,
        up=0.5, down=0.25, n_pairs=90,
    )  # fmt: skip


def test_rows_are_printed_with_their_signs():
    (line,) = lines([gain("w2w[strength=2]", 0.05)])
    assert line == (
        "w2w[strength=2]", "0", "0.400", "+0.050", "[-0.050, +0.150]", "9", "50%", "25%"
    )  # fmt: skip


def test_a_sweep_is_drawn_and_anything_else_refused(tmp_path):
    rows = [gain(f"w2w[strength={t}]", t / 10) for t in (-2, 2, 1)]
    gain_plot(rows, "strength", tmp_path / "gain.png")
    assert (tmp_path / "gain.png").stat().st_size > 1000
    with pytest.raises(RunError, match="differ in share"):
        gain_plot(rows, "share", tmp_path / "gain.png")


# --- strips --------------------------------------------------------------------------------


def row(label):
    return SimpleNamespace(label=label)


def test_strengths_stand_in_order_with_the_unedited_model_at_zero():
    labels = ["w2w[strength=2]", "unedited", "random-direction", "w2w[strength=-1]",
              "w2w[strength=-3]", "w2w[strength=0.5]"]  # fmt: skip
    assert [one.label for one in ordered_columns([*map(row, labels)])] == [
        "w2w[strength=-3]", "w2w[strength=-1]", "unedited", "w2w[strength=0.5]",
        "w2w[strength=2]", "random-direction",
    ]  # fmt: skip
    assert [one.label for one in ordered_columns([row("w2w"), row("unedited")])] == [
        "unedited", "w2w",
    ]  # fmt: skip


def test_the_first_models_of_the_first_users_are_shown():
    asked = [Request(f"u{k}", model=f"m{m}") for k in (3, 1, 0, 2, 4) for m in range(3)]
    shown = shown_edits(asked)
    assert [(r.user_id, r.model) for r in shown] == [
        (f"u{k}", f"m{m}") for k in range(4) for m in range(2)
    ]


def solid(colour):
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, 64, 64)).copy()


def test_every_picture_is_on_the_sheet(tmp_path):
    red, green = (210, 30, 40), (30, 160, 60)
    strips = [EditStrip("anna", "m0", [solid(red)] * 2, [solid(green), None, solid(green)])] * 2
    edit_sheet(strips, ["a", "b", "c"], tmp_path / "s.png", title="t", subtitle="s")
    with PilImage.open(tmp_path / "s.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert (pixels == green).all(axis=2).sum() == 4 * 96 * 96
    assert (pixels == red).all(axis=2).sum() == 4 * 46 * 46


def test_nothing_to_show_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="at least one"):
        edit_sheet([], ["a"], tmp_path / "s.png", title="t", subtitle="s")
