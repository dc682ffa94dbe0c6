"""Every built-in keeps the contract that plugins must keep."""

import re
from dataclasses import replace

import pytest

from persongen_bench.core import registry
from persongen_bench.testing import MethodContract, MetricContract, StackContract
from persongen_bench.testing.observe import NotingStack


class TestRandomItem(MethodContract):
    method = "random-item"


class TestCopyHistory(MethodContract):
    method = "copy-history"


class TestNearestItem(MethodContract):
    method = "nearest-item"


class TestMeanEmbedding(MethodContract):
    method = "mean-embedding"


class TestPopulationBest(MethodContract):
    method = "population-best"


class TestWrongUser(MethodContract):
    method = "wrong-user"


class TestOracle(MethodContract):
    method = "oracle"


class TestTasteGapNeighbour(MetricContract):
    metric = "taste-gap"
    argument = "neighbour"


# Every metric with its example argument; the others of its arguments in its own module.
for name in registry.entries("metrics"):
    if "/" not in name:
        title = "".join(part.title() for part in re.split(r"\W", name))
        globals()[f"Test{title}"] = type(f"Test{title}", (MetricContract,), {"metric": name})


class TestPixels(StackContract):
    stack = "pixels"


class TestSprites(StackContract):
    stack = "sprites"


CONTRACTS = {
    "methods": {c.method for c in MethodContract.__subclasses__()},
    "stacks": {c.stack for c in StackContract.__subclasses__()},
}
ELSEWHERE = {
    "rebeca", "rebeca-no-user", "rebeca-v1", "sd-prompt", "unpersonalized", "vlm-persona",
    "vlm-persona+lora", "in-context", "ip-adapter-history", "lora-user", "lora-shared",
    "textual-inversion", "keywords", "copy-reference", "grd", "recon", "pmg", "ragar", "pigeon",
    "lavit", "lavit-tuned", "llava", "llava-tuned", "glide", "popular", "item-knn", "user-knn",
    "content-knn", "ease", "item2vec", "two-tower", "sasrec", "diffusion-dpo", "vlm-ranker",
    "signature-knn", "w2w", "unedited", "random-direction", "sandbox", "sd15", "sdxl",
}  # fmt: skip
"""In test modules of their own."""


ON_THE_TOY = sorted(
    {name for name in registry.entries("methods") if "/" not in name}
    - {
        "lora-user",
        "lora-shared",
        "textual-inversion",
        "vlm-persona+lora",
        "diffusion-dpo",
    }  # train a real decoder
    - {"ragar"}  # draws a real text encoder's states
)


@pytest.mark.parametrize("name", ON_THE_TOY)
def test_built_ins_name_no_role_that_they_do_not_ask_for(name):
    contract = MethodContract()
    contract.method = name
    world, method = contract.world(), contract.make()
    stack = NotingStack(world.stack)
    contract.fit(replace(world, stack=stack))
    assert stack.asked == set(method.roles)


@pytest.mark.parametrize(
    ("name", "options", "roles"),
    [
        ("lora-user", {}, {"decoder", "captioner"}),
        ("lora-user", {"captions": "empty"}, {"decoder"}),
        ("textual-inversion", {}, {"decoder"}),
        # Images are learned without words, and the persona is written with them.
        ("vlm-persona+lora", {"lora": {"captions": "empty"}}, {"decoder", "captioner"}),
        ("wrong-user", {"base": "copy-history"}, set()),
        ("wrong-user", {"base": "nearest-item"}, {"image_encoder"}),
    ],
)
def test_roles_follow_the_configuration(name, options, roles):
    cls = registry.get("methods", name)
    assert set(cls(cls.Config.model_validate(options)).roles) == roles


@pytest.mark.parametrize("kind", CONTRACTS)
def test_no_built_in_is_forgotten(kind):
    own = {name for name in registry.entries(kind) if "/" not in name}
    assert own - ELSEWHERE <= CONTRACTS[kind]
