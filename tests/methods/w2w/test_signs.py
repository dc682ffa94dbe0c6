"""Signs that agree between models: what a direction learned from many of them stands on."""

import numpy as np
import pytest

from persongen_bench.methods.w2w.corpus import Corpus
from persongen_bench.methods.w2w.layout import Layout
from persongen_bench.methods.w2w.signs import align, leading
from persongen_bench.util.lora.layers import LoraLayer, LoraLayers

PATH = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"


def rows(n=40, d=12, noise=0.3, seed=0):
    """One direction with random signs, and noise."""
    rng = np.random.default_rng(seed)
    way = rng.standard_normal(d)
    signs = rng.choice([-1.0, 1.0], n)
    return signs[:, None] * way + noise * rng.standard_normal((n, d)), signs, way


def test_leading_is_the_first_singular_vector():
    """Next to numpy's own."""
    made, _, _ = rows()
    _, _, vt = np.linalg.svd(made)
    assert abs(float(leading(made) @ vt[0])) == pytest.approx(1, abs=1e-5)


def test_signs_of_rows_do_not_move_it():
    made, signs, _ = rows()
    assert leading(made * signs[:, None]) == pytest.approx(leading(made), abs=1e-6)
    assert leading(np.zeros((3, 4))).tolist() == [0, 0, 0, 0]


def test_planted_signs_are_found(tmp_path):
    made, signs, way = rows()
    corpus = Corpus(tmp_path, made.shape, "float32")
    corpus.write(made)
    towards = align(corpus, {PATH: slice(0, 12)})
    turned = corpus.columns(slice(0, 12))
    assert np.allclose(np.abs(turned), np.abs(made), atol=1e-6)
    agree = np.sign(turned @ way)
    assert abs(agree.sum()) == 40  # all one way, where the planted signs are mixed
    assert abs(signs.sum()) < 40
    assert (turned @ towards[PATH] > 0).all()


@pytest.mark.parametrize("gauge", [-1.0, 0.01, -300.0])
def test_the_same_change_has_the_same_vector_whatever_its_factors(gauge):
    rng = np.random.default_rng(1)
    up, down = rng.standard_normal((5, 2)), rng.standard_normal((2, 4))
    towards = {PATH: rng.standard_normal(9).astype(np.float32)}
    layout = Layout("svd", {PATH: (5, 4)}, signs=towards)
    one, other = (
        layout.vector(LoraLayers({PATH: LoraLayer(d.astype(np.float32), u.astype(np.float32))}))
        for u, d in ((up, down), (up * gauge, down / gauge))
    )
    assert one == pytest.approx(other, abs=1e-4)
    assert float(one @ towards[PATH]) > 0


def test_the_change_of_weights_stays_what_it_was():
    rng = np.random.default_rng(2)
    down, up = (rng.standard_normal(shape).astype(np.float32) for shape in ((1, 4), (5, 1)))
    lora = LoraLayers({PATH: LoraLayer(down, up)})
    plain = Layout("svd", {PATH: (5, 4)})
    turned = Layout("svd", {PATH: (5, 4)}, signs={PATH: -plain.vector(lora)})
    assert turned.vector(lora) == pytest.approx(-plain.vector(lora))
    (u, d), (v, e) = plain.pairs(plain.vector(lora))[PATH], turned.pairs(turned.vector(lora))[PATH]
    assert u @ d == pytest.approx(v @ e)
