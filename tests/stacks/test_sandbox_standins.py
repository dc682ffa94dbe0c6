"""The shipped judges of the sandbox: what they can do, and that rows depend on one picture."""

import ast
import json
import logging
import shutil
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import Captioner, TextEncoder
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Description
from persongen_bench.stacks.sandbox import FOLDER, SandboxStack, data, standins
from persongen_bench.stacks.sandbox import standin_quality as figures
from persongen_bench.stacks.sandbox.captioner import sorted_tags
from persongen_bench.stacks.sandbox.judge import CONTEXT_LENGTH, SandboxJudge
from persongen_bench.stacks.sandbox.lpips_trunk import CHANNELS
from persongen_bench.stacks.sandbox.lpips_trunk_training import draw_pairs
from persongen_bench.stacks.sandbox.standin_encoder import BLOCK
from persongen_bench.worlds.tasteworld.attributes import caption, decode
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig

ENCODERS = ("judge_encoder", "dino", "inception", "lpips", "aesthetic", "hps", "pickscore")
SIZE_LIMIT = 6_000_000
"""Bytes that all judges together may take in the package."""


@pytest.fixture(scope="module")
def clip():
    return SandboxStack().role("clip")


@pytest.fixture(scope="module")
def roles(clip):
    return {role: standins.open_role(role, FOLDER / role, lambda: clip) for role in standins.ROLES}


@pytest.fixture(scope="module")
def test_set():
    """300 pictures of scenes that no judge saw in training."""
    return figures.held_out_pictures(300)


@pytest.fixture(scope="module")
def pictures(test_set):
    return list(test_set.images)


def card(role):
    return json.loads((FOLDER / role / "card.json").read_text(encoding="utf-8"))


# --- every role --------------------------------------------------------------------------


@pytest.mark.parametrize("role", ENCODERS)
def test_rows_depend_on_their_picture_alone(roles, pictures, role):
    # 33 pictures are one block of 32 and one that is padded.
    some = pictures[:33]
    whole = roles[role].encode(some)
    assert isinstance(roles[role], ImageEncoder)
    assert whole.dtype == np.float32
    assert whole.shape == (33, roles[role].embedding_size)
    assert np.array_equal(roles[role].encode(some[::-1])[::-1], whole)
    assert np.array_equal(roles[role].encode(some[30:]), whole[30:])


@pytest.mark.parametrize("role", ENCODERS[:4])
def test_network_calls_have_a_fixed_number_of_rows(roles, pictures, monkeypatch, role):
    # Equal rows above may be luck of the kernels; this is what makes them equal.
    seen, embed = [], roles[role]._embed
    monkeypatch.setattr(roles[role], "_embed", lambda rows: seen.append(len(rows)) or embed(rows))
    roles[role].encode(pictures[:1])
    roles[role].encode(pictures[:33])
    assert seen == [BLOCK] * 3


@pytest.mark.parametrize("role", ENCODERS)
def test_no_pictures_are_no_rows(roles, role):
    assert roles[role].encode([]).shape == (0, roles[role].embedding_size)


@pytest.mark.parametrize("role", ENCODERS)
def test_other_sizes_are_read_too(roles, pictures, role):
    # Doubling every pixel and reading at 64 again is nearly the picture itself; a bicubic filter
    # sharpens edges a little. Another picture differs far more.
    large = [np.repeat(np.repeat(p, 2, axis=1), 2, axis=2) for p in pictures[:40]]
    small, doubled = roles[role].encode(pictures[:40]), roles[role].encode(large)
    other = np.roll(small, 1, axis=0)
    assert np.abs(doubled - small).mean() < 0.3 * np.abs(other - small).mean()


@pytest.mark.parametrize("role", ["judge_encoder", "hps", "pickscore"])
def test_text_rows_depend_on_their_text_alone(roles, test_set, role):
    texts = [caption(scene, k) for k, scene in enumerate(test_set.scenes[:33])]
    whole = roles[role].encode_texts(texts)
    assert isinstance(roles[role], TextEncoder)
    assert whole.dtype == np.float32
    assert np.array_equal(roles[role].encode_texts(texts[::-1])[::-1], whole)
    assert np.array_equal(roles[role].encode_texts(texts[30:]), whole[30:])
    assert roles[role].encode_texts([]).shape == (0, roles[role].embedding_size)


def test_signatures_name_the_weights_and_differ(roles):
    signatures = {role: model.signature for role, model in roles.items()}
    assert len(set(signatures.values())) == len(signatures)
    for role, signature in signatures.items():
        assert signature.isprintable()
        assert f"weights:sha256:{card(role)['weights_sha256']}" in signature


def test_heads_were_fitted_on_the_clip_that_ships(clip):
    for role in ("aesthetic", "hps", "pickscore", "captioner"):
        assert card(role)["clip"] == clip.signature, role


def test_opinions_are_of_the_world_that_ships():
    # Settings of people that changed since would make the scorers judges of another population.
    people = People.draw(PeopleConfig(), 1)
    for role in ("aesthetic", "hps", "pickscore"):
        assert card(role)["raters"] == people.signature, role


def test_judges_are_small():
    files = [p for role in standins.ROLES for p in (FOLDER / role).rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= SIZE_LIMIT


def test_no_judge_is_trained_by_the_reader_of_the_true_taste():
    # The reader decides the headline; a judge that learnt from it would not be a second opinion.
    folder = Path(standins.__file__).parent
    names = [p for p in folder.glob("*.py") if p.name.startswith(
        ("standin", "judge", "dino", "inception", "lpips", "aesthetic", "preference", "captioner"),
    )]  # fmt: skip
    assert len(names) >= 15
    for path in names:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert "reader" not in (node.module or ""), path.name


@pytest.mark.parametrize("role", standins.ROLES)
def test_missing_and_damaged_weights_are_clear_errors(tmp_path, clip, role):
    folder = tmp_path / role
    shutil.copytree(FOLDER / role, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ConfigError, match="pgbench models build sandbox"):
        standins.open_role(role, folder, lambda: clip)
    weights.unlink()
    with pytest.raises(ConfigError, match=r"model\.safetensors: no such weights file"):
        standins.open_role(role, folder, lambda: clip)


def test_unknown_role():
    with pytest.raises(KeyError, match="poet"):
        standins.open_role("poet", FOLDER, lambda: None)


# --- judge -------------------------------------------------------------------------------


def test_judge_prefers_the_own_caption(roles, test_set, pictures):
    # The captions are tasteworld's own; the judge learnt from other ones. The card measures 1.0
    # against captions with one attribute changed and a margin of 0.7 to shuffled ones.
    judge = roles["judge_encoder"]
    own, near = (
        judge.encode_texts([caption(s, k) for k, s in enumerate(scenes)])
        for scenes in (test_set.scenes, figures.near_misses(test_set.scenes))
    )
    found = figures.matching(judge.encode(pictures), own, near)
    assert found["own_wins_one_attribute_changed"] >= 0.97
    assert found["cosine_own"] - found["cosine_shuffled"] >= 0.5


def test_judge_understands_keywords(roles, test_set, pictures):
    # One word alone: chance is 1/7 for shape. Gate well below the card's zero-shot figure.
    judge = roles["judge_encoder"]
    table = figures.prototypes(judge, lambda scene, _: ", ".join(decode(scene[None])[0]))
    found = figures.zero_shot_accuracy(judge.encode(pictures), table, test_set.scenes)
    assert min(found.values()) >= 0.95


def test_judge_reads_any_text(roles):
    strange = ["", "…", "a photo of Zürich 🙂", "star " * 100]
    rows = roles["judge_encoder"].encode_texts(strange)
    assert np.isfinite(rows).all()
    cut = roles["judge_encoder"].encode_texts(["star " * (CONTEXT_LENGTH - 2)])
    assert np.array_equal(rows[3], cut[0])


def test_opening_the_judge_leaves_the_root_logger_alone():
    root = logging.getLogger()
    before = (list(root.handlers), root.level, logging.root.manager.disable)
    SandboxJudge(FOLDER / "judge_encoder")
    assert (list(root.handlers), root.level, logging.root.manager.disable) == before


# --- dino and inception ------------------------------------------------------------------


@pytest.mark.parametrize(("role", "gate"), [("dino", 0.75), ("inception", 0.95)])
def test_features_hold_the_attributes(roles, role, gate):
    # Chance is 0.197 on average over the attributes. The gates lie a little below the cards.
    assert figures.probe(roles[role], n_fit=1500)["mean"] >= gate


# --- lpips -------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than")
def test_distance_is_the_published_formula(roles, pictures):
    # The reference is the lpips package's own forward, with our layers and weights inside.
    ours = roles["lpips"]
    trunk = ours._network
    reference = lpips.LPIPS(pretrained=False, pnet_rand=True, use_dropout=False, verbose=False)
    reference.net.forward = lambda rows: [rows := part(rows) for part in trunk.slices]
    for layer, weight, n in zip(reference.lins, trunk.lins, CHANNELS, strict=True):
        layer.model = torch.nn.Conv2d(n, 1, 1, bias=False)
        layer.model.weight.data = weight.data.reshape(1, n, 1, 1)
    first, second = np.stack(pictures[:8]), np.stack(pictures[8:16])
    with torch.no_grad():
        wanted = reference(data.pixels(first), data.pixels(second)).flatten().numpy()
    found = ours.distance(list(first), list(second))
    assert np.ptp(wanted) > 0.01
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)


def test_distance_laws(roles, pictures):
    distance = roles["lpips"].distance
    a, b = pictures[:10], pictures[10:20]
    assert np.array_equal(distance(a, a), np.zeros(10))
    assert np.array_equal(distance(a, b), distance(b, a))
    assert (distance(a, b) > 0).all()
    with pytest.raises(ValueError, match="10 and 3 pictures"):
        distance(a, b[:3])


def test_channel_weights_are_not_negative(roles):
    assert all((weight >= 0).all() for weight in roles["lpips"]._network.lins)


def test_stronger_distortions_lie_further_away(roles, test_set):
    # Half of the pairs differ in strength alone. Guessing: 0.5; the gate lies below the card.
    pair, stronger = draw_pairs(data.pixels(test_set.images), np.random.default_rng(9))
    near, far = (roles["lpips"].distance(list(test_set.images), list(data.levels(x))) for x in pair)
    assert ((near < far) == (stronger > 0)).mean() >= 0.8


# --- aesthetic, hps, pickscore -----------------------------------------------------------


def test_aesthetic_head_is_affine(roles):
    # As LAION's, whose five layers have no activation between them: f((a + b) / 2) is the mean.
    head = roles["aesthetic"]._head
    a, b = torch.randn(2, 5, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(head((a + b) / 2), (head(a) + head(b)) / 2)


def test_aesthetic_scores_are_mean_ratings(roles, pictures):
    scores = roles["aesthetic"].score(pictures)
    assert scores.shape == (300,)
    assert ((scores > 1) & (scores < 5)).all()
    assert np.array_equal(scores, roles["aesthetic"].encode(pictures)[:, 0])


def test_aesthetic_card_beats_chance():
    # Under no relation the standard error of Spearman's rho over 500 pictures is 0.045.
    assert card("aesthetic")["quality"]["spearman_population"] >= 0.4


@pytest.mark.parametrize("role", ["hps", "pickscore"])
def test_preference_cards_lie_between_clip_and_the_ceiling(role):
    found = card(role)["quality"]
    for kind in ("", "_equally_right"):
        plain, own, best = (
            found[f"pair_accuracy{label}{kind}"] for label in ("_plain_clip", "", "_ceiling")
        )
        assert plain < own <= best


@pytest.mark.parametrize("role", ["hps", "pickscore"])
def test_preference_scores_are_cosines_of_the_two_encodings(roles, test_set, pictures, role):
    texts = [caption(scene, k) for k, scene in enumerate(test_set.scenes[:20])]
    images, words = (
        figures.unit(rows)
        for rows in (roles[role].encode(pictures[:20]), roles[role].encode_texts(texts))
    )
    found = roles[role].score(pictures[:20], texts)
    np.testing.assert_allclose(found, (images * words).sum(axis=1), atol=1e-6)
    assert roles[role].logit_scale > 1
    with pytest.raises(ValueError, match="20 pictures and 3 texts"):
        roles[role].score(pictures[:20], texts[:3])


# --- captioner ---------------------------------------------------------------------------


def test_captioner_says_what_is_there(roles, test_set, pictures):
    # The card measures 0.99 of the values; a picture has five.
    assert isinstance(roles["captioner"], Captioner)
    said = roles["captioner"].describe(pictures)
    truth = decode(test_set.scenes)
    right = np.array([d.tags for d in said]) == np.array(truth)
    assert right.mean() >= 0.95
    for description in said:
        assert all(tag in description.caption for tag in description.tags)


def test_the_five_values_are_sorted_and_nothing_else_is_said():
    """Shape: object; size: attribute; style, background: styles; colour (`ATTRIBUTES`)."""
    tags = ("star", "red", "small", "night", "flat")
    found = sorted_tags("said as before", tags)
    assert (found.caption, found.tags) == ("said as before", tags)
    assert (found.objects, found.attributes) == (("star",), ("small",))
    assert (found.styles, found.colours) == (("flat", "night"), ("red",))


def test_the_tagger_sorts_what_it_says(roles, pictures):
    for one in roles["captioner"].describe(pictures[:5]):
        assert one == sorted_tags(one.caption, one.tags)
        assert one.structured


def test_captions_depend_on_their_picture_alone(roles, pictures):
    said = roles["captioner"].describe(pictures[:20])
    assert roles["captioner"].describe(pictures[:20][::-1])[::-1] == said
    assert roles["captioner"].describe([]) == []
    assert isinstance(said[0], Description)
