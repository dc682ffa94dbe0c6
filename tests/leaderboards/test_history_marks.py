"""A mark is a frame in the colour of its word, and a hatch over the share that stands behind it."""

import numpy as np
import pytest
from PIL import Image as PilImage

from persongen_bench.leaderboards.history_marks import COLOURS, Legend, Mark, place_marked


def drawn(mark, cell=40, grey=128):
    sheet = PilImage.new("RGB", (cell + 20, cell + 20), "white")
    place_marked(sheet, np.full((3, 8, 8), grey, np.uint8), (10, 10), cell, mark)
    return np.asarray(sheet).astype(int)[10:-10, 10:-10]


def rgb(colour):
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


def test_every_word_has_its_colour_and_shares_belong_to_their_word():
    legend = Legend.of(["retrieved", "", "masked .4", "masked 0.75", "retrieved"])
    assert legend.colours == {"masked": COLOURS[0], "retrieved": COLOURS[1]}
    assert legend.partial == {"masked"}
    assert legend.of_mark("retrieved") == Mark(COLOURS[1])
    assert legend.of_mark("masked .4") == Mark(COLOURS[0], 0.4)
    assert legend.of_mark("") is None


def test_without_marks_there_is_no_legend():
    assert Legend.of(["", ""]) == Legend()


@pytest.mark.parametrize("mark", ["2", ".5", "rank 3", "layer-2.5", "a b", "1.2.3"])
def test_what_is_no_share_is_a_word(mark):
    legend = Legend.of([mark])
    assert list(legend.colours) == [mark]
    assert legend.of_mark(mark) == Mark(COLOURS[0])


def test_many_words_use_the_colours_again():
    assert len(Legend.of(f"word-{k}" for k in "abcdef").colours) == 6


def test_a_frame_leaves_the_picture():
    pixels = drawn(Mark(COLOURS[1]))
    frame = (pixels == rgb(COLOURS[1])).all(axis=2)
    assert frame.sum() == 40 * 40 - 34 * 34  # three pixels on every side
    assert (pixels[3:-3, 3:-3] == 128).all()


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_a_hatch_covers_its_share_from_below(share):
    inside = drawn(Mark(COLOURS[0], share))[3:-3, 10:30]
    touched = (inside != 128).any(axis=2)
    top = 40 - round(share * 40)
    assert not touched[: max(0, top - 3)].any()
    assert touched[max(0, top - 3) :].all()
    hatched = (inside == rgb(COLOURS[0])).all(axis=2)[max(0, top - 3) :]
    assert 0.15 < hatched.mean() < 0.6  # lines, and something of the picture between them


def test_a_share_of_nothing_is_a_frame():
    assert np.array_equal(drawn(Mark(COLOURS[0], 0.0)), drawn(Mark(COLOURS[0])))
