"""Pictures in memory: opened once, bounded in bytes, and nobody's to change."""

import numpy as np

from persongen_bench.loop.held_pictures import HeldPictures


class Opener:
    """Opens pictures of 12 bytes, and notes which."""

    def __init__(self):
        self.asked = []

    def __call__(self, names):
        self.asked += names
        return [np.full((3, 2, 2), ord(name), dtype=np.uint8) for name in names]


def test_each_is_opened_once_and_comes_in_the_order_asked_for():
    held, opener = HeldPictures(), Opener()
    assert [image[0, 0, 0] for image in held.get("abca", opener)] == [97, 98, 99, 97]
    assert [image[0, 0, 0] for image in held.get("cad", opener)] == [99, 97, 100]
    assert opener.asked == list("abcd")


def test_what_is_handed_out_is_a_copy():
    held, opener = HeldPictures(), Opener()
    for _ in range(2):
        (image,) = held.get("a", opener)
        assert (image == 97).all()
        image[:] = 0


def test_the_oldest_go_beyond_the_bytes():
    held, opener = HeldPictures(most=30), Opener()
    assert len(held.get("abc", opener)) == 3
    held.get("bc", opener)
    assert opener.asked == list("abc")
    held.get("a", opener)  # b goes
    held.get("cb", opener)
    assert opener.asked == list("abcab")


def test_one_that_is_too_large_is_not_held():
    held, opener = HeldPictures(most=11), Opener()
    held.get("a", opener)
    held.get("a", opener)
    assert opener.asked == list("aa")


def test_nothing_is_held_after_clearing():
    held, opener = HeldPictures(), Opener()
    held.get("a", opener)
    held.clear()
    held.get("a", opener)
    assert opener.asked == list("aa")
