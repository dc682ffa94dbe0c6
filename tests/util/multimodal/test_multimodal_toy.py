from __future__ import annotations

import numpy as np
import pytest
from multimodal_case import MultimodalLaws

from persongen_bench.testing.toy import ToyStack, toy_world
from persongen_bench.util.multimodal.layout import PictureLayout
from persongen_bench.util.multimodal.prompts import LIKES, REFERENCE, wish
from persongen_bench.util.multimodal.tokenizer import word_tokenizer


@pytest.fixture(scope="module")
def lmm():
    return ToyStack().role("lmm")


@pytest.fixture(scope="module")
def pictures():
    catalog = toy_world().train.catalog
    return catalog.images(catalog.ids[:6])


class TestToy(MultimodalLaws):
    pass


GRID = PictureLayout(
    100, tuple(range(9) for _ in range(6)), before=(1, 2), after=(8,), row=3, row_end=7
)
"""Two rows of three, as Emu3 writes them: an end behind every row."""


def test_a_grid_has_an_end_behind_every_row():
    codes = np.array([0, 1, 2, 3, 4, 5])
    assert GRID.ids(codes) == [1, 2, 100, 101, 102, 7, 103, 104, 105, 7, 8]
    assert GRID.inner(codes) == [100, 101, 102, 7, 103, 104, 105]
    assert GRID.places(6) == [0, 1, 2, 4, 5, 6]
    assert (GRID.n_codes, GRID.n_tokens) == (9, 6)


def test_a_part_of_a_grid_ends_where_it_ends():
    assert GRID.ids(np.array([5, 5])) == [1, 2, 105, 105, 8]
    assert GRID.ids(np.array([5, 5, 5])) == [1, 2, 105, 105, 105, 7, 8]
    assert GRID.ids(np.array([], dtype=np.int64)) == [1, 2, 8]


def test_a_wish_shows_the_history_and_then_the_reference():
    one, two = np.array([1]), np.array([2])
    parts = wish([one, two], "a red star", reference=one)
    assert [p if isinstance(p, str) else (p.codes.tolist(), p.guided) for p in parts] == [
        LIKES, ([1], True), ([2], True), f"{REFERENCE} a red star", ([1], False),
    ]  # fmt: skip
    assert wish([], "a red star") == [f"{REFERENCE} a red star"]
    assert wish([]) == []


def test_words_are_whole_and_strange_ones_are_spelt_out():
    tokenizer = word_tokenizer(["red", "star"], ["<picture>"])
    ids = tokenizer("Red star, zebra!", add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    pieces = tokenizer.convert_ids_to_tokens(ids)
    assert pieces == ["red", "star", ",", "z", "##e", "##b", "##r", "##a", "!"]
    assert tokenizer.decode(ids) == "red star, zebra!"
    marker = tokenizer.convert_tokens_to_ids("<picture>")
    assert marker == len(tokenizer) - 1
