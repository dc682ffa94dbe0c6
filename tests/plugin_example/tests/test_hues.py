"""What is drawn has the hue that it says, and hues are compared on the circle."""

import numpy as np
import pytest
from plugin_example.hue_match import hue_of, match
from plugin_example.pairs import N_HUES, Pairs, draw
from plugin_example.tilt import Tilt

from persongen_bench.core.request import Request, plan_samples


@pytest.mark.parametrize("k", range(N_HUES))
def test_pictures_have_the_hue_they_were_drawn_in(k):
    # rounding to uint8 moves a channel by 1/510 at most, the hue by less than a hundredth
    assert hue_of(draw(k / N_HUES, 0.4)) == pytest.approx(k / N_HUES, abs=0.005)


def test_match_by_hand():
    red, green, cyan, almost_red = (draw(hue, 0.3) for hue in (0, 1 / 3, 1 / 2, 11 / 12))
    assert match(red, red) == 1
    assert match(red, cyan) == pytest.approx(0, abs=0.01)  # opposite
    assert match(red, green) == pytest.approx(1 / 3, abs=0.01)  # a third of the circle: 1 - 2/3
    assert match(red, almost_red) == pytest.approx(5 / 6, abs=0.01)  # a twelfth, across zero


def test_everybody_likes_two_hues_and_dislikes_one():
    log = Pairs.load(Pairs.Config(), None).interactions
    liked = log[log["liked"]]
    hues = liked["item_id"].str[:5].groupby(liked["user_id"]).nunique()
    assert hues.tolist() == [2] * N_HUES
    assert log["user_id"].value_counts().unique().tolist() == [15]  # three hues of five pictures


def test_strength_zero_leaves_the_decoder_as_it_is():
    data = Pairs.load(Pairs.Config(), None)
    method = Tilt(Tilt.Config(strength=0.0, width=3))
    method.fit(data.train_view(data.split()), None)
    (adapter,) = method.generate(plan_samples({}, [Request("user-00")]))
    up = adapter.lora[f"unet.{method.config.layer}.lora_B.weight"]
    assert up.shape == (3, 1)
    assert (np.abs(up) == 0).all()
