"""The encoder that scores tokens."""

import math

import pytest
import torch
from pigeon_case import config_of

from persongen_bench.methods.pigeon.generator import (
    HISTORY,
    PAD,
    REFERENCE,
    MaskGenerator,
    lay_out,
    sinusoids,
)

D = 16


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return MaskGenerator(D, 8, config_of()).eval()


def picture(n, seed):
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed))


def test_positions_start_again_in_every_picture():
    layout = lay_out([[picture(3, 0), picture(2, 1)], []], [picture(2, 2), picture(3, 3)])
    assert layout.positions.tolist() == [[0, 1, 2, 0, 1, 0, 1], [0, 1, 2, 0, 0, 0, 0]]
    h, r, p = HISTORY, REFERENCE, PAD
    assert layout.types.tolist() == [[h, h, h, h, h, r, r], [r, r, r, p, p, p, p]]
    assert torch.equal(layout.tokens[0, 3:5], picture(2, 1))


def test_positions_are_sines_and_cosines():
    table = sinusoids(3, 4)
    # rates 1 and 10000^(-2/4) = 1/100
    expected = [[0, 1, 0, 1]] + [
        [math.sin(k), math.cos(k), math.sin(k / 100), math.cos(k / 100)] for k in (1, 2)
    ]
    torch.testing.assert_close(table, torch.tensor(expected, dtype=torch.float32))
    assert sinusoids(2, 5).shape == (2, 5)


def test_scores_are_cosines(generator):
    layout = lay_out([[picture(4, 0)]], [picture(4, 1)])
    scores = generator(layout)
    assert scores.shape == (1, 8)
    assert (scores.abs() <= 1 + 1e-6).all()
    assert float(scores.detach().std()) > 0.01


def test_the_order_of_the_history_does_not_matter(generator):
    """Positions restart and types are equal, so that two pictures swap their scores."""
    one, two, reference = picture(3, 0), picture(2, 1), picture(2, 2)
    scores = generator(lay_out([[one, two]], [reference]))[0]
    swapped = generator(lay_out([[two, one]], [reference]))[0]
    torch.testing.assert_close(torch.cat([scores[3:5], scores[:3], scores[5:]]), swapped)


def test_types_places_and_company_matter(generator):
    one, two = picture(3, 0), picture(3, 1)
    base = generator(lay_out([[one]], [two]))[0]
    as_reference = generator(lay_out([[two]], [one]))[0]
    assert (base[:3] - as_reference[3:]).abs().max() > 1e-4
    turned = generator(lay_out([[one.flip(0)]], [two]))[0]
    assert (base[:3] - turned[:3].flip(0)).abs().max() > 1e-4
    alone = generator(lay_out([[picture(3, 5)]], [two]))[0]
    assert (base[3:] - alone[3:]).abs().max() > 1e-4


def test_padding_does_not_matter(generator):
    short, long = [picture(2, 0)], [picture(3, 1), picture(3, 2)]
    both = generator(lay_out([short, long], [picture(2, 3), picture(2, 4)]))
    alone = generator(lay_out([short], [picture(2, 3)]))
    torch.testing.assert_close(both[:1, :4], alone)
