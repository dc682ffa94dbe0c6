"""What the tests of the decoder-training methods share: the toy world on the tiny real classes."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch
from diffusion_case import TinyDiffusionStack, tiny_decoder

from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure
from persongen_bench.testing import MethodContract, toy_world
from persongen_bench.testing.toy import features_of

QUICK = {
    "batch_size": 2,
    "n_accumulation_steps": 1,
    "learning_rate": 0.05,  # a change of a few steps must show in uint8 pixels
    "learning_rate_schedule": "constant",
}


class DiffusionMethodContract(MethodContract):
    """`MethodContract` with `TinyDiffusionStack` in place of the toy stack."""

    def stack(self) -> TinyDiffusionStack:
        return TinyDiffusionStack()


WORLD = replace(toy_world(), stack=TinyDiffusionStack())
USERS = WORLD.train.users


def context(**changes) -> FitContext:
    made = FitContext(WORLD.stack, 7, features_of(WORLD.stack), users=USERS[:2])
    return replace(made, **changes)


def fitted(cls, train=WORLD.train, changes=None, **options):
    """Fit on two of the six users, unless ``changes`` says otherwise."""
    method = cls(cls.Config.model_validate({**QUICK, **options}))
    method.fit(train, context(**(changes or {})))
    return method


def bytes_of(delivery):
    return [None if isinstance(made, Failure) else made.tobytes() for made in delivery]


def state_of(pipeline) -> dict[str, object]:
    """Everything a training could leave behind: weights to the bit, modules, modes, flags."""
    networks = [pipeline.unet, pipeline.vae, pipeline.text_encoder]
    digest = hashlib.sha256()
    for network in networks:
        for name, value in network.state_dict().items():
            digest.update(f"{name}{value.dtype}".encode())
            digest.update(value.contiguous().view(torch.uint8).numpy().tobytes())
    modules = [pair for network in networks for pair in network.named_modules()]
    return {
        "weights": digest.hexdigest(),
        "modules": [(name, id(module), module.training) for name, module in modules],
        "attributes": [sorted(vars(module)) for _, module in modules],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for _, m in modules],
        "flags": [p.requires_grad for network in networks for p in network.parameters()],
        "gradients": [p.grad is None for network in networks for p in network.parameters()],
        "processors": {k: id(v) for k, v in pipeline.unet.attn_processors.items()},
        "config": dict(pipeline.unet.config),
        "image prompts": pipeline.unet.config.encoder_hid_dim_type,
        "pipeline": {k: id(v) for k, v in vars(pipeline).items() if k != "_internal_dict"},
        "components": {k: id(v) for k, v in pipeline.components.items()},
        "pipeline config": dict(pipeline.config),
        "tokenizer": len(pipeline.tokenizer),
        "generator": torch.get_rng_state().tolist(),
    }


def pipeline():
    return tiny_decoder().pipeline
