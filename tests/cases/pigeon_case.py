"""What the tests of pigeon share: the toy world's model with a studio around it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from persongen_bench.methods.pigeon.composing import Composer, Parts
from persongen_bench.methods.pigeon.config import PRESETS, PigeonConfig
from persongen_bench.methods.pigeon.pictures import Pictures
from persongen_bench.methods.pigeon.studio import Models, Studio, cut
from persongen_bench.methods.pigeon.visual import AdditiveFeatures
from persongen_bench.methods.tuning.lora import POLICY, REFERENCE, injected
from persongen_bench.methods.tuning.training import torch_seed
from persongen_bench.methods.tuning.windows import known_texts
from persongen_bench.testing import ToyStack, toy_world
from persongen_bench.testing.toy import features_of

STACK = ToyStack()
LMM = STACK.role("lmm")
TRAIN = toy_world().train
ROWS = features_of(STACK)("image_encoder", TRAIN)


def config_of(**options) -> PigeonConfig:
    """The preset ``check`` with changes."""
    return PigeonConfig.model_validate({**PRESETS["check"], **options})


def composer_of(**options) -> Composer:
    """A composer whose parts are as a fit with seed 0 finds them."""
    config = config_of(**options)
    codes = [picture.codes for picture in Pictures(LMM, TRAIN.catalog).of(TRAIN.catalog.ids)]
    with torch_seed(0):
        parts = Parts(LMM, ROWS.shape[1], config).eval()
    return Composer(config, parts, AdditiveFeatures.learn(codes, ROWS, LMM.n_codes))


@contextmanager
def studio_of(**options) -> Iterator[Studio]:
    """The tools of a fit on the toy world, with policy and reference inside the model."""
    composer = composer_of(**options)
    config = composer.config
    models = Models(LMM, STACK.role("image_encoder"), STACK.role("clip"))
    rows = dict(zip(TRAIN.catalog.ids, ROWS, strict=True))
    with injected(LMM.model, config, 0, (POLICY, REFERENCE)) as adapters:
        yield Studio(
            config, models, Pictures(LMM, TRAIN.catalog), composer, adapters,
            cut(TRAIN, config), known_texts(TRAIN), rows, 0,
        )  # fmt: skip


def digest(model: torch.nn.Module) -> str:
    """Names and bytes of every weight of a model."""
    total = hashlib.sha256()
    for name, value in model.state_dict().items():
        total.update(name.encode() + value.detach().numpy().tobytes())
    return total.hexdigest()
