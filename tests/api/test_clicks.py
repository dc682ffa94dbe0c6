"""A log of clicks without ratings, from its files to a board whose headline means something."""

import json

import numpy as np
import pandas as pd
import pytest

import persongen_bench as pb
from persongen_bench.core import images as imaging
from persongen_bench.core.errors import DataError, MissingRoleError

HUES = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (40, 190, 60)}
N_EACH, N_USERS = 16, 24
IMPLICIT = {"feedback": "implicit"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """48 pictures of three hues; each user clicks on one hue nine times of ten, also twice."""
    root = tmp_path_factory.mktemp("clicks") / "shop"
    root.mkdir()
    rng = np.random.default_rng(7)
    ids = [f"{hue}-{k:02d}" for hue in HUES for k in range(N_EACH)]
    for item in ids:
        noise = rng.integers(-30, 31, (3, 24, 24))
        pixels = np.clip(np.array(HUES[item.split("-")[0]])[:, None, None] + noise, 0, 255)
        (root / f"{item}.png").write_bytes(imaging.png_bytes(pixels.astype(np.uint8)))
    pd.DataFrame({"item_id": ids, "image": [f"{i}.png" for i in ids]}).to_csv(
        root / "items.csv", index=False
    )
    rows = []
    for user in range(N_USERS):
        own = list(HUES)[user % 3]
        for _ in range(14):
            hue = own if rng.random() < 0.9 else list(HUES)[rng.integers(3)]
            rows.append((f"u{user:02d}", f"{hue}-{rng.integers(N_EACH):02d}"))
    pd.DataFrame(rows, columns=["user_id", "item_id"]).to_csv(
        root / "interactions.csv", index=False
    )
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def made(shop, runs, **settings):
    options = {**IMPLICIT, **settings.pop("data_options", {})}
    return pb.run(
        "nearest-item", "folder", data=shop, data_options=options, runs=runs, n_images=4, **settings
    )


@pytest.mark.slow
def test_the_headline_tells_taste_from_none_and_says_what_it_means(shop, cache, tmp_path):
    """Who shows the clicked hue must lead; who shows anything must not.

    Everything liked gave 0.000 to every row here, oracle and random items alike.
    """
    run = made(shop, tmp_path)
    board = pb.leaderboard(tmp_path)
    frame = board.to_frame().set_index("method")
    gap = frame["taste-gap"]
    assert gap["oracle"] > 0.1
    assert gap["nearest-item"] > 0.1
    assert abs(gap["random-item"]) < 0.1
    assert gap["nearest-item"] > gap["random-item"] + 0.1
    notes = json.loads((run.path / "run.json").read_text())["dataset"]["notes"]
    assert "sampled unseen items" in notes[0]
    for form in ("text", "markdown", "html"):
        text = " ".join(getattr(board, f"to_{form}")().split())
        assert "sampled unseen items" in text, form
        assert "not what people said they dislike" in text, form


@pytest.mark.slow
def test_the_order_of_the_rows_changes_no_identity_and_no_number(shop, cache, tmp_path):
    """Items and clicks in another order: the same run id, numbers, intervals and p values."""
    first = made(shop, tmp_path / "a", beside=False)
    before = {name: (shop / name).read_text() for name in ("items.csv", "interactions.csv")}
    try:
        for name in before:
            rows = pd.read_csv(shop / name).sample(frac=1, random_state=4)
            rows.to_csv(shop / name, index=False)
        again = made(shop, tmp_path / "b", beside=False)
    finally:
        for name, text in before.items():
            (shop / name).write_text(text)
    assert again.results.config.run_id == first.results.config.run_id
    assert again.summary == first.summary
    assert first.summary.tests["permutation.block"].p_value < 0.05
    pd.testing.assert_frame_equal(again.results.scores, first.results.scores)


def test_without_the_option_nothing_is_made_up(shop, cache, tmp_path):
    with pytest.raises(DataError, match=r"no column 'rating'.*feedback=implicit"):
        made(shop, tmp_path, data_options={"feedback": "ratings"})
    assert not list(tmp_path.iterdir())


def test_captions_that_are_missing_are_told_before_anything_is_fitted(
    shop, cache, tmp_path, monkeypatch
):
    """The sandbox has words for pictures; without its captioner there are none."""
    from persongen_bench.stacks.sandbox import SandboxStack

    monkeypatch.setattr(
        SandboxStack, "roles", tuple(r for r in SandboxStack.roles if r != "captioner")
    )
    with pytest.raises(MissingRoleError, match=r"metric cps: 48 of 48 items have no caption"):
        made(shop, tmp_path, beside=False, stack="sandbox", metrics=("cps",))
    assert not list(tmp_path.rglob("run.json"))
