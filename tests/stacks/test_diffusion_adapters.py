"""Personal weights: as the stock loaders put them in, gone afterwards, and of no growing memory.

Expected pictures come from a second pipeline of the same weights, given the same LoRA or words
through the library's own ``load_lora_weights`` and ``load_textual_inversion``.
"""

from __future__ import annotations

import gc
import itertools
from functools import cache

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusion_case import EMBEDDING, WIDTH, seeded, tiny_pipeline, tiny_xl_pipeline
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.numpy import load_file

from persongen_bench.core.roles import Adapter, Condition
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
from persongen_bench.stacks.diffusion.settings import DiffusionSettings

SETTINGS = DiffusionSettings(
    sampler="ddim", n_inference_steps=1, guidance_scale=3.0, rows=2, device="cpu"
)
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
IMAGE = np.random.default_rng(8).normal(size=(1, EMBEDDING)).astype(np.float32)
CONDITIONS = [Condition("a red star", images=IMAGE), Condition("a <u1> heart"), Condition("<u2>")]
SEEDS = [1, 2, 3]


def fresh(pipeline=None):
    return DiffusionDecoder(pipeline or tiny_pipeline(), SETTINGS, "w")


@cache
def shared():
    """One decoder for the tests that leave it as it was."""
    return fresh()


def layers(pipeline, targets=TARGETS):
    return [name for name, _ in pipeline.unet.named_modules() if name.endswith(targets)]


def lora(seed, rank=4, pipeline=None, targets=TARGETS):
    """Random factors of every attention layer; ``rank`` may be an iterator of ranks."""
    rng = np.random.default_rng(seed)
    unet = (pipeline or shared().pipeline).unet
    ranks = itertools.repeat(rank) if isinstance(rank, int) else rank
    found = {}
    for name, r in zip(layers(pipeline or shared().pipeline, targets), ranks):  # noqa: B905
        out, into = unet.get_submodule(name).weight.shape
        found[f"unet.{name}.lora_A.weight"] = 0.6 * rng.normal(size=(r, into)).astype(np.float32)
        found[f"unet.{name}.lora_B.weight"] = 0.6 * rng.normal(size=(out, r)).astype(np.float32)
    return found


def words(seed, sizes=(1, 3)):
    rng = np.random.default_rng(seed)
    names = (f"<u{k}>" for k in itertools.count(1))
    return {w: rng.normal(size=(n, WIDTH)).astype(np.float32) for w, n in zip(names, sizes)}  # noqa: B905


def draw(decoder, adapter=None):
    if adapter is None:
        return decoder.draw(CONDITIONS, SEEDS)
    with decoder.adapted(adapter):
        return decoder.draw(CONDITIONS, SEEDS)


def stock(adapter, alphas=None):
    """Our decoder around a pipeline that the library's own loaders have changed."""
    pipeline = tiny_pipeline()
    if adapter.lora:
        state = {key: torch.from_numpy(value) for key, value in adapter.lora.items()}
        pipeline.unet.load_lora_adapter(state, network_alphas=alphas, prefix="unet")
    for word, vectors in adapter.words.items():
        pipeline.load_textual_inversion(torch.from_numpy(vectors), token=word)
    return draw(fresh(pipeline))


def assert_same(left, right):
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


def distance(left, right):
    return np.abs(np.subtract(left, right, dtype=float)).mean()


# --- the same as the stock loaders ---------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 4, 16])
def test_a_lora_draws_as_the_stock_loader(rank):
    adapter = Adapter(lora=lora(0, rank))
    found = draw(shared(), adapter)
    assert_same(found, stock(adapter))
    changed = distance(found, draw(shared()))
    assert changed > 0.1


@pytest.mark.parametrize("alpha", [2.0, 12.0])
def test_alpha_over_rank_scales_it(alpha):
    adapter = Adapter(lora=lora(0, 4), alpha=alpha)
    alphas = {f"unet.{name}.alpha": alpha for name in layers(tiny_pipeline())}
    found = draw(shared(), adapter)
    assert_same(found, stock(adapter, alphas))
    changed = distance(found, draw(shared(), Adapter(lora=adapter.lora)))
    assert changed > 0.5


def test_layers_may_have_ranks_of_their_own():
    adapter = Adapter(lora=lora(0, itertools.cycle([2, 8, 3])))
    assert_same(draw(shared(), adapter), stock(adapter))


def test_a_lora_of_no_effect_changes_nothing():
    """Law: B = 0 is how training starts, and W + 0 A = W."""
    zero = {k: v * (0 if "lora_B" in k else 1) for k, v in lora(0).items()}
    assert_same(draw(shared(), Adapter(lora=zero)), draw(shared()))


def test_an_empty_adapter_changes_nothing():
    assert_same(draw(shared(), Adapter()), draw(shared()))


def test_a_lora_trained_with_peft_and_saved_by_the_pipeline(tmp_path):
    """The way methods take: add_adapter, train, save_lora_weights, read the file."""
    pipeline = tiny_pipeline()
    config = LoraConfig(r=4, lora_alpha=4, target_modules=list(TARGETS), init_lora_weights=False)
    seeded(9, lambda: pipeline.unet.add_adapter(config))
    StableDiffusionPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=get_peft_model_state_dict(pipeline.unet)
    )
    saved = load_file(tmp_path / "pytorch_lora_weights.safetensors")
    expected = draw(fresh(pipeline))
    assert_same(draw(shared(), Adapter(lora=saved)), expected)


def test_words_draw_as_the_stock_loader():
    """One word of one vector and one of three, as ``<u2> <u2>_1 <u2>_2``."""
    adapter = Adapter(words=words(0))
    found = draw(shared(), adapter)
    assert_same(found, stock(adapter))
    changed = distance(found[1:], draw(shared())[1:])
    assert changed > 0.02
    assert_same(found[:1], draw(shared())[:1])


def test_every_vector_of_a_word_counts():
    for k in range(3):
        changed = words(0)
        changed["<u2>"][k] *= -1
        found = draw(shared(), Adapter(words=changed))
        moved = distance(found[2], draw(shared(), Adapter(words=words(0)))[2])
        assert moved > 0


def test_a_lora_and_words_together():
    adapter = Adapter(lora=lora(1), words=words(1))
    assert_same(draw(shared(), adapter), stock(adapter))


def test_xl_takes_both():
    pipeline = tiny_xl_pipeline()
    decoder = fresh(pipeline)
    before = draw(decoder)
    adapter = Adapter(lora=lora(0, 4, pipeline), words=words(0))
    found = draw(decoder, adapter)
    assert_same(draw(decoder), before)
    plain = tiny_xl_pipeline()
    plain.load_lora_weights({key: torch.from_numpy(v) for key, v in adapter.lora.items()})
    for word, vectors in adapter.words.items():
        plain.load_textual_inversion(torch.from_numpy(vectors), token=word)
    assert_same(found, draw(fresh(plain)))


def test_convolutions_can_carry_one():
    decoder = fresh()
    rng, name = np.random.default_rng(0), "down_blocks.0.resnets.0.conv1"
    out, into, *kernel = decoder.pipeline.unet.get_submodule(name).weight.shape
    factors = {
        f"unet.{name}.lora_A.weight": rng.normal(size=(2, into, *kernel)).astype(np.float32),
        f"unet.{name}.lora_B.weight": rng.normal(size=(out, 2, 1, 1)).astype(np.float32),
    }
    assert_same(draw(decoder, Adapter(lora=factors)), stock(Adapter(lora=factors)))


# --- users do not touch one another --------------------------------------------------------


def test_a_users_pictures_do_not_depend_on_who_came_before():
    """Ranks go up and down, alpha comes and goes, layers change; exact."""
    users = [
        Adapter(lora=lora(1, 2)),
        Adapter(lora=lora(2, 16), alpha=4.0),
        Adapter(lora=lora(3, 3), words=words(3)),
        Adapter(words=words(4, (2,))),
        Adapter(lora=lora(5, 5, targets=("to_q", "to_v"))),
        Adapter(lora=lora(6, 1)),
    ]
    alone = [draw(fresh(), user) for user in users]
    for one, other in itertools.combinations(alone, 2):
        assert not np.array_equal(one[2], other[2])
    together = fresh()
    for k in [0, 1, 2, 3, 4, 5, 0, 5, 1, 4]:
        assert_same(draw(together, users[k]), alone[k])


# --- gone afterwards -----------------------------------------------------------------------


def fingerprint(pipeline):
    """Everything an adapter touches: objects by identity, tensors by value, flags."""
    modules = {name: id(module) for name, module in pipeline.unet.named_modules()}
    modules |= {f"text {name}": id(m) for name, m in pipeline.text_encoder.named_modules()}
    values = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    values |= {f"text {n}": v.clone() for n, v in pipeline.text_encoder.state_dict().items()}
    flags = {name: p.requires_grad for name, p in pipeline.unet.named_parameters()}
    return modules, values, flags, len(pipeline.tokenizer), id(pipeline.tokenizer)


def assert_untouched(pipeline, before):
    modules, values, *rest = fingerprint(pipeline)
    assert modules == before[0]
    assert set(values) == set(before[1])
    assert all(torch.equal(value, before[1][name]) for name, value in values.items())
    assert rest == list(before[2:])
    assert not hasattr(pipeline.unet, "peft_config")
    assert not any("lora" in name for name, _ in pipeline.unet.named_modules())


@pytest.fixture
def decoder():
    made = fresh()
    trained = made.pipeline.unet.mid_block
    trained.requires_grad_(False)  # a flag that peft would flip
    return made


@pytest.mark.parametrize("adapter", ["lora", "words", "both"])
def test_the_pipeline_is_as_it_was(decoder, adapter):
    personal = {
        "lora": Adapter(lora=lora(0)),
        "words": Adapter(words=words(0)),
        "both": Adapter(lora=lora(0), words=words(0)),
    }[adapter]
    before, plain = fingerprint(decoder.pipeline), draw(decoder)
    state = torch.get_rng_state()
    for _ in range(2):
        with decoder.adapted(personal):
            pass
        assert_untouched(decoder.pipeline, before)
    assert torch.equal(state, torch.get_rng_state())
    draw(decoder, personal)
    assert_untouched(decoder.pipeline, before)
    assert_same(draw(decoder), plain)


def test_after_an_exception_too(decoder):
    before = fingerprint(decoder.pipeline)
    with (
        pytest.raises(ZeroDivisionError),
        decoder.adapted(Adapter(lora=lora(0), words=words(0))),
    ):
        _ = 1 / 0
    assert_untouched(decoder.pipeline, before)
    draw(decoder, Adapter(lora=lora(1)))


def test_adapters_do_not_nest(decoder):
    before = fingerprint(decoder.pipeline)
    with (
        decoder.adapted(Adapter(lora=lora(0))),
        pytest.raises(RuntimeError, match="do not nest"),
        decoder.adapted(Adapter(words=words(0))),
    ):
        pass
    assert_untouched(decoder.pipeline, before)


def live_tensors():
    """Numbers held by all tensors of this process, each storage once."""
    gc.collect()
    tensors = (o for o in gc.get_objects() if issubclass(type(o), torch.Tensor))
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


@pytest.mark.slow
def test_memory_is_flat_over_210_users(decoder):
    """210 workers of FLICKR-AES, ranks of REBECA Table 3 at a quarter, in random order."""
    ranks = np.random.default_rng(0).choice([2, 4, 8, 16, 32], 210)
    held = []
    for k, rank in enumerate([*ranks, 32, 2]):
        with decoder.adapted(Adapter(lora=lora(k, int(rank)), words=words(k))):
            inside = live_tensors() if k in (210, 211) else 0
        if k >= 210 or k == 5:
            held.append((rank, live_tensors(), inside))
    (_, after_six, _), (_, most, _), (_, least, inside) = held
    n_bytes = {r: sum(v.nbytes for v in lora(0, r).values()) for r in (2, 32)}
    # One LoRA stays in the spare layers, whatever the number of users: rank 32, then rank 2.
    assert most - least == n_bytes[32] - n_bytes[2]
    assert abs(after_six - least) <= n_bytes[32]
    assert inside > least


# --- errors --------------------------------------------------------------------------------


FIRST = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
FIRST_A = f"unet.{FIRST}.lora_A.weight"


def with_a(value):
    return {**lora(0), FIRST_A: value}


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"text_encoder.x.lora_A.weight": np.zeros((1, 1))}, "text_encoder.*expected unet.<layer>"),
        ({f"unet.{FIRST}.alpha": np.array(1.0)}, "alpha.*expected unet.<layer>"),
        ({"unet.nowhere.lora_A.weight": np.zeros((1, 1))}, "nowhere.*no such layer"),
        ({"unet.conv_norm_out.lora_A.weight": np.zeros((1, 1))}, "is a GroupNorm"),
        ({FIRST_A: np.zeros((2, 32))}, r"expected .*found \(2, 32\) and \(0,\)"),
        (with_a(np.zeros((4, 31))), r"A \(rank, 32\).*\(4, 31\)"),
        (with_a(np.zeros((3, 32))), r"found \(3, 32\) and \(32, 4\)"),
        (with_a(np.full((4, 32), np.nan)), "holds NaN"),
    ],
)  # fmt: skip
def test_a_lora_that_does_not_fit_is_named(decoder, factors, message):
    before = fingerprint(decoder.pipeline)
    with pytest.raises(ValueError, match=message), decoder.adapted(Adapter(lora=factors)):
        pass
    assert_untouched(decoder.pipeline, before)


ROW = np.zeros((1, WIDTH))


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({"<u>": np.zeros((1, WIDTH + 1))}, r"expected vectors \(n, 32\), found \(1, 33\)"),
        ({"<u>": np.zeros(WIDTH)}, r"found \(32,\)"),
        ({"<u>": np.zeros((0, WIDTH))}, r"found \(0, 32\)"),
        ({"<u>": np.full((1, WIDTH), np.inf)}, "holds NaN or an infinity"),
        ({"<U>": np.zeros((1, WIDTH))}, "one lower-case word"),
        ({"a b": np.zeros((1, WIDTH))}, "one lower-case word"),
        ({"": np.zeros((1, WIDTH))}, "one lower-case word"),
        ({"star</w>": np.zeros((1, WIDTH))}, "is in the tokenizer's vocabulary"),
        ({"<u>": ROW, "<u>_1": ROW}, "is part of the word '<u>_1'"),
    ],
)  # fmt: skip
def test_words_that_do_not_fit_are_named(decoder, new, message):
    before = fingerprint(decoder.pipeline)
    with pytest.raises(ValueError, match=message), decoder.adapted(Adapter(words=new)):
        pass
    assert_untouched(decoder.pipeline, before)


def test_a_denoiser_that_is_being_trained_is_not_adapted_on_top(decoder):
    config = LoraConfig(r=2, target_modules=list(TARGETS))
    seeded(9, lambda: decoder.pipeline.unet.add_adapter(config))
    with (
        pytest.raises(ValueError, match=r"to_.*carries a LoRA"),
        decoder.adapted(Adapter(lora=lora(0))),
    ):
        pass


def test_layers_that_a_method_replaced_are_wrapped_anew(decoder):
    adapter = Adapter(lora=lora(0))
    draw(decoder, adapter)
    layer = decoder.pipeline.unet.get_submodule(FIRST)
    parent = decoder.pipeline.unet.get_submodule(FIRST.rpartition(".")[0])
    parent.to_q = torch.nn.Linear(32, 32, bias=False)
    parent.to_q.weight = torch.nn.Parameter(layer.weight.detach() * 0)
    with decoder.adapted(adapter):
        assert parent.to_q.base_layer.weight.abs().max() == 0
    assert parent.to_q.weight.abs().max() == 0
