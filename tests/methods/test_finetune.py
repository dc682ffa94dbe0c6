"""What the decoder-training methods share: the loss, the schedule, the latents, the files."""

from __future__ import annotations

import copy
import gc

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusion_case import SIDE, TinyDiffusionStack, tiny_decoder, tiny_pipeline, tiny_xl_pipeline
from finetune_case import QUICK, USERS, WORLD, pipeline, state_of
from torch.nn.functional import mse_loss

from persongen_bench.core.errors import ConfigError, MissingRoleError, RunError
from persongen_bench.core.progress import no_progress
from persongen_bench.core.roles import Adapter, Condition
from persongen_bench.methods import _checkpoint as checkpoint
from persongen_bench.methods.finetune.config import (
    PAPER_TIERS,
    LoraUserConfig,
    TextualInversionConfig,
    Tier,
    TrainingConfig,
)
from persongen_bench.methods.finetune.latents import Latents, posteriors, prepared
from persongen_bench.methods.finetune.lora import SeededDropout, injected
from persongen_bench.methods.finetune.pipeline import Denoiser, Text, frozen, trainable_decoder
from persongen_bench.methods.finetune.store import AdapterStore
from persongen_bench.methods.finetune.studio import CaptionedItem, Fit, open_studio
from persongen_bench.methods.finetune.training import Bench, FinetuneTrainer, Schedule, Seeds
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
from persongen_bench.testing import ToyStack

ITEMS = WORLD.train.liked_items[USERS[0]]
FIT = Fit("fit", 7, None, no_progress)


def quick(**options):
    return TrainingConfig(**{**QUICK, **options})


def learned(tier=None, rows=None, owner="u", fit=FIT, config=None):
    tier = tier or Tier(rank=2, n_steps=3)
    rows = rows or [CaptionedItem(item, "a red star") for item in ITEMS]
    with open_studio(pipeline(), config or quick(), WORLD.train.catalog, fit) as studio:
        return studio.lora(owner, rows, tier)


def equal(one: Adapter, other: Adapter) -> bool:
    return one.lora.keys() == other.lora.keys() and all(
        np.array_equal(value, other.lora[name]) for name, value in one.lora.items()
    )


# --- options ------------------------------------------------------------------------------


def test_tiers_are_ordered_and_end_open():
    for wrong in (
        [{"rank": 4, "n_steps": 1, "max_images": 9}],
        [{"rank": 4, "n_steps": 1}, {"rank": 4, "n_steps": 1}],
        [{"rank": 4, "n_steps": 1, "max_images": k} for k in (9, 9)] + [{"rank": 4, "n_steps": 1}],
    ):
        with pytest.raises(ValueError, match="tiers"):
            LoraUserConfig.model_validate({"tiers": wrong})


@pytest.mark.parametrize("kind", ["cosine", "constant"])
def test_schedule_is_the_librarys(kind):
    # diffusers.optimization is what the published scripts call.
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    name = {"cosine": "cosine", "constant": "constant_with_warmup"}[kind]
    theirs = get_scheduler(name, optimizer, num_warmup_steps=3, num_training_steps=11)
    ours = Schedule(11, 3, kind)
    for step in range(11):
        assert ours.rate(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        theirs.step()
    assert Schedule(5, 0, "constant").rate(0) == 1.0


# --- chance -------------------------------------------------------------------------------


def test_every_pass_over_the_rows_shows_each_once():
    seeds = Seeds(3)
    drawn = [row for k in range(14) for row in seeds.rows(7, 3 * k, 3)]
    passes = [drawn[k : k + 7] for k in range(0, 42, 7)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1
    assert drawn != [row for k in range(14) for row in Seeds(4).rows(7, 3 * k, 3)]


def test_seeds_differ_by_purpose_and_number():
    numbers = [Seeds(s).number(p, k) for s in (0, 1) for p in ("step", "dropout") for k in (0, 1)]
    assert len(set(numbers)) == 8


def test_dropout_is_the_generators_alone():
    generator = torch.Generator()
    layer, ones, before = SeededDropout(0.25, generator), torch.ones(4000), torch.get_rng_state()
    one, other = (layer(ones) for _ in range(2) if generator.manual_seed(5))
    assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    # 4000 Bernoulli(0.75) draws: deviation of the share kept is 0.0068, so 0.03 is 4.4 of them.
    assert float((one > 0).float().mean()) == pytest.approx(0.75, abs=0.03)
    assert one.max() == pytest.approx(1 / 0.75)


def test_training_depends_on_seed_and_owner_not_on_the_global_generator():
    dropped = Tier(rank=2, n_steps=2, dropout=0.5)
    first = learned(dropped).adapter
    torch.rand(7)
    assert equal(first, learned(dropped).adapter)
    assert not equal(first, learned(dropped, owner="v").adapter)
    assert not equal(first, learned(dropped, fit=Fit("fit", 8, None, no_progress)).adapter)
    assert not equal(first, learned(Tier(rank=2, n_steps=2)).adapter)


# --- the pipeline stays as it was ---------------------------------------------------------


def test_pipeline_is_as_before_after_training():
    pipeline().unet.down_blocks[0].train()  # odd modes and flags come back too
    next(pipeline().vae.parameters()).requires_grad_(False)
    try:
        before = state_of(pipeline())
        learned()
        assert state_of(pipeline()) == before
    finally:
        pipeline().unet.eval()
        next(pipeline().vae.parameters()).requires_grad_(True)


def test_pipeline_is_as_before_after_an_error():
    before = state_of(pipeline())
    with pytest.raises(RunError, match="became nan at step 1"):
        learned(config=quick(learning_rate=1e30, max_gradient_norm=1e30))
    assert state_of(pipeline()) == before
    with pytest.raises(KeyError), frozen(pipeline()):
        raise KeyError
    assert state_of(pipeline()) == before


def test_a_second_lora_is_refused():
    tier, generator = Tier(rank=2, n_steps=1), torch.Generator()
    unet = pipeline().unet
    before = state_of(pipeline())
    with (
        injected(unet, tier, generator),
        pytest.raises(RunError, match="carries a LoRA"),
        injected(unet, tier, generator),
    ):
        pass
    assert state_of(pipeline()) == before


def test_drawing_is_as_before_training():
    def drawn():
        return [i.tobytes() for i in tiny_decoder().draw([Condition("a red star")], [3])]

    before = drawn()
    learned()
    assert drawn() == before


def test_a_fresh_lora_changes_nothing():
    # B = 0: the update is zero until the first step.
    unet = pipeline().unet
    inputs = (torch.ones(1, 4, 16, 16), torch.tensor([5]), torch.ones(1, 4, 32))
    with frozen(pipeline()), torch.no_grad():
        plain = unet(*inputs).sample
        with injected(unet, Tier(rank=2, n_steps=1), torch.Generator().manual_seed(1)) as lora:
            assert torch.equal(unet(*inputs).sample, plain)
            assert len(lora.parameters) == 2 * 4 * 8  # A and B of 4 projections of 8 attentions
            assert {p.dtype for p in lora.parameters} == {torch.float32}


def test_stack_without_pipeline_is_one_clear_error():
    with pytest.raises(ConfigError, match=r"LoraUser.*stack toy.*sandbox"):
        trainable_decoder(ToyStack(), "LoraUser")
    assert not isinstance(ToyStack().role("decoder"), DiffusionDecoder)
    assert trainable_decoder(TinyDiffusionStack(), "LoraUser") is tiny_decoder()


def test_stack_without_decoder_says_so():
    class Empty(ToyStack):
        roles = ("image_encoder",)

    with pytest.raises(MissingRoleError, match="no decoder"):
        trainable_decoder(Empty(), "LoraUser")


# --- what is minimised --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_loss_is_that_of_the_librarys_example(kind):
    # train_text_to_image_lora.py of diffusers: add_noise, then the mean squared error against
    # the noise or get_velocity; the "sample" target is the definition of that parametrisation.
    made = copy.copy(pipeline())
    made.scheduler = DDPMScheduler.from_config(pipeline().scheduler.config, prediction_type=kind)
    denoiser, rng = Denoiser(made), torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(2, 4, 16, 16, generator=rng) for _ in range(2))
    times = torch.tensor([3, 700])
    with frozen(pipeline()), torch.no_grad():
        text = denoiser.encode_texts(["a red star", "a blue heart"])
        ours = denoiser.loss(latents, noise, times, text)
        keep = made.scheduler.alphas_cumprod[times].reshape(2, 1, 1, 1)
        noisy = keep.sqrt() * latents + (1 - keep).sqrt() * noise
        predicted = made.unet(noisy, times, text.hidden).sample
    velocity = keep.sqrt() * noise - (1 - keep).sqrt() * latents
    target = {"epsilon": noise, "v_prediction": velocity, "sample": latents}[kind]
    assert float(ours) == pytest.approx(float(mse_loss(predicted, target)), rel=1e-5)


def test_text_is_what_the_pipeline_reads():
    denoiser = Denoiser(pipeline())
    ids = (
        pipeline()
        .tokenizer("a red star", padding="max_length", max_length=77, return_tensors="pt")
        .input_ids
    )
    with torch.no_grad():
        ours = denoiser.encode_texts(["a red star"])
        theirs = pipeline().text_encoder(ids)[0]
    assert torch.equal(ours.hidden, theirs)
    assert ours.pooled is None
    two = Text.joined([ours, ours])
    assert two.hidden.shape == (2, 77, 32)


def test_image_prompts_are_off_while_it_trains():
    # With the adapter loaded and on, the denoiser refuses a call without image prompts.
    inputs = (torch.ones(1, 4, 16, 16), torch.tensor([5]), torch.ones(1, 4, 32))
    with pytest.raises((ValueError, TypeError)):
        pipeline().unet(*inputs)
    with frozen(pipeline()), torch.no_grad():
        assert pipeline().unet(*inputs).sample.shape == (1, 4, 16, 16)


def test_loss_falls_on_one_image():
    rows = [CaptionedItem(ITEMS[0], "a red star")]
    config = quick(batch_size=4, learning_rate=0.02, latents="mode")
    losses = learned(Tier(rank=8, n_steps=30), rows, config=config).losses
    # Random weights start near the noise's variance, 1. Learned or not, noise and times differ by
    # step, which moves the mean of ten steps by about 0.01.
    assert losses.shape == (30,)
    assert losses[-10:].mean() < 0.9 * losses[:10].mean()


def test_accumulation_is_the_mean_over_passes():
    parameter = torch.nn.Parameter(torch.tensor([1.0]))
    config = quick(n_accumulation_steps=4, learning_rate=0.1, max_gradient_norm=100.0)
    trainer = FinetuneTrainer([parameter], config, torch.float32)
    bench = Bench("b", None, no_progress)
    losses = trainer.train(lambda _, k: (parameter * k).sum(), Schedule(1, 0), bench, "t")
    assert losses.tolist() == [1.5]  # the mean of 0, 1, 2, 3
    assert parameter.grad is not None
    assert parameter.grad.item() == pytest.approx(1.5)
    # One AdamW step from 1: decay 1 - 0.1 * 0.01, then a step of the learning rate.
    assert parameter.item() == pytest.approx(0.999 - 0.1, abs=1e-6)


def test_gradient_is_clipped():
    parameter = torch.nn.Parameter(torch.tensor([1.0]))
    trainer = FinetuneTrainer([parameter], quick(max_gradient_norm=0.5), torch.float32)
    trainer.train(
        lambda *_: (parameter * 8).sum(), Schedule(1, 0), Bench("b", None, no_progress), "t"
    )
    assert parameter.grad is not None
    assert parameter.grad.item() == pytest.approx(0.5, abs=1e-5)


# --- two text encoders --------------------------------------------------------------------


def test_pipeline_with_two_text_encoders_trains():
    made = tiny_xl_pipeline()
    with open_studio(made, quick(), WORLD.train.catalog, FIT) as studio:
        added = studio.denoiser._added(studio.denoiser.encode_texts(["a", "b"]))
        # SDXL's micro-conditioning: original size, crop and target size, uncropped.
        assert added["time_ids"].tolist() == [[SIDE, SIDE, 0, 0, SIDE, SIDE]] * 2
        assert added["text_embeds"].shape == (2, 32)
        found = studio.lora("u", [CaptionedItem(ITEMS[0], "a red star")], Tier(rank=2, n_steps=2))
    assert np.isfinite(found.losses).all()
    assert max(np.abs(v).max() for k, v in found.adapter.lora.items() if "lora_B" in k) > 0


# --- half precision -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_pipeline_in_half_precision_trains_weights_in_full(dtype):
    made = tiny_pipeline().to(dtype)
    before = state_of(made)
    with open_studio(made, quick(), WORLD.train.catalog, FIT) as studio:
        rows = [CaptionedItem(ITEMS[0], "a red star")]
        found = studio.lora("u", rows, Tier(rank=2, n_steps=2, dropout=0.1))
        word = studio.word("u", ITEMS[:1], TextualInversionConfig(**QUICK, n_steps=2))
    assert state_of(made) == before
    for learned_ in (found, word):
        assert np.isfinite(learned_.losses).all()
        values = [*learned_.adapter.lora.values(), *learned_.adapter.words.values()]
        assert {value.dtype for value in values} == {np.dtype("float32")}
    moved = max(np.abs(v).max() for k, v in found.adapter.lora.items() if "lora_B" in k)
    assert 0 < moved < 1  # two steps of 0.05, scaled losses included


# --- pictures -----------------------------------------------------------------------------


def test_pictures_are_cut_square_about_the_centre():
    wide = np.zeros((3, 20, 40), dtype=np.uint8)
    wide[:, :, 10:30] = 200
    assert prepared(wide, 20).shape == (3, 20, 20)
    assert (prepared(wide, 20) == 200).all()
    assert prepared(wide[:, :, :20].transpose(0, 2, 1), 64).shape == (3, 64, 64)
    assert (
        prepared(np.full((3, 7, 5), 9, dtype=np.uint8), 64).tolist()
        == np.full((3, 64, 64), 9).tolist()
    )


def test_latents_are_the_autoencoders():
    item = ITEMS[0]
    latents = Latents(Denoiser(pipeline()), WORLD.train.catalog, flips=True)
    latents.encode([item, ITEMS[1], item], no_progress)
    pixels = prepared(WORLD.train.catalog.images([item])[0], SIDE)
    vae, noise = pipeline().vae, torch.full((1, 4, 16, 16), 0.5)
    for flipped in (False, True):
        inputs = torch.tensor(pixels[:, :, ::-1].copy() if flipped else pixels)[None] / 127.5 - 1
        with torch.no_grad():
            posterior = vae.encode(inputs).latent_dist
        chosen = torch.tensor([flipped])
        mean = posterior.mean * vae.config.scaling_factor
        drawn = (posterior.mean + 0.5 * posterior.std) * vae.config.scaling_factor
        # The block of eight rounds a little differently from a single row.
        assert torch.allclose(latents.draw([item], chosen, None), mean, atol=1e-4)
        assert torch.allclose(latents.draw([item], chosen, noise), drawn, atol=1e-4)
    assert latents.shape == (4, 16, 16)


def test_each_picture_is_encoded_once_and_alone(monkeypatch):
    seen = []
    latents = Latents(Denoiser(pipeline()), WORLD.train.catalog, flips=False)
    monkeypatch.setattr(
        latents, "_open", lambda ids: seen.extend(ids) or WORLD.train.catalog.images(ids)
    )
    latents.encode(ITEMS[:2], no_progress)
    latents.encode(ITEMS, no_progress)
    assert seen == list(ITEMS)
    pixels = np.stack([prepared(i, SIDE) for i in WORLD.train.catalog.images(ITEMS[:3])])
    together = posteriors(pipeline(), pixels)
    alone = torch.cat([posteriors(pipeline(), pixels[k : k + 1]) for k in range(3)])
    assert torch.equal(together, alone)


def test_half_precision_autoencoder_works_in_full_precision_and_comes_back():
    made = copy.copy(pipeline())
    made.vae = copy.deepcopy(pipeline().vae).half()
    before = {k: v.clone() for k, v in made.vae.state_dict().items()}
    found = posteriors(made, np.full((1, 3, SIDE, SIDE), 90, dtype=np.uint8))
    assert found.dtype == torch.float16
    assert made.vae.dtype == torch.float16
    assert all(torch.equal(before[k], v) for k, v in made.vae.state_dict().items())


# --- files --------------------------------------------------------------------------------


def test_store_returns_what_it_was_given(tmp_path):
    store = AdapterStore(tmp_path)
    lora = {"unet.x.lora_A.weight": np.ones((2, 3), np.float16)}
    adapter = Adapter(lora=lora, alpha=4.0, words={"<w>": np.zeros((2, 5), np.float32)})
    odd = "../ü/ a"  # a user id may hold any character
    store.write(odd, adapter, {"identity": "one"})
    found = store.read(odd)
    assert found.alpha == 4.0
    assert {k: (v.dtype, v.tolist()) for k, v in {**found.lora, **found.words}.items()} == {
        k: (v.dtype, v.tolist()) for k, v in {**adapter.lora, **adapter.words}.items()
    }
    assert [path.parent for path in tmp_path.rglob("*")] == [tmp_path]
    assert store.holds(odd)
    assert store.holds(odd, "one")
    assert not store.holds(odd, "other")
    assert not store.holds("nobody")


def test_damaged_file_is_one_clear_error(tmp_path):
    store = AdapterStore(tmp_path)
    with pytest.raises(RunError, match=r"no readable adapter of 'u'.*Fit"):
        store.read("u")
    store.path("u").write_bytes(b"\x01" * 40)
    with pytest.raises(RunError, match=r"no readable adapter of 'u'.*Fit"):
        store.read("u")


def test_folder_of_its_own_goes_with_the_store():
    store = AdapterStore(None)
    folder = store.folder
    store.write("u", Adapter(), {})
    assert list(folder.iterdir())
    del store
    gc.collect()
    assert not folder.exists()


# --- kill and resume ----------------------------------------------------------------------


class KilledError(Exception):
    """What ends a training half-way here."""


def killed_after(n):
    def progress(items, description, total=None):
        for k, item in enumerate(items):
            if description.endswith("steps") and k == n:
                raise KilledError
            yield item

    return progress


def test_killed_training_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr("persongen_bench.methods.finetune.training.CHECKPOINT_SECONDS", 0.0)
    tier = Tier(rank=2, n_steps=5, n_warmup_steps=2, dropout=0.3)
    whole = learned(tier)
    with pytest.raises(KilledError):
        learned(tier, fit=Fit("fit", 7, tmp_path, killed_after(3)))
    assert len(checkpoint.read(tmp_path, "fit-u")["losses"]) == 3
    steps = []

    def watched(items, description, total=None):
        steps.extend([total] * description.endswith("steps"))
        return items

    resumed = learned(tier, fit=Fit("fit", 7, tmp_path, watched))
    assert steps == [2]
    assert equal(whole.adapter, resumed.adapter)
    assert whole.losses.tolist() == resumed.losses.tolist()


def test_checkpoint_of_another_training_is_not_used(tmp_path):
    checkpoint.write(tmp_path, {"identity": "fit-u", "losses": [1.0]})
    assert checkpoint.read(tmp_path, "fit-v") is None
    assert checkpoint.read(tmp_path, "fit-u") == {"identity": "fit-u", "losses": [1.0]}
    assert checkpoint.read(None, "fit-u") is None


def test_a_damaged_checkpoint_is_told_of_and_the_training_starts_over(tmp_path, caplog):
    checkpoint.write(tmp_path, {"identity": "fit-u", "losses": [1.0]})
    file = tmp_path / checkpoint.FILE
    whole = file.read_bytes()
    flipped = whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]
    for data in (b"no checkpoint", whole[:-10], flipped, b"x" + whole[1:], b""):
        file.write_bytes(data)
        caplog.clear()
        assert checkpoint.read(tmp_path, "fit-u") is None
        assert "made again" in caplog.text


def test_paper_tiers_are_table_3():
    # 001, appendix G, Table 3: N_i range, rank, alpha, dropout, steps, warm-up.
    table = [
        (7, 8, 8, 0.10, 1200, 100),
        (24, 16, 16, 0.07, 1500, 120),
        (60, 32, 32, 0.05, 1700, 150),
        (120, 64, 64, 0.05, 2000, 200),
        (None, 128, 128, 0.05, 2500, 200),
    ]
    fields = ("max_images", "rank", "alpha", "dropout", "n_steps", "n_warmup_steps")
    assert [tuple(getattr(tier, f) for f in fields) for tier in PAPER_TIERS] == table
