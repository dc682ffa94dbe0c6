"""RAGAR end to end on tiny random models: the contract, its ablations, what it leaves behind.

Its parts one by one: test_ragar_retrieval.py, _words, _parts, _losses, _reflection.
"""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
import pytest
from diffusion_case import tiny_decoder
from finetune_case import state_of
from ragar_case import (
    USERS,
    WORLD,
    ListingLlm,
    RagarContract,
    RagarStack,
    fitted,
    following,
    said_train,
    tiny_llm,
)

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import Explains
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.core.stack import StackShell
from persongen_bench.core.types import Description
from persongen_bench.methods.ragar import Ragar
from persongen_bench.methods.ragar.config import CHECK
from persongen_bench.methods.ragar.states import states_decoder
from persongen_bench.testing.toy_stack import ToyStack


class TestRagar(RagarContract):
    method = Ragar
    config: ClassVar = {**CHECK}


def embeds(method, samples):
    return [condition.prompt_embeds for condition in method.conditions(samples)]


def test_the_stack_is_left_as_it_was():
    pipeline, llm = tiny_decoder().pipeline, tiny_llm().model
    before = state_of(pipeline)
    weights = {name: value.clone() for name, value in llm.state_dict().items()}
    flags = [weight.requires_grad for weight in llm.parameters()]
    method = fitted(calibrator_weight=1.0)
    method.generate(following())
    assert state_of(pipeline) == before
    assert all((llm.state_dict()[name] == value).all() for name, value in weights.items())
    assert [weight.requires_grad for weight in llm.parameters()] == flags


def test_the_paper_form_runs_with_its_ranking_model():
    """Rank reward against reference and keywords' picture, noise by rows, all three losses."""
    method = fitted(
        ranker="micro", reward="rank", noise="rows", baseline="none", margin=0.01,
        calibrator_weight=1.0, semantic_weight=1.0, semantic_on="mapper",
        train="calibrator+mapper", trained="tokens",
    )  # fmt: skip
    log = method.record["reflection"]
    assert len(log["loss"]) == len(log["reward"]) == CHECK["reflection_steps"]
    assert np.isfinite(log["loss"]).all()
    assert 0 < min(log["reward"]) <= max(log["reward"]) <= 1  # 1 / log2(1 + rank)
    assert all(np.isfinite(rows).all() for rows in embeds(method, following()))


ABLATIONS = {
    "retrieval": {"retrieval": "off"},
    "words": {"similarity": "words"},
    "reward": {"rank_reward": "off"},
    "calibrator": {"calibrator": "off"},
    "no reflection": {"reflection_steps": 0},
    "one perturbation": {"n_noise": 1, "baseline": "none"},
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablations_run_and_ask_for_the_roles_they_name(name):
    asked = set()

    class Noting(StackShell):
        def role(self, role):
            asked.add(role)
            return super().role(role)

    stack = Noting(RagarStack(ListingLlm()))

    def features(role, view):
        return stack.role(role).encode(view.catalog.images(view.catalog.ids))

    method = fitted(changes={"stack": stack, "features": features}, **ABLATIONS[name])
    made = embeds(method, following())
    assert all(rows.shape == (77, 32) and np.isfinite(rows).all() for rows in made)
    assert set(method.roles) == asked


def test_roles_follow_the_configuration():
    def roles(**options):
        return set(Ragar(Ragar.Config.model_validate({**CHECK, **options})).roles)

    always = {"decoder", "captioner", "llm"}
    assert roles() == always | {"clip", "vit"}
    assert roles(rank_reward="off") == always | {"clip"}
    assert roles(rank_reward="off", calibrator_weight=1.0) == always | {"clip", "vit"}
    assert roles(similarity="words", calibrator="off") == always
    assert roles(similarity="words", reflection_steps=0) == always


def test_without_the_calibrator_the_detailed_feature_is_drawn():
    """The same seed trains the same special tokens and mapper, whether there is one or not."""
    off = fitted(calibrator="off")
    start = fitted(warm_steps=0, reflection_steps=0)
    np.testing.assert_array_equal(embeds(off, following()), embeds(start, following()))
    moved = embeds(fitted(warm_steps=20, reflection_steps=0), following())
    assert np.abs(np.array(moved) - np.array(embeds(off, following()))).max() > 1e-3


def test_history_reference_and_words_show_in_the_states():
    method, train = fitted(min_count=1), said_train()
    red = [i for i, h in train.catalog.items["theme"].items() if h == "hue-0"]
    blue = [i for i, h in train.catalog.items["theme"].items() if h == "hue-3"]

    def states(history, text):
        request = Request("u", tuple(history), reference="x", instruction=text)
        return embeds(method, plan_samples({}, [request]))[0]

    base = states(red, "a pink heart")
    np.testing.assert_array_equal(base, states(red, "a pink heart"))
    assert np.abs(base - states(blue, "a pink heart")).max() > 1e-3  # on paper, or at night
    assert np.abs(base - states(red, "a green star")).max() > 1e-3
    assert np.abs(base - states((), "a pink heart")).max() > 1e-3


def test_it_says_which_items_it_retrieved():
    """Three of the history, as `asked` has them; with retrieval off all count and none is named."""
    request = following()[0].request
    method = fitted(k=3)
    assert isinstance(method, Explains)
    said = method.explain(request)
    assert set(said.history) == set(method.asked(request).retrieved)
    assert set(said.history) < set(request.history)
    assert set(said.history.values()) == {"retrieved"}
    assert len(said.history) == 3
    assert said.note == ", ".join(method.asked(request).keywords)
    assert fitted(retrieval="off").explain(request).history == {}


def test_users_that_the_fit_has_not_seen_are_served():
    method = fitted()
    known = following()[0].request
    stranger = Request("nobody", known.history, reference="x", instruction=known.instruction)
    made = embeds(method, plan_samples({}, [stranger]))
    np.testing.assert_array_equal(made[0], embeds(method, following())[0])


def test_the_record_says_what_was_mined_and_how_the_answers_were_read(tmp_path):
    method = fitted()
    method.save(tmp_path)
    record = json.loads((tmp_path / "ragar.json").read_text(encoding="utf-8"))
    histories = {i for user in USERS[:3] for i in WORLD.train.liked_items[user]}
    assert set(record["keywords"]) == histories
    assert record["replies"] == {"strict": len(histories), "repaired": 0, "fallback": 0}
    assert record["keywords"][min(histories)][-1] in ("paper", "night")


class FixedCaptioner:
    signature = "fixed"

    def describe(self, images):
        return [Description("a red star", ("red",)) for _ in images]


def test_a_reference_without_words_is_described():
    class Described(StackShell):
        def role(self, role):
            return FixedCaptioner() if role == "captioner" else super().role(role)

    method = fitted(
        changes={"stack": Described(RagarStack(ListingLlm()))}, reference_text="caption"
    )
    assert method.asked(following()[0].request).text == "a red star"


def test_a_stack_without_a_text_encoder_is_refused():
    with pytest.raises(ConfigError, match="stack toy has none"):
        states_decoder(ToyStack())
