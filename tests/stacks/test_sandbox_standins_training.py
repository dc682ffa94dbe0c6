"""How the sandbox's judges learn: their pictures, texts, losses, opinions, and small rebuilds."""

import itertools
import json
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from persongen_bench.stacks.sandbox import (
    FOLDER,
    aesthetic,
    data,
    dino,
    inception,
    judge,
    judge_training,
    judge_words,
    lpips_trunk,
    lpips_trunk_training,
    preference,
    standins,
)
from persongen_bench.stacks.sandbox import standin_quality as figures
from persongen_bench.stacks.sandbox.preference_pairs import PairWorld, draw_pairs
from persongen_bench.stacks.sandbox.standin_files import read_weights, write_weights
from persongen_bench.stacks.sandbox.standin_ratings import FIRST_RATER, Panel, n_wrong
from persongen_bench.stacks.sandbox.standin_training import (
    COPIES,
    AttributeHeads,
    draw,
    draw_groups,
    nearby,
    scene_split,
)
from persongen_bench.util.recipe import build
from persongen_bench.util.training import seeded
from persongen_bench.worlds.tasteworld.attributes import (
    ATTRIBUTES,
    COUNTS,
    N_SCENES,
    decode,
    draw_scenes,
    scene_index,
)

VALUES = {value for values in ATTRIBUTES.values() for value in values}
CHANCE = float(np.mean([1 / n for n in COUNTS]))
"""0.197: guessing, averaged over the attributes."""


@pytest.fixture
def rng():
    return np.random.default_rng(5)


# --- scenes ------------------------------------------------------------------------------


def test_split_covers_all_scenes_once():
    known, held_out = scene_split()
    numbers = np.concatenate([scene_index(known), scene_index(held_out)])
    assert sorted(numbers) == list(range(N_SCENES))
    assert len(held_out) == 441  # a tenth of 4,410


def test_nearby_scenes_change_one_to_most_attributes(rng):
    scenes = draw_scenes(2000, rng)
    for most in (1, 2, 5):
        changed = nearby(scenes, most, rng)
        n_changed = (changed != scenes).sum(axis=1)
        assert set(n_changed) == set(range(1, most + 1))
        assert ((changed >= 0) & (changed < np.array(COUNTS))).all()


def test_groups_hold_near_scenes_and_none_that_is_held_out(rng):
    scenes = draw_groups(400, rng)
    held_out = set(scene_index(scene_split()[1]).tolist())
    assert not held_out & set(scene_index(scenes).tolist())
    groups = scenes.reshape(-1, COPIES, len(COUNTS))
    n_changed = (groups[:, 1:] != groups[:, :1]).sum(axis=2)
    assert set(n_changed.ravel()) == {1, 2}


def test_groups_may_be_cut(rng):
    assert draw_groups(6, rng).shape == (6, 5)


# --- the judge's texts -------------------------------------------------------------------


def test_texts_name_what_is_shown_and_nothing_else(rng):
    for scene in draw_scenes(300, rng):
        shown = rng.random(5) < 0.5
        shown[rng.integers(5)] = True
        text = judge_words.say(scene, shown, rng)
        named = VALUES & set(text.replace(",", " ").split())
        assert named == {v for v, s in zip(decode(scene[None])[0], shown, strict=True) if s}, text


def test_every_word_is_one_token(tmp_path):
    size = judge_words.write_merges(tmp_path / judge.MERGES)
    words = judge.tokenizer(tmp_path)
    assert words.vocab_size == size
    assert all(len(words.encode(word)) == 1 for word in judge_words.vocabulary())
    # A word that nobody knows comes apart into pieces and loses nothing.
    assert words.decode(words.encode("zürich starfish")).strip() == "zürich starfish"


def test_merges_are_the_same_bytes_each_time(tmp_path):
    for name in ("a", "b"):
        judge_words.write_merges(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_judge_and_generator_do_not_share_captions():
    from persongen_bench.worlds.tasteworld.attributes import TEMPLATES, caption

    scene = scene_split()[0][0]
    own = {judge_words.full(scene, k) for k in range(200)}
    assert not own & {caption(scene, k) for k in range(len(TEMPLATES))}


# --- losses ------------------------------------------------------------------------------


def test_true_of_by_hand():
    # Two red circles that differ in style; the text says only "red", then the full second scene.
    pictures = torch.tensor([[0, 0, 1, 0, 0], [0, 0, 1, 0, 2], [0, 3, 1, 0, 2]])
    texts = torch.tensor([[5, 0, 2, 5, 4], [0, 0, 1, 0, 2]])
    shown = torch.tensor([[False, True, False, False, False], [True] * 5])
    found = judge_training.true_of(pictures, texts, shown)
    assert found.tolist() == [[True, False], [True, True], [False, False]]


def test_contrastive_by_hand():
    # Logits 0 everywhere: every row and column is uniform over 2, ln 2 whatever the targets are.
    match = torch.tensor([[True, False], [True, True]])
    assert judge_training.contrastive(torch.zeros(2, 2), match).item() == pytest.approx(np.log(2))
    # One logit of ln 3. Rows: -ln 3/4 for the first, ln 2 for the second. Columns: the first is
    # half -ln 3/4 and half -ln 1/4, the second ln 2.
    logits = torch.tensor([[np.log(3), 0.0], [0.0, 0.0]])
    rows = (-np.log(3 / 4) + np.log(2)) / 2
    columns = (-(np.log(3 / 4) + np.log(1 / 4)) / 2 + np.log(2)) / 2
    found = judge_training.contrastive(logits, match).item()
    assert found == pytest.approx((rows + columns) / 2, rel=1e-6)


def test_nt_xent_by_hand():
    # Two orthogonal pictures, both views equal, temperature 1: the partner has cosine 1, the
    # other two rows 0, itself does not count: -ln(e / (e + 2)).
    rows = 3 * torch.eye(2).repeat(2, 1)
    assert dino.nt_xent(rows, 1.0).item() == pytest.approx(-np.log(np.e / (np.e + 2)), rel=1e-6)


def test_heads_count_only_labels_that_are_shown():
    heads = seeded(lambda: AttributeHeads(8), 0)
    rows = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    scenes = torch.zeros(4, 5, dtype=torch.long)
    shown = torch.zeros(4, 5, dtype=torch.bool)
    assert heads.loss(rows, scenes, shown).item() == 0
    shown[0] = True
    wrong = scenes.clone()
    wrong[1:] = 1
    assert torch.equal(heads.loss(rows, scenes, shown), heads.loss(rows, wrong, shown))
    assert not torch.equal(heads.loss(rows, scenes), heads.loss(rows, wrong))


def test_views_keep_size_and_range_and_differ(rng):
    pixels = data.pixels(draw(scene_split()[0], 8, rng).images)
    first, second = dino.augment(pixels, rng), dino.augment(pixels, rng)
    assert first.shape == pixels.shape
    assert first.abs().max() <= 1
    assert (first - second).abs().mean(dim=(1, 2, 3)).min() > 0.01


@pytest.mark.parametrize("kind", range(len(lpips_trunk_training.DISTORTIONS)))
def test_distortions_start_at_nothing_and_grow(rng, kind):
    pixels = data.pixels(draw(scene_split()[0], 16, rng).images)
    errors = []
    for strength in (0.0, 0.3, 0.9):
        changed = lpips_trunk_training.distort(
            pixels, np.full(16, kind), np.full(16, strength), np.random.default_rng(1)
        )
        errors.append(float((changed - pixels).square().mean()))
    assert errors[0] < 1e-6
    assert errors[0] < errors[1] < errors[2]


# --- opinions ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def panel():
    return Panel.of_default_world()


def test_raters_are_not_users(panel):
    from persongen_bench.datasets import tasteworld

    most = max(preset["n_users"] for preset in tasteworld.PRESETS.values())
    assert most <= FIRST_RATER == panel.raters.min()


def test_mean_ratings_follow_the_population(panel, rng):
    scenes = draw_scenes(2000, rng)
    ratings = panel.mean_ratings(scenes, rng)
    assert ((ratings >= 1) & (ratings <= 5)).all()
    assert figures.rank_correlation(ratings, panel.aesthetics[scene_index(scenes)]) > 0.5


def test_choices_by_hand(panel, rng):
    scenes, others = draw_scenes(50, rng), draw_scenes(50, rng)
    none, one = np.zeros(50, dtype=np.int64), np.ones(50, dtype=np.int64)
    even = np.stack([none, none])
    # The same scene twice, both without a fault: a coin.
    assert panel.choice_probability((scenes, scenes), even, 1.0) == pytest.approx(0.5)
    # The second has one fault more of weight 1: Phi(1 / (sqrt 2 * noise of a rating)).
    wanted = ndtr(1 / (np.sqrt(2) * panel.people.config.noise))
    found = panel.choice_probability((scenes, scenes), np.stack([none, one]), 1.0)
    assert found == pytest.approx(wanted)
    # Exchanging the pictures exchanges the answer.
    forwards = panel.choice_probability((scenes, others), np.stack([none, one]), 0.7)
    backwards = panel.choice_probability((others, scenes), np.stack([one, none]), 0.7)
    assert forwards == pytest.approx(1 - backwards)


def test_only_mentioned_attributes_can_be_wrong():
    asked, shown = np.zeros((1, 5), dtype=np.int64), np.array([[0, 1, 1, 0, 1]])
    for mentioned in itertools.product([False, True], repeat=5):
        row = np.array([mentioned])
        assert n_wrong(shown, asked, row) == [sum(np.array(mentioned)[[1, 2, 4]])]


# --- files -------------------------------------------------------------------------------


def test_weights_survive_in_half_precision(tmp_path):
    trunk = seeded(inception.InceptionTrunk, 3)
    write_weights(tmp_path, trunk)
    other = read_weights(tmp_path, inception.InceptionTrunk())
    for name, value in trunk.state_dict().items():
        found = other.state_dict()[name]
        assert found.dtype == value.dtype
        # float16 has 11 significant bits; vectors stay in float32.
        tolerance = 2**-11 if value.ndim > 1 else 0
        torch.testing.assert_close(found, value, rtol=tolerance, atol=1e-7)


# --- small rebuilds: the commands of the cards at a fraction of their steps -----------------


@pytest.fixture(scope="module")
def dual():
    """Any dual encoder will do as the CLIP of the heads: here the shipped judge."""
    return judge.SandboxJudge(FOLDER / "judge_encoder")


def built(role, folder, clip=None, **changes):
    recipe = standins.recipe_of(role, folder, lambda: clip, **changes)
    return build(recipe, folder)


@pytest.fixture
def quick_probe(monkeypatch):
    """The read-out of a card is fitted on a thousand pictures, and not on three."""
    quick = partial(figures.probe, n_fit=1000)
    for module in (figures, inception, dino):
        monkeypatch.setattr(module, "probe", quick)


def read_card(folder):
    assert not (folder / "checkpoint.pt").exists()
    assert json.loads((folder / "losses.json").read_text(encoding="utf-8"))
    return json.loads((folder / "card.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_probe")
def test_judge_learns(tmp_path):
    # 80 of 3000 steps. Untrained: 0.5 and CHANCE.
    found = read_card(built("judge_encoder", tmp_path / "judge", steps=80))["quality"]
    assert found["matching_unseen_captions"]["own_wins_shuffled"] >= 0.8
    assert found["zero_shot"]["mean"] >= CHANCE + 0.15


@pytest.mark.slow
@pytest.mark.usefixtures("quick_probe")
def test_inception_learns(tmp_path):
    # Even random filters give colours and backgrounds away (0.77 on average); shapes are learned.
    untrained = seeded(inception.InceptionTrunk, 1)
    write_weights(tmp_path / "untrained", untrained)
    before = figures.probe(inception.InceptionFeatures(tmp_path / "untrained"))["mean"]
    after = read_card(built("inception", tmp_path / "trained", steps=120))["quality"]
    assert after["linear_probe"]["mean"] >= before + 0.05


@pytest.mark.slow
@pytest.mark.usefixtures("quick_probe")
def test_dino_learns(tmp_path):
    folder = built("dino", tmp_path / "dino", steps=60)
    read_card(folder)
    # A second view is nearer to its picture than the next picture is, and training widens the gap.
    rng = np.random.default_rng(3)
    images = figures.held_out_pictures(100).images
    view = list(data.levels(dino.augment(data.pixels(images), rng)))
    wins = []
    for encoder in (_untrained_dino(tmp_path / "raw"), dino.DinoEncoder(folder)):
        rows, views = (figures.unit(encoder.encode(x)) for x in (list(images), view))
        wins.append(float(((rows @ views.T).argmax(axis=1) == np.arange(100)).mean()))
    assert wins[1] > wins[0] + 0.1


def _untrained_dino(folder):
    network = seeded(dino.new, 1)
    network.half().save_pretrained(folder)
    return dino.DinoEncoder(folder)


@pytest.mark.slow
def test_lpips_learns(tmp_path):
    found = read_card(built("lpips", tmp_path / "lpips", steps=60))["quality"]
    # Guessing: 0.5.
    assert found["agreement_2afc"] >= 0.75
    weights = lpips_trunk.LpipsDistance(tmp_path / "lpips")._network.lins
    assert all((w >= 0).all() for w in weights)
    # They are no longer the even ones they started from.
    assert max(float((w - w.mean()).abs().max() / w.mean()) for w in weights) > 0.1


def test_aesthetic_learns(tmp_path, dual, monkeypatch):
    monkeypatch.setattr(aesthetic, "N_RATED", 1500)
    folder = built("aesthetic", tmp_path / "aesthetic", dual, steps=150)
    found = read_card(folder)["quality"]
    # Nothing to do with each other: 0 with a standard error of 0.045 over 500 pictures.
    assert 0.2 <= found["spearman_population"] <= 1


def test_preference_learns(tmp_path, dual, monkeypatch):
    monkeypatch.setattr(preference, "N_PAIRS", 1500)
    monkeypatch.setattr(preference, "N_HELD_OUT_PAIRS", 300)
    folder = built("hps", tmp_path / "hps", dual, steps=150)
    found = read_card(folder)["quality"]
    assert 0.5 < found["pair_accuracy"] <= found["pair_accuracy_ceiling"]
    assert found["pair_accuracy_equally_right"] > found["pair_accuracy_plain_clip_equally_right"]


def test_pairs_repeat(dual, panel):
    world = PairWorld(dual, panel, 0.5)
    first, again = (draw_pairs(world, scene_split()[1], 20, np.random.default_rng(4)) for _ in "ab")
    assert np.array_equal(first.probability, again.probability)
    assert np.array_equal(first.texts, again.texts)
    assert not np.array_equal(first.first, first.second)


def test_captioner_is_built_from_any_dual_encoder(tmp_path, dual):
    found = read_captioner(built("captioner", tmp_path / "captioner", dual))
    assert found["mean"] >= 0.95


def read_captioner(folder):
    return json.loads((folder / "card.json").read_text(encoding="utf-8"))["quality"]


def test_a_build_repeats_to_the_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "quality", lambda _: {})
    for name in ("a", "b"):
        built("inception", tmp_path / name, steps=2)
    first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in "ab")
    assert first == second
    built("inception", tmp_path / "c", seed=77, steps=2)
    assert (tmp_path / "c" / "model.safetensors").read_bytes() != first
