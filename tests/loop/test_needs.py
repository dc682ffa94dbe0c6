"""What cannot work is refused before anything is fitted, all of it in one error."""

from dataclasses import replace

import pytest
from plugin_case import fresh_registry

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, MissingRoleError, PgbenchError
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.terms import Terms
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_stack import ToyStack


class Without(ToyStack):
    """A toy stack that lacks some roles."""

    name = "poor"

    def __init__(self, *lacking):
        super().__init__()
        for role in lacking:
            del self._roles[role]


class Elsewhere(ToyStack):
    """A stack of which one model's file is not here."""

    name = "published"

    def missing(self):
        return "the weights of clip"

    def role(self, name):
        if name == "clip":
            raise PgbenchError("clip: no such file; `pgbench models get` gets it")
        return super().role(name)


@pytest.fixture
def track(monkeypatch):
    """Registers ``local/odd``, with another kind of answer or another unit."""
    fresh_registry(monkeypatch)

    def registered(output="image", unit="user"):
        made = type("Odd", (), {"output": output, "unit": unit})
        return registry.register("tracks", "odd", made).name

    return registered


def needs(stack, *methods, track="prompt-free", metrics=("taste-gap",), permute=(), dataset=None):
    terms = Terms("catalogue", track, metrics, n_images=2, n_history=3, permute=permute)
    check_needs(stack, terms, [MethodChoice(name) for name in methods], dataset)


def test_a_stack_with_every_role_is_enough():
    needs(ToyStack(), "mean-embedding", "random-item", metrics=("taste-gap", "kid@clean"))


def test_methods_and_metrics_that_lack_a_role_are_named_together():
    stack = Without("decoder", "inception", "judge_encoder", "image_encoder")
    with pytest.raises(MissingRoleError) as caught:
        needs(stack, "mean-embedding", "random-item", metrics=("kid@clean", "diversity"))
    text = str(caught.value)
    assert "method mean-embedding needs image_encoder, decoder" in text
    assert "metric kid@clean looks through inception/clean" in text
    assert "metric diversity looks through judge_encoder" in text
    assert "random-item" not in text  # which needs nothing
    assert "--stack sandbox" in text


def test_a_judge_whose_file_is_not_here_is_told_before_anything_is_fitted():
    needs(Elsewhere(), "random-item", metrics=("diversity",))
    with pytest.raises(MissingRoleError, match=r"clip: no such file; `pgbench models get`"):
        needs(Elsewhere(), "random-item", metrics=("diversity", "cps"))


def test_another_kind_of_answer_than_the_track_asks_is_refused(track):
    with pytest.raises(ConfigError) as caught:
        needs(ToyStack(), "random-item", track=track(output="ranking"), metrics=("diversity",))
    text = str(caught.value)
    assert "method random-item makes images, track local/odd asks rankings" in text
    assert "metric diversity reads images, track local/odd has rankings" in text
    assert "pgbench show board catalogue" in text


def test_images_that_adapters_draw_need_a_decoder(track):
    odd = track(output="adapter")
    needs(ToyStack(), track=odd, metrics=("diversity",))
    with pytest.raises(MissingRoleError, match="adapters are drawn by a decoder"):
        needs(Without("decoder"), track=odd, metrics=("diversity",))


def test_metrics_that_compare_users_need_users(track):
    odd = track(unit="prompt")
    needs(ToyStack(), track=odd, metrics=("diversity",))
    with pytest.raises(ConfigError, match="metric taste-gap compares users, the unit of local/odd"):
        needs(ToyStack(), track=odd)


# --- instruments of permutation tests ---------------------------------------------------------


def test_instruments_need_their_models_as_metrics_do():
    asked = ("verifier", "neighbour")
    needs(ToyStack(), metrics=(), permute=asked)
    blind = Without("judge_encoder", "image_encoder")
    with pytest.raises(MissingRoleError) as caught:
        needs(blind, metrics=(), permute=asked)
    text = str(caught.value)
    assert "metric verifier looks through judge_encoder" in text
    assert "metric taste-gap@neighbour looks through judge_encoder" in text
    needs(blind, metrics=(), permute=("true-taste",))


def test_the_true_taste_must_be_known():
    known = toy_world().dataset
    needs(ToyStack(), metrics=(), permute=("true-taste",), dataset=known)
    unknown = replace(known, taste=None)
    needs(ToyStack(), metrics=(), permute=("verifier",), dataset=unknown)
    with pytest.raises(MissingRoleError, match="taste-gap@true needs a known taste"):
        needs(ToyStack(), metrics=(), permute=("true-taste",), dataset=unknown)


def test_instruments_compare_users_and_look_at_pictures(track):
    with pytest.raises(ConfigError, match="metric verifier compares users, the unit of local/odd"):
        needs(ToyStack(), track=track(unit="prompt"), metrics=(), permute=("verifier",))
    with pytest.raises(ConfigError, match="metric verifier reads images, track local/odd has rank"):
        needs(ToyStack(), track=track(output="ranking"), metrics=(), permute=("verifier",))


def test_an_instrument_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="no instrument 'diversity'"):
        needs(ToyStack(), permute=("diversity",))
