"""The sandbox's language model and vision transformer: words, dialogues, what ships."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from persongen_bench.core.language import LanguageModel
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.stacks.language.chat import ChatModel
from persongen_bench.stacks.sandbox import FOLDER, SandboxStack, llm, llm_dialogues, llm_words, vit
from persongen_bench.stacks.sandbox.llm_words import ASSISTANT, END, USER
from persongen_bench.util.keyword_requests import (
    RatedKeywords,
    counted,
    taste_request,
)
from persongen_bench.util.recipe import build
from persongen_bench.util.training import TrainingPlan, seeded
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, NAMES

VALUES = {value for values in ATTRIBUTES.values() for value in values}


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def shipped():
    return SandboxStack().role("llm")


def card(role):
    return json.loads((FOLDER / role / "card.json").read_text(encoding="utf-8"))


# --- words -----------------------------------------------------------------------------------


def test_every_word_is_a_token_and_lists_come_back_letter_by_letter():
    words = llm_words.tokenizer()
    for value in VALUES:
        assert words.tokenize(value) == [value]
    for text in ('["red", "star"]', '["red"]', "[]"):
        assert words.decode(words(text)["input_ids"]) == text
        assert words.unk_token_id not in words(text)["input_ids"]


def test_the_tokenizer_survives_its_file(tmp_path):
    words = llm_words.tokenizer()
    words.save_pretrained(tmp_path)
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    text = taste_request([RatedKeywords(("red", "star")), RatedKeywords(("blue",), False)], 2)
    assert again(text)["input_ids"] == words(text)["input_ids"]
    assert again.chat_template == words.chat_template


def test_a_word_nobody_taught_is_unknown_and_changes_no_neighbour():
    words = llm_words.tokenizer()
    assert words.tokenize("a zebra star") == ["a", "<unk>", "star"]


# --- dialogues -------------------------------------------------------------------------------


def test_every_prompt_is_known_words_and_every_answer_is_right(rng):
    words = llm_words.tokenizer()
    for _ in range(40):
        taste = llm_dialogues.draw_taste(rng)
        turns = llm_dialogues.taste_turns(taste, rng)
        turns += [llm_dialogues.caption_turn(rng), llm_dialogues.target_turn(rng)]
        for prompt, answer in turns:
            assert words.unk_token_id not in words(prompt)["input_ids"], prompt
            said = json.loads(answer)
            assert set(said) <= VALUES
            assert len(said) == len(set(said))


def test_tastes_are_answered_by_counting(rng):
    # The right answer, counted by hand for one history.
    history = (
        RatedKeywords(("small", "red", "star")),
        RatedKeywords(("large", "red", "heart")),
        RatedKeywords(("small", "blue", "star"), liked=False),
    )
    taste = llm_dialogues.Taste(history, "lines")
    answers = dict(llm_dialogues.taste_turns(taste, rng))
    said = {prompt.splitlines()[-1].split()[5]: json.loads(a) for prompt, a in answers.items()}
    assert said["colour"] == ["red"]
    assert said["size"] == ["large"]  # small: liked once, disliked once
    assert said["shape"] == ["heart"]


def test_captions_are_answered_by_what_they_mention(rng):
    values = ("star", "red", "small", "flat")
    said = llm_dialogues.mentioned("flat art of a small red star", values)
    assert said == ("flat", "small", "red", "star")
    assert llm_dialogues.mentioned("a redstar", ("red",)) == ()


def test_training_speaks_as_the_template_does():
    words = llm_words.tokenizer()
    turns = [("Picture: a red star", '["red", "star"]')]
    spoken = "".join(text for text, _ in llm_dialogues.spoken(turns))
    said = [{"role": "user", "content": turns[0][0]}, {"role": "assistant", "content": turns[0][1]}]
    assert spoken == words.apply_chat_template(said, tokenize=False)
    assert spoken == f'{USER}Picture: a red star{ASSISTANT}["red", "star"]{END}'


def test_only_answers_are_learned():
    reader = llm._Reader()
    ids, labels = reader.rows([llm_dialogues.spoken([("a red star", '["red"]')])])
    words = llm_words.tokenizer()
    learned = [int(label) for label in labels[0] if label >= 0]
    assert words.decode(learned) == f'["red"]{END}' or learned[-1] == words.eos_token_id
    assert len(learned) == 4  # ["  red  "]  and the end
    assert ids.shape == labels.shape


# --- answers ---------------------------------------------------------------------------------


def tiny():
    model = seeded(llm.new, 4).eval().requires_grad_(False)
    return ChatModel(model, llm_words.tokenizer(), "tiny", rows=4)


def test_an_answer_depends_on_its_own_prompt_alone(rng):
    chat = tiny()
    prompts = [llm_dialogues.caption_turn(rng)[0] for _ in range(3)]
    prompts.append(taste_request([RatedKeywords(("red", "star"))] * 20, 2))  # another bucket
    together = chat.reply(prompts, 6)
    assert together == [chat.reply([prompt], 6)[0] for prompt in prompts]
    assert together[::-1] == chat.reply(prompts[::-1], 6)
    assert chat.reply([], 6) == []


def test_answers_end_and_are_no_longer_than_asked():
    chat = tiny()
    (answer,) = chat.reply(["a red star"], 3)
    assert len(chat.tokenizer.tokenize(answer)) <= 3
    assert END not in answer


# --- the shipped models ----------------------------------------------------------------------


def test_the_shipped_model_is_a_language_model(shipped):
    assert isinstance(shipped, LanguageModel)
    assert type(shipped.model).__name__ == "Qwen3ForCausalLM"
    assert shipped.template("a star") == f"{USER}a star{ASSISTANT}"
    assert not any(p.requires_grad for p in shipped.model.parameters())


def test_it_lists_keywords_of_captions(shipped, rng):
    turns = [llm_dialogues.caption_turn(rng) for _ in range(16)]
    assert shipped.reply([p for p, _ in turns], 20) == [answer for _, answer in turns]


def test_its_tastes_are_near_the_counts(shipped):
    # What a word earns, likes minus dislikes, as a share of what the counted word earns. Gates
    # stand below the card's figures; a random word of the attribute earns about 0.
    figures = llm.quality(shipped, 32)
    for name in ("background", "style"):
        assert figures[f"taste: {name}"]["net"] >= 0.8, figures
    assert card("llm")["quality"]["taste: style"]["net"] >= 0.85


def test_the_vision_transformer_reads_the_attributes():
    encoder = SandboxStack().role("vit")
    assert isinstance(encoder, ImageEncoder)
    assert encoder.embedding_size == vit.EMBEDDING_SIZE
    probe = card("vit")["quality"]["linear_probe"]
    # Guessing is .197 on average (1/7, 1/7, 1/3, 1/6, 1/5).
    assert probe["mean"] >= 0.6
    assert set(probe) == {"mean", *NAMES}


def test_no_judge_is_the_vision_transformer():
    roles = ("judge_encoder", "dino", "inception", "lpips")
    assert card("vit")["weights_sha256"] not in {card(role)["weights_sha256"] for role in roles}
    assert (FOLDER / "vit" / "model.safetensors").stat().st_size <= 1_500_000


# --- small rebuilds --------------------------------------------------------------------------


@pytest.mark.parametrize("part", [llm, vit])
def test_a_small_rebuild_gives_the_same_bytes_each_time(part, tmp_path, monkeypatch):
    monkeypatch.setattr(llm, "N_MEASURED", 2)
    monkeypatch.setattr(llm, "quality", lambda _: {})
    monkeypatch.setattr(vit, "probe", lambda _: {})
    plan = TrainingPlan(steps=2, batch_size=2, learning_rate=1e-3, seed=9)
    with torch.random.fork_rng(devices=[]):
        for name in ("a", "b"):
            build(part.recipe(plan), tmp_path / name)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]
    said = json.loads((tmp_path / "a" / "card.json").read_text(encoding="utf-8"))
    assert said["training"]["steps"] == 2


def test_counting_is_what_the_dialogues_say(rng):
    # The general answer holds no word that more people's dislikes than likes name.
    for _ in range(20):
        taste = llm_dialogues.draw_taste(rng, 12)
        for word in counted(taste.history, 6):
            net = sum((1 if o.liked else -1) for o in taste.history if word in o.words)
            assert net > 0
