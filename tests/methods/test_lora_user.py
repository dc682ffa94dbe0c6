"""One LoRA per user, alone and asked with personas."""

from __future__ import annotations

import gc
import json
import tracemalloc
from contextlib import nullcontext
from typing import ClassVar

import numpy as np
import pytest
from diffusion_case import PixelTagger, TinyDiffusionStack, tiny_decoder, tiny_pipeline
from finetune_case import (
    QUICK,
    USERS,
    WORLD,
    DiffusionMethodContract,
    bytes_of,
    context,
    fitted,
    pipeline,
    state_of,
)
from safetensors.numpy import load_file

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import (
    ConfigError,
    MissingRoleError,
    RunError,
    UnsupportedRequestError,
)
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.core.roles import Adapter
from persongen_bench.methods.finetune.config import LoraUserConfig
from persongen_bench.methods.finetune.method import FinetunedMethod
from persongen_bench.methods.finetune.store import AdapterStore
from persongen_bench.methods.finetune.studio import Studio
from persongen_bench.methods.lora_user import LoraUser
from persongen_bench.methods.vlm_persona import VlmPersona
from persongen_bench.methods.vlm_persona_lora import VlmPersonaLora, VlmPersonaLoraConfig
from persongen_bench.testing import ToyStack

TIERS = [{"rank": 2, "n_steps": 2, "dropout": 0.1}]
OPTIONS = {**QUICK, "tiers": TIERS}


class TestLoraUser(DiffusionMethodContract):
    method = LoraUser
    config: ClassVar = OPTIONS


class TestVlmPersonaLora(DiffusionMethodContract):
    method = VlmPersonaLora
    config: ClassVar = {"lora": OPTIONS}


def asked(users=USERS[:2], n_images=2):
    return plan_samples({}, [Request(user, (), n_images) for user in users])


# --- the paper's settings -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_images", "rank", "n_steps"),
    # 001, appendix G, Table 3, at both ends of every row.
    [
        (1, 8, 1200),
        (7, 8, 1200),
        (8, 16, 1500),
        (24, 16, 1500),
        (25, 32, 1700),
        (60, 32, 1700),
        (61, 64, 2000),
        (120, 64, 2000),
        (121, 128, 2500),
        (17_895, 128, 2500),
    ],
)
def test_paper_rank_and_steps_follow_the_likes(n_images, rank, n_steps):
    tier = LoraUserConfig.model_validate(LoraUser.presets["paper"]).tier(n_images)
    assert (tier.rank, tier.alpha, tier.n_steps) == (rank, rank, n_steps)


def test_paper_preset_is_the_published_one():
    config = LoraUserConfig.model_validate(LoraUser.presets["paper"])
    # Section 4.3: guidance 5, 50 steps, empty prompt. Released script: AdamW at 1e-4 with a
    # cosine, batch 1 x accumulation 4, the tag in front of the caption.
    assert (config.guidance_scale, config.n_inference_steps, config.prompt) == (5.0, 50, "")
    assert (config.learning_rate, config.learning_rate_schedule) == (1e-4, "cosine")
    assert (config.batch_size, config.n_accumulation_steps, config.captions) == (1, 4, "tagged")


def test_sandbox_preset_is_small():
    config = LoraUserConfig.model_validate(LoraUser.presets["sandbox"])
    assert max(t.n_steps * config.batch_size for t in config.tiers) <= 800
    assert max(t.rank for t in config.tiers) <= 8


# --- what is learned from -----------------------------------------------------------------


class RecordedError(Exception):
    """Ends a fit once it is known what would be trained on."""


def first_training(monkeypatch, **options):
    """Owner, rows and tier of the first training that a fit asks for."""
    found = []

    def record(self, lessons, tier):
        found.extend((*lessons[0], tier))
        raise RecordedError

    monkeypatch.setattr(Studio, "loras", record)
    with pytest.raises(RecordedError):
        fitted(LoraUser, **options)
    return found


def test_rows_are_the_likes_with_tag_and_caption(monkeypatch):
    owner, rows, tier = first_training(monkeypatch)
    assert owner == USERS[0]
    likes = WORLD.train.liked_items[USERS[0]]
    said = PixelTagger().describe(WORLD.train.catalog.images(likes))
    # Released script: "<u{id}> " + caption; the first user of the view is number 0.
    assert [tuple(row) for row in rows] == [
        (item, f"<u0> {d.caption}") for item, d in zip(likes, said, strict=True)
    ]
    assert tier == LoraUserConfig().tier(len(likes))


@pytest.mark.parametrize(("captions", "start"), [("plain", "a "), ("empty", "")])
def test_captions_can_be_plain_or_empty(monkeypatch, captions, start):
    _, rows, _ = first_training(monkeypatch, captions=captions)
    assert all(row.caption.startswith(start) and "<u" not in row.caption for row in rows)
    assert (captions == "empty") == all(row.caption == "" for row in rows)


def test_tag_is_no_token_of_its_own():
    tokenizer = pipeline().tokenizer
    fitted(LoraUser, tiers=TIERS)
    assert len(tokenizer.tokenize("<u0>")) > 1


# --- whom it serves -----------------------------------------------------------------------


def test_only_users_that_are_asked_for_are_trained():
    method = fitted(LoraUser, tiers=TIERS)
    first, other = method.generate(asked((USERS[0], USERS[3]), 1))
    assert isinstance(other, Failure)
    assert "not asked for" in other.reason
    assert first.shape == (3, 64, 64)
    with pytest.raises(UnsupportedRequestError, match="not asked for"):
        method.generate(asked((USERS[3],)))
    with pytest.raises(UnsupportedRequestError, match="not among the users"):
        method.generate(asked(("nobody",)))


def test_a_users_weights_do_not_depend_on_who_else_is_trained():
    alone = fitted(LoraUser, changes={"users": USERS[1:2]}, tiers=TIERS).adapter(USERS[1])
    both = fitted(LoraUser, tiers=TIERS).adapter(USERS[1])
    assert all(np.array_equal(value, both.lora[name]) for name, value in alone.lora.items())


def test_user_without_likes_is_a_failure():
    log = WORLD.train.interactions.copy()
    log.loc[log["user_id"] == USERS[0], "liked"] = False
    method = fitted(LoraUser, View(WORLD.train.catalog, log), tiers=TIERS)
    first, other = method.generate(asked(USERS[:2], 1))
    assert isinstance(first, Failure)
    assert "no liked image" in first.reason
    assert other.shape == (3, 64, 64)


def test_every_user_is_drawn_with_the_own_weights():
    method = fitted(LoraUser, tiers=TIERS)
    (one,) = asked(USERS[:1], 1)
    other = type(one)(one.sample_id, one.index, Request(USERS[1]))  # the same noise
    plain = tiny_decoder().draw([method.condition(USERS[0])], [one.seed])[0]
    mine, theirs = method.generate([one, other])
    assert len({plain.tobytes(), mine.tobytes(), theirs.tobytes()}) == 3
    with tiny_decoder().adapted(method.adapter(USERS[0])):
        expected = tiny_decoder().draw([method.condition(USERS[0])], [one.seed])[0]
    assert np.array_equal(mine, expected)


def test_an_adapter_is_loaded_once_per_user_and_call(monkeypatch):
    method = fitted(LoraUser, tiers=TIERS)
    read = []
    monkeypatch.setattr(
        FinetunedMethod,
        "adapter",
        lambda self, owner: read.append(owner) or self._stored.read(owner),
    )
    samples = asked(n_images=3)
    method.generate([samples[k] for k in (0, 3, 1, 4, 2, 5)])
    assert read == list(USERS[:2])


def test_prompt_takes_the_tag():
    method = fitted(LoraUser, tiers=TIERS, prompt="{tag} liked image.")
    assert method.condition(USERS[1]).prompt == "<u1> liked image."
    empty = fitted(LoraUser, tiers=TIERS)
    assert empty.condition(USERS[1]).prompt == ""
    assert bytes_of(method.generate(asked())) != bytes_of(empty.generate(asked()))


# --- what it leaves and keeps -------------------------------------------------------------


def test_fit_and_generate_leave_the_pipeline_as_it_was():
    before = state_of(pipeline())
    method = fitted(LoraUser, tiers=TIERS)
    assert state_of(pipeline()) == before
    method.generate(asked())
    after = state_of(pipeline())
    # The denoiser's own draws may advance nothing either.
    assert after == before


def test_the_library_loads_a_saved_file(tmp_path):
    method = fitted(LoraUser, tiers=TIERS)
    method.save(tmp_path)
    (first, *_) = sorted(tmp_path.glob("*.safetensors"))
    other = tiny_pipeline()
    other.load_lora_weights(tmp_path, weight_name=first.name)
    loaded = {k for k, _ in other.unet.named_parameters() if "lora_" in k}
    stored = load_file(first)
    assert len(loaded) == len(stored) == 64  # A and B of 4 projections of 8 attentions
    assert {f"unet.{k.replace('.default_0', '')}" for k in loaded} == set(stored)


def test_precision_of_the_stored_weights(tmp_path):
    sizes = {}
    for dtype in ("float32", "float16"):
        method = fitted(LoraUser, tiers=TIERS, weights_dtype=dtype)
        (tmp_path / dtype).mkdir()
        method.save(tmp_path / dtype)
        paths = list((tmp_path / dtype).glob("*.safetensors"))
        tensors = load_file(paths[0])
        assert {v.dtype for v in tensors.values()} == {np.dtype(dtype)}
        sizes[dtype] = sum(v.nbytes for v in tensors.values())
    assert sizes["float32"] == 2 * sizes["float16"]


def test_state_names_its_owners_and_lost_files_are_found(tmp_path):
    method = fitted(LoraUser, tiers=TIERS)
    method.save(tmp_path)
    assert json.loads((tmp_path / "state.json").read_text()) == {"owners": list(USERS[:2])}
    again = LoraUser(method.config)
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(RunError, match="is gone"):
        again.load(tmp_path, WORLD.stack, WORLD.train)
    (tmp_path / "state.json").unlink()
    with pytest.raises(RunError, match="no saved adapters"):
        again.load(tmp_path, WORLD.stack, WORLD.train)
    with pytest.raises(RunError, match="Call fit or load first"):
        again.adapter(USERS[0])  # a failed load leaves nothing half loaded


def test_users_that_are_done_are_not_trained_again(tmp_path, monkeypatch):
    changes = {"checkpoints": tmp_path}
    whole = fitted(LoraUser, tiers=TIERS)
    fitted(LoraUser, changes={**changes, "users": USERS[:1]}, tiers=TIERS)
    trained = []
    real = Studio.loras

    def record(self, lessons, tier):
        trained.extend(lesson.owner for lesson in lessons)
        return real(self, lessons, tier)

    monkeypatch.setattr(Studio, "loras", record)
    resumed = fitted(LoraUser, changes=changes, tiers=TIERS)
    assert trained == [USERS[1]]
    assert bytes_of(resumed.generate(asked())) == bytes_of(whole.generate(asked()))
    fitted(LoraUser, changes=changes, tiers=[{"rank": 3, "n_steps": 2}])  # another fit
    assert trained == [USERS[1], *USERS[:2]]
    assert all(path.is_file() for path in tmp_path.iterdir())


class Blank:
    """A decoder that takes adapters, keeps none and draws nothing."""

    def adapted(self, adapter):
        return nullcontext()

    def draw(self, conditions, seeds, options):
        return [np.zeros((3, 2, 2), np.uint8) for _ in conditions]


def test_memory_does_not_grow_with_the_users(tmp_path):
    # What the decoder itself keeps is its own affair: tests/test_diffusion_adapters.py.
    method, users = fitted(LoraUser, tiers=TIERS), [f"user-{k}" for k in range(40)]
    method._store, method._decoder = AdapterStore(tmp_path), Blank()
    weights = {"unet.x.lora_A.weight": np.ones((64, 1024), np.float32)}
    size = weights["unet.x.lora_A.weight"].nbytes
    for user in users:
        method._stored.write(user, Adapter(lora=weights), {})
    method._owners = frozenset(users)
    samples = asked(users, 1)
    method.generate(samples[:1])  # what is made once is there
    gc.collect()
    tracemalloc.start()
    try:
        method.generate(samples)
        for sample in samples:
            method.generate([sample])
        gc.collect()
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 40 adapters kept would be 40 sizes; the reader holds a file's bytes and their copy at once.
    assert left < 0.5 * size
    assert peak < 4 * size


# --- stacks that lack something -----------------------------------------------------------


def test_stacks_that_lack_something_are_named():
    class Mute(TinyDiffusionStack):
        roles = ("clip", "decoder", "image_encoder")

    with pytest.raises(MissingRoleError, match="no captioner"):
        fitted(LoraUser, changes={"stack": Mute()}, tiers=TIERS)
    assert fitted(LoraUser, changes={"stack": Mute()}, tiers=TIERS, captions="empty")
    with pytest.raises(ConfigError, match="trains a text-to-image model"):
        fitted(LoraUser, changes={"stack": ToyStack()}, tiers=TIERS)


# --- with personas ------------------------------------------------------------------------


def persona_lora(**changes):
    method = VlmPersonaLora(VlmPersonaLoraConfig.model_validate({"lora": OPTIONS}))
    method.fit(WORLD.train, context(**changes))
    return method


def test_personas_are_drawn_with_the_users_weights():
    method, samples = persona_lora(), asked()
    persona = VlmPersona(VlmPersona.Config())
    persona.fit(WORLD.train, context())
    alone = fitted(LoraUser, tiers=TIERS)
    words = persona.conditions(samples)
    assert len({c.prompt for c in words}) > 1
    expected = alone.draw(samples, words, method.config.draw_options)
    made = bytes_of(method.generate(samples))
    assert made == bytes_of(expected)
    assert made != bytes_of(alone.generate(samples))
    assert made != bytes_of(persona.generate(samples))


def test_weights_that_the_loop_has_fitted_are_not_trained_again(tmp_path, monkeypatch):
    alone = fitted(LoraUser, tiers=TIERS)
    alone.save(tmp_path)
    method = VlmPersonaLora(VlmPersonaLoraConfig.model_validate({"lora": OPTIONS}))
    assert method.config.base == "lora-user"
    method.base.load(tmp_path, WORLD.stack, WORLD.train)  # as `fit.load_base` does
    monkeypatch.setattr(Studio, "loras", None)
    method.fit(WORLD.train, context(base_fitted=True))
    assert len(method.generate(asked())) == 4


def test_user_without_persona_keeps_the_reason():
    method = persona_lora()
    (sample,) = asked(USERS[:1], 1)
    no = Failure("method_error", "no persona")
    assert method.base.draw([sample], [no], method.config.draw_options) == [no]


def test_presets_join_those_of_the_parts():
    sandbox = VlmPersonaLoraConfig.model_validate(VlmPersonaLora.presets["sandbox"])
    assert sandbox.lora == LoraUserConfig.model_validate(LoraUser.presets["sandbox"])
    assert sandbox.persona == VlmPersona.Config.model_validate(VlmPersona.presets["sandbox"])
    paper = VlmPersonaLoraConfig.model_validate(VlmPersonaLora.presets["paper"])
    assert paper.lora == LoraUserConfig()  # the defaults are the paper's
    assert (paper.guidance_scale, paper.n_inference_steps) == (5.0, 50)
