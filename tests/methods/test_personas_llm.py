"""Personas that a language model writes: the question, its answers, and what stands behind them."""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
import pytest

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.method import NOTE_LENGTH, Explains, FitContext
from persongen_bench.core.request import Request
from persongen_bench.core.types import Description
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.methods.personas import Persona, PersonaConfig, WritingRecord
from persongen_bench.methods.personas.asking import line, persona_request, read_persona
from persongen_bench.methods.vlm_persona import RECORD, VlmPersona, VlmPersonaConfig
from persongen_bench.methods.vlm_persona_lora import VlmPersonaLora, VlmPersonaLoraConfig
from persongen_bench.stacks.multimodal.tagging import TaggingCaptioner
from persongen_bench.testing import MethodContract, ToyStack, toy_world
from persongen_bench.testing.toy import features_of
from persongen_bench.testing.toy_words import HUES, HueCaptioner
from persongen_bench.util.judging.replies import ReplyError

WORLD = toy_world()
DOG = Description(
    "a dog on a beach", ("dog", "beach", "wet", "photo", "yellow"),
    ("dog", "beach"), ("wet",), ("photo",), ("yellow",),
)  # fmt: skip
SKY = Description("a dim sky", ("sky", "dim"))
ANN = {"persona": "Calm seas.", "positive": ["Sea", "calm"], "negative": ["crowd"]}
READ = Persona("Calm seas.", ("sea", "calm"), ("crowd",))
RELEASED = PersonaConfig()


# --- the question -------------------------------------------------------------------------------


def test_a_description_is_a_line_with_its_lists_or_its_tags():
    assert line(DOG) == (
        "a dog on a beach; objects: dog, beach; attributes: wet; styles: photo; colors: yellow"
    )
    assert line(SKY) == "a dim sky; tags: sky, dim"
    assert line(Description("", ("red",), colours=("red",))) == "; colors: red"


def test_likes_come_first_and_the_question_last():
    asked = persona_request([DOG], [SKY, DOG], PersonaConfig(n_keywords=3)).splitlines()
    assert asked[:3] == [f"+ {line(DOG)}", f"- {line(SKY)}", f"- {line(DOG)}"]
    (question,) = asked[3:]
    # 001, sec. 4.3.1: a short description and positive and negative keywords.
    places = [question.index(f'"{name}"') for name in ("persona", "positive", "negative")]
    assert places == sorted(places)
    for rule in ("one JSON object and nothing else", "220 characters", "at most 3 keywords"):
        assert rule in question


# --- the answer ---------------------------------------------------------------------------------


def test_what_was_asked_for_is_read():
    assert read_persona(json.dumps(ANN), RELEASED) == READ
    no_dislikes = ANN | {"negative": []}
    assert read_persona(json.dumps(no_dislikes), RELEASED).negative == ()


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"persona": None}, "persona no text"),
        ({"persona": "  "}, "persona empty"),
        ({"positive": "sea"}, "not a list of texts"),
        ({"negative": [None]}, "not a list of texts"),
        ({"positive": []}, "no keywords"),
        ({"positive": ["Crowd"]}, "no keywords"),
        ({"mood": "calm"}, "unknown field"),
    ],
)
def test_what_is_no_persona_is_refused(changed, kind):
    with pytest.raises(ReplyError) as error:
        read_persona(json.dumps(ANN | changed), RELEASED)
    assert error.value.kind == kind


def test_texts_are_cut_and_lists_cleaned():
    config = PersonaConfig(n_keywords=2, max_persona_characters=11)
    said = {
        "persona": "Calm\n seas.  And boats.",
        "positive": ["red", " The  Sea", "the sea", "", "x" * 61, "boats", "calm"],
        "negative": ["Red", "crowd", "noise", "cars"],
    }
    # red stands in both lists and in neither persona's list.
    expected = Persona("Calm seas.", ("the sea", "boats"), ("crowd", "noise"))
    assert read_persona(json.dumps(said), config) == expected


# --- the method ---------------------------------------------------------------------------------


class Scribe:
    """A language model that answers by the hue that most liked lines of the prompt name.

    ``spoilt``: hue => what it says of who likes that one.
    """

    signature = "scribe|impl:1"

    def __init__(self, spoilt=None):
        self.spoilt, self.asked = spoilt or {}, []

    def reply(self, prompts, max_new_tokens=128):
        self.asked += [(prompt, max_new_tokens) for prompt in prompts]
        return [self._one(prompt) for prompt in prompts]

    def _one(self, prompt):
        liked = [row for row in prompt.splitlines() if row.startswith("+ ")]
        hue = max(HUES, key=lambda name: sum(name in row for row in liked))
        said = {"persona": f"Pictures in {hue}.", "positive": [hue], "negative": ["dull"]}
        return self.spoilt.get(hue, "{}").format(json.dumps(said))


class ScribeStack(ToyStack):
    def __init__(self, spoilt=None):
        super().__init__()
        self._roles["llm"] = Scribe(spoilt)


class WordlessStack(ToyStack):
    def __init__(self):
        super().__init__()
        del self._roles["llm"]


class TestVlmPersonaByLlm(MethodContract):
    """The toy's language model lists keywords and nothing else: everybody falls back."""

    method = VlmPersona
    config: ClassVar = {**VlmPersona.presets["sandbox"], "writer": "llm", "describe": "tagged"}
    taste_floor = 0.85  # as of the sandbox's preset (test_vlm_persona.py)


def fitted(stack, **options):
    method = VlmPersona(VlmPersonaConfig(writer="llm", **options))
    method.fit(WORLD.train, FitContext(stack, 0, features_of(stack)))
    return method


SPOILT = {HUES[1]: "```json\n{}\n```", HUES[2]: "I cannot tell. {:.0}", HUES[3]: "[{}]"}
"""Repaired, refused, and the object inside a list, which the repair takes out."""


def test_everybody_has_the_persona_that_was_written_about_them():
    stack = ScribeStack(SPOILT)
    method = fitted(stack, n_images_per_user=4, max_new_tokens=99)
    log_odds = VlmPersona(VlmPersonaConfig(n_images_per_user=4))
    log_odds.fit(WORLD.train, FitContext(stack, 0, features_of(stack)))
    for k, hue in enumerate(HUES):
        written = Persona(f"Pictures in {hue}.", (hue,), ("dull",))
        expected = log_odds.prompts.personas[f"user-{k}"] if k == 2 else written
        assert method.prompts.personas[f"user-{k}"] == expected
    assert method.record.counts == {"read": 3, "repaired": 2, "refused": 1}
    asked = stack.role("llm").asked
    assert [n for _, n in asked] == [99] * 6
    rows = [[row[:2] for row in prompt.splitlines()[:-1]] for prompt, _ in asked]
    assert rows == [["+ "] * 4 + ["- "] * 4] * 6


def test_a_model_that_writes_nothing_leaves_the_log_odds():
    stack = ScribeStack(dict.fromkeys(HUES, "no {:.0}"))
    plain = VlmPersona(VlmPersonaConfig())
    plain.fit(WORLD.train, FitContext(stack, 0, features_of(stack)))
    method = fitted(stack)
    assert method.prompts.personas == plain.prompts.personas
    assert method.record.counts == {"read": 0, "repaired": 0, "refused": 6}


def test_what_became_of_the_replies_is_kept_and_said(tmp_path):
    method = fitted(ScribeStack(SPOILT))
    method.save(tmp_path)
    loaded = VlmPersona(method.config)
    loaded.load(tmp_path, ScribeStack(), WORLD.train)
    assert loaded.record == method.record
    assert json.loads((tmp_path / RECORD).read_text())["counts"]["refused"] == 1
    everybody = "3 read, 2 repaired, 1 refused"
    notes = [loaded.explain(Request(f"user-{k}", ())).note for k in range(3)]
    assert notes == [
        f"persona by llm, reply read (all: {everybody})",
        f"persona by llm, reply repaired (all: {everybody})",
        f"persona by log-odds, reply refused: words around (all: {everybody})",
    ]
    assert loaded.explain(Request("nobody", ())).note == ""


def test_the_longest_note_fits():
    replies = {f"u{k}": "refused: not a list of texts" for k in range(999)}
    record = WritingRecord(replies)
    assert len(record.note("u0")) <= NOTE_LENGTH


def test_counted_tags_say_and_keep_nothing_more_than_before(tmp_path):
    method = VlmPersona(VlmPersonaConfig())
    method.fit(WORLD.train, FitContext(ToyStack(), 0, features_of(ToyStack())))
    method.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]
    assert method.roles == ("decoder", "captioner")
    assert method.explain(Request("user-0", ())).note == ""


def test_a_stack_without_language_model_is_a_clear_error():
    with pytest.raises(MissingRoleError, match=r"stack toy has no llm.*write personas"):
        fitted(WordlessStack())


# --- pictures tagged by a multimodal model ------------------------------------------------------


class Tagger:
    """An lmm that tags by hue, and refuses every picture of the second one."""

    signature = "tagger|weights:sha256:0123456789abcdef"

    def tokenize(self, images):
        return [np.array([HUES.index(said.tags[0])]) for said in HueCaptioner().describe(images)]

    def say(self, prompts, max_new_tokens=64):
        return [self._one(int(prompt[0].codes[0])) for prompt in prompts]

    def _one(self, k):
        lists = {"objects": ["wall"], "attributes": [], "styles": [], "colors": [HUES[k]]}
        return "a picture" if k == 1 else json.dumps({"caption": f"a {HUES[k]} wall"} | lists)


class Unsorted:
    """The toy's captioner without lists, as a BLIP is."""

    signature = "unsorted|impl:1"

    def describe(self, images):
        return [Description(one.caption, one.tags) for one in HueCaptioner().describe(images)]


class TwoCaptioners(HueCaptioner):
    variants = ("plain", "tagged")

    def variant(self, name):
        assert name == "tagged"
        return TaggingCaptioner(Tagger, Unsorted)


class TaggingStack(ScribeStack):
    def __init__(self):
        super().__init__()
        self._roles["captioner"] = TwoCaptioners()
        self._roles["lmm"] = Tagger()


def test_tagged_descriptions_reach_the_writer_and_are_counted():
    stack = TaggingStack()
    noted = RecordingStack(stack)
    method = VlmPersona(VlmPersonaConfig(writer="llm", describe="tagged"))
    method.fit(WORLD.train, FitContext(noted, 0, features_of(stack)))
    prompts = [prompt for prompt, _ in stack.role("llm").asked]
    assert f"+ a {HUES[0]} wall; objects: wall; colors: {HUES[0]}" in prompts[0].splitlines()
    # 30 pictures, five of each of six hues; those of the second hue are refused.
    assert method.record.descriptions == {"tagged": 25, "plain": 5}
    assert method.explain(Request("user-0", ())).note.endswith("; 25 of 30 pictures tagged")
    assert noted.used["lmm"] == Tagger.signature  # so that no judge of these weights grades it
    assert noted.used["llm"] == Scribe.signature
    assert set(method.roles) == {"decoder", "captioner/tagged", "lmm", "llm"}


def test_tagged_descriptions_serve_the_log_odds_too(tmp_path):
    stack = TaggingStack()
    method = VlmPersona(VlmPersonaConfig(describe="tagged"))
    method.fit(WORLD.train, FitContext(stack, 0, features_of(stack)))
    assert HUES[0] in method.prompts.personas["user-0"].positive
    method.save(tmp_path)
    said = json.loads((tmp_path / RECORD).read_text())
    assert said == {"counts": {}, "replies": {}, "descriptions": {"tagged": 25, "plain": 5}}


def test_the_paper_tags_and_writes():
    # 001, app. F: LLaVA tags; sec. 4.3.1: the persona is constructed from its tags.
    config = VlmPersonaConfig(**VlmPersona.presets["paper"])
    assert (config.describe, config.writer) == ("tagged", "llm")
    both = VlmPersonaLoraConfig.model_validate(VlmPersonaLora.presets["paper"])
    assert (both.persona.describe, both.persona.writer) == ("tagged", "llm")
    sandbox = VlmPersonaConfig(**VlmPersona.presets["sandbox"])
    assert (sandbox.describe, sandbox.writer) == ("captioner", "log-odds")
    assert isinstance(VlmPersonaLora(both), Explains)
