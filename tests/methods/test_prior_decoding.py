"""The decoder's options of the priors: who gets them, who refuses them, and what they change."""

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, UnsupportedRequestError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.core.roles import DrawOptions
from persongen_bench.core.types import Catalog
from persongen_bench.methods.prior.config import DECODER_FIELDS, PriorConfig
from persongen_bench.methods.prior.decoding import decode, decoder_options
from persongen_bench.methods.rebeca import Rebeca

SIZE = 12
EMBEDDINGS = np.arange(2 * SIZE, dtype=np.float32).reshape(2, SIZE)
SAMPLES = plan_samples({}, [Request("anna", n_images=2)])
SEEDS = [sample.seed for sample in SAMPLES]
SETTINGS = {
    "prompt": "high quality photo",
    "negative_prompt": "bad quality photo, letters",
    "decoder_guidance_scale": 5.0,
    "decoder_steps": 50,
    "image_scale": 0.5,
}


class Plain:
    """A decoder of embeddings; notes what it is asked for."""

    signature = "plain"

    def __init__(self):
        self.calls = []

    def decode(self, embeddings, seeds):
        self.calls.append(("decode", embeddings, list(seeds)))
        return [np.zeros((3, 2, 2), dtype=np.uint8) for _ in seeds]


class TextToImage(Plain):
    pipeline = None

    def draw(self, conditions, seeds, options=DrawOptions()):  # noqa: B008
        self.calls.append(("draw", conditions, list(seeds), options))
        return [np.zeros((3, 2, 2), dtype=np.uint8) for _ in seeds]

    def adapted(self, adapter):
        raise AssertionError("the priors adapt nothing")


class OneRole:
    name, roles, signature = "one-role", ("decoder",), "one-role"

    def __init__(self, decoder):
        self.decoder = decoder

    def role(self, name):
        assert name == "decoder"
        return self.decoder


def config(**options):
    return PriorConfig(**options)


def test_by_default_nothing_is_said_to_the_decoder():
    for decoder in (Plain(), TextToImage()):
        decode(OneRole(decoder), config(), EMBEDDINGS, SAMPLES)
        ((call, embeddings, seeds),) = decoder.calls
        assert call == "decode"
        assert embeddings is EMBEDDINGS
        assert seeds == SEEDS


def test_options_go_to_the_decoder():
    decoder = TextToImage()
    decode(OneRole(decoder), config(**SETTINGS), EMBEDDINGS, SAMPLES)
    ((call, conditions, seeds, options),) = decoder.calls
    assert call == "draw"
    assert seeds == SEEDS
    assert options == DrawOptions(guidance_scale=5.0, n_inference_steps=50, image_scale=0.5)
    for condition, row in zip(conditions, EMBEDDINGS, strict=True):
        assert condition.prompt == "high quality photo"
        assert condition.negative_prompt == "bad quality photo, letters"
        np.testing.assert_array_equal(condition.images, row[None])


@pytest.mark.parametrize("name", DECODER_FIELDS)
def test_each_option_alone_is_noticed(name):
    assert set(SETTINGS) == set(DECODER_FIELDS)
    asked = config(**{name: SETTINGS[name]})
    assert decoder_options(asked) == [name]
    decoder = TextToImage()
    decode(OneRole(decoder), asked, EMBEDDINGS, SAMPLES)
    assert decoder.calls[0][0] == "draw"


def test_zero_is_a_value_and_not_the_default():
    assert decoder_options(config(image_scale=0.0)) == ["image_scale"]


def test_an_instruction_stands_before_the_words_and_beside_the_embedding():
    decoder = TextToImage()
    samples = plan_samples({}, [Request("anna", n_images=2, instruction="a red square")])
    decode(OneRole(decoder), config(prompt="soft light"), EMBEDDINGS, samples)
    ((call, conditions, seeds, options),) = decoder.calls
    assert call == "draw"
    assert options == DrawOptions(image_scale=0.5)
    assert [condition.prompt for condition in conditions] == ["a red square, soft light"] * 2
    assert seeds == [sample.seed for sample in samples]
    decode(OneRole(decoder), config(image_scale=0.2), EMBEDDINGS, samples)
    assert decoder.calls[-1][3] == DrawOptions(image_scale=0.2)
    with pytest.raises(UnsupportedRequestError, match="no instruction"):
        decode(OneRole(Plain()), config(), EMBEDDINGS, samples)


# --- as a method ----------------------------------------------------------------------------


def view():
    items = pd.DataFrame(index=pd.Index([f"i{k}" for k in range(8)], name="item_id"))
    rows = pd.DataFrame(
        {"user_id": ["a"] * 8, "item_id": items.index, "rating": 1.0, "liked": True,
         "timestamp": np.nan}
    )  # fmt: skip
    return View(Catalog(items, source=None), rows)


TINY = {
    "n_tokens": 4, "n_layers": 1, "n_heads": 2, "hidden_size": 8, "max_epochs": 1,
    "sampler": "ddim", "n_inference_steps": 2,
}  # fmt: skip


def method(**options):
    return Rebeca(Rebeca.Config(**{**TINY, **options}))


def context(decoder, features=None, checkpoints=None):
    rows = np.random.default_rng(0).standard_normal((8, SIZE)).astype(np.float32)
    return FitContext(OneRole(decoder), 0, features or (lambda role, v: rows), checkpoints)


def test_a_decoder_of_embeddings_refuses_before_anything_is_trained(tmp_path):
    def never(role, v):
        raise AssertionError("read the features before it looked at the decoder")

    told = r"stack one-role takes embeddings only, and decoder_steps, image_scale are set\. Leave"
    made = method(decoder_steps=3, image_scale=0.5)
    with pytest.raises(ConfigError, match=told):
        made.fit(view(), context(Plain(), never))
    plain = method()
    plain.fit(view(), context(Plain()))
    plain.save(tmp_path)
    with pytest.raises(ConfigError, match=told):
        made.load(tmp_path, OneRole(Plain()), view())
    made.load(tmp_path, OneRole(TextToImage()), view())


def test_the_grid_of_guidances_shares_one_fit():
    assert set(DECODER_FIELDS) <= Rebeca.generate_fields
    one, other = method(), method(**SETTINGS, guidance_scale=3.0)
    asked = context(TextToImage())
    assert one._identity(view(), asked) == other._identity(view(), asked)
    assert one._identity(view(), asked) != method(learning_rate=1.0)._identity(view(), asked)


def test_the_options_reach_the_decoder_of_a_method():
    decoder = TextToImage()
    made = method(decoder_guidance_scale=1.5)
    made.fit(view(), context(decoder))
    samples = plan_samples({}, [Request("a", (), 2)])
    made.generate(samples)
    ((_, conditions, seeds, options),) = decoder.calls
    assert options == DrawOptions(guidance_scale=1.5)
    assert seeds == [sample.seed for sample in samples]
    drawn = np.concatenate([condition.images for condition in conditions])
    np.testing.assert_array_equal(drawn, made.embeddings(samples))


def test_an_option_out_of_range_is_refused():
    for name in ("decoder_guidance_scale", "decoder_steps", "image_scale"):
        with pytest.raises(ValueError, match=name):
            config(**{name: -1})
