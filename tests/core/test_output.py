"""Kinds of output: the laws that every kind keeps, and what each refuses."""

import numpy as np
import pytest
from refusals import refused

from persongen_bench.core.errors import ConfigError, DataError, NoAnswerError
from persongen_bench.core.output import ADAPTER, IMAGE, KINDS, RANKING, Ranking, kind_of, readable
from persongen_bench.core.roles import Adapter

LORA = {
    "unet.mid.to_q.lora_A.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "unet.mid.to_q.lora_B.weight": np.ones((4, 2), np.float16),
}


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (3, 9, 11), dtype=np.uint8)


GOOD = {
    "image": [picture(0), picture(1)],
    "ranking": [Ranking(("b", "a")), Ranking(("ä", "b"), (1.5, -2.0)), Ranking(("x",), (0.1,))],
    "adapter": [
        Adapter(LORA), Adapter(LORA, alpha=2.0), Adapter(words={"<w>": np.ones((1, 8))}),
        Adapter(dict(reversed(LORA.items())), 4.0, {"<w>": np.ones((2, 8), np.float32)}),
    ],
}  # fmt: skip
every = [(KINDS[name], value) for name, values in GOOD.items() for value in values]


@pytest.mark.parametrize(("kind", "value"), every)
def test_it_comes_back_as_it_went(kind, value):
    again = kind.from_bytes(kind.to_bytes(kind.check(value)), "file")
    assert kind.digest(again) == kind.digest(value)
    assert kind.to_bytes(again) == kind.to_bytes(value)


@pytest.mark.parametrize("shape", [(8, 7), (7, 8), (1, 500)])
def test_a_picture_with_a_side_below_eight_is_no_answer(shape):
    """It is a picture all the same: what an older version recorded can be read."""
    image = np.zeros((3, *shape), np.uint8)
    with pytest.raises(NoAnswerError, match="at least 8 a side"):
        IMAGE.check(image)
    assert IMAGE.from_bytes(IMAGE.to_bytes(image), "file").shape == image.shape
    assert IMAGE.check(np.zeros((3, 8, 8), np.uint8)).shape == (3, 8, 8)


@pytest.mark.parametrize("name", KINDS)
def test_other_content_has_another_digest(name):
    kind = KINDS[name]
    digests = [kind.digest(value) for value in GOOD[name]]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("name", KINDS)
def test_rubbish_is_one_line_that_names_the_file(name):
    for data in (b"", b"rubbish", b"\x80\x04K\x01.", b"{}", b"[1]", b'{"item_ids": 3}'):
        with refused(r"^the-file: "):
            KINDS[name].from_bytes(data, "the-file")


def test_a_ranking_of_other_fields_is_refused():
    data = b'{"item_ids": ["a"], "scores": null, "rank": 1}'
    with pytest.raises(DataError, match=r"^the-file: unknown field 'rank'$"):
        RANKING.from_bytes(data, "the-file")
    with pytest.raises(DataError, match=r"^the-file: unknown field 'score'$"):
        RANKING.from_bytes(b'{"item_ids": ["a"], "score": [1.0]}', "the-file")


def test_the_digest_of_an_adapter_does_not_depend_on_the_order_of_its_keys():
    assert ADAPTER.digest(Adapter(dict(reversed(LORA.items())))) == ADAPTER.digest(Adapter(LORA))
    assert ADAPTER.digest(Adapter(LORA, alpha=2.0)) != ADAPTER.digest(Adapter(LORA, alpha=2.5))


def test_the_digests_are_pinned():
    # Computed once by this code: a change makes every recorded answer look damaged.
    assert RANKING.digest(Ranking(("a", "b"), (2.0, 1.0))) == "b940417dcc39f620"
    assert ADAPTER.digest(Adapter(LORA, alpha=2.0)) == "dc847664eba02609"


def test_a_lora_file_is_one_that_diffusers_reads(tmp_path):
    from safetensors.numpy import load_file

    (tmp_path / "lora.safetensors").write_bytes(ADAPTER.to_bytes(Adapter(LORA)))
    assert sorted(load_file(tmp_path / "lora.safetensors")) == sorted(LORA)


def test_a_file_of_others_is_a_lora_whose_alpha_is_its_rank():
    from safetensors.numpy import save

    adapter = ADAPTER.from_bytes(save(LORA, {"format": "pt"}), "file")
    assert adapter.alpha is None
    assert sorted(adapter.lora) == sorted(LORA)


BAD = [
    (IMAGE, picture().astype(float), "uint8"),
    (IMAGE, Ranking(("a",)), "Ranking"),
    (RANKING, ("a", "b"), "expected a Ranking, found tuple"),
    (RANKING, Ranking(()), "empty"),
    (RANKING, Ranking(("a", "a")), "twice"),
    (RANKING, Ranking(("a", 1)), "tuple of item ids"),
    (RANKING, Ranking(["a"]), "tuple of item ids"),
    (RANKING, Ranking(("a", "b"), (1.0,)), "2 scores"),
    (RANKING, Ranking(("a", "b"), (1.0, 2.0)), "larger than the one before"),
    (RANKING, Ranking(("a", "b"), (float("nan"), 2.0)), "finite"),
    (ADAPTER, LORA, "expected an Adapter, found dict"),
    (ADAPTER, Adapter(), "neither"),
    (ADAPTER, Adapter(LORA, alpha=float("inf")), "alpha is inf"),
    (ADAPTER, Adapter({"k": np.ones(3, int)}), "float array, found int64"),
    (ADAPTER, Adapter({"k": [1.0]}), "float array, found list"),
    (ADAPTER, Adapter({"k": np.array([np.nan])}), "not finite"),
    (ADAPTER, Adapter(LORA, words={"<w>": np.array([1.0, np.inf])}), "not finite"),
    (ADAPTER, Adapter({"words.k": np.ones(1)}), "no key 'words.k'"),
]


@pytest.mark.parametrize(("kind", "value", "message"), BAD)
def test_what_breaks_the_contract_is_refused(kind, value, message):
    with pytest.raises(DataError, match=message):
        kind.check(value)


def test_metrics_read_the_images_that_adapters_draw():
    assert readable("image", "image")
    assert readable("image", "adapter")
    assert readable("adapter", "adapter")
    assert not readable("image", "ranking")
    assert not readable("adapter", "image")


def test_an_unknown_kind_is_told_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no kind.*'video'.*image, ranking, adapter"):
        kind_of("video")
