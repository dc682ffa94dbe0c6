"""SER30K in its published layout: generated folders with the traits of the real files."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusals import refused
from stickers_case import N_EACH, N_THEMES, catalogue_as_stickers, entries, write_stickers

from persongen_bench.core.errors import DataError
from persongen_bench.datasets.audit import audit
from persongen_bench.datasets.ser30k import Ser30k, Ser30kConfig
from persongen_bench.datasets.ser30k_annotations import natural_order
from persongen_bench.testing import DatasetContract

EMOJI = Path(__file__).parents[3] / "shared/data/emoji"
PARTS = "Annotations/image-level"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Four themes of ten stickers; nothing may be changed in it."""
    return write_stickers(tmp_path_factory.mktemp("ser30k"))


@pytest.fixture
def folder(tmp_path):
    return write_stickers(tmp_path)


def load(root, **options):
    return Ser30k.load(Ser30kConfig(**options), root)


def likes_of(log, user):
    rows = log[(log["user_id"] == user) & log["liked"]].sort_values("timestamp")
    return rows["item_id"].tolist()


def test_reads_the_published_layout(published):
    data = load(published)
    assert len(data.catalog) == N_THEMES * N_EACH
    row = data.catalog.items.loc["01-cat/sticker_3.png"]
    assert row["theme"] == "01-cat"
    # entry 1 of theme 1 has label (1 + 1) % 7 + 1; sticker_3 is k = 3: (1 + 3) % 7 + 1 = 5
    assert (row["emotion"], row["text"]) == ("neutral", "OK then")
    assert row["subject"] == 'a sticker with a neutral emotion and the text "OK then"'
    other = data.catalog.subjects(["01-cat/sticker_4.png"])
    assert other == ["a sticker with the emotion of sadness"]  # (1 + 4) % 7 + 1 = 6
    (image,) = data.catalog.images(["02-cat/sticker_1.png"])
    assert image.shape == (3, 8, 8)
    assert (image[:, 0, 0] == 80).all()  # drawn as 40 times the number of the theme


@pytest.mark.parametrize("layout", ["Annotations", "whole"])
def test_other_layouts_of_the_annotations_give_the_same_data(published, folder, layout):
    source = folder / PARTS
    files = sorted(source.glob("*.json"))
    if layout == "whole":
        every = [e for f in files for e in json.loads(f.read_text())["annotations"]]
        text = json.dumps({"annotations": every[::-1]})
        (folder / "Annotations/all_annos.json").write_text(text)
        for file in files:
            file.unlink()
    else:
        for file in files:
            file.rename(folder / "Annotations" / file.name)
    assert load(folder).revision == load(published).revision


@pytest.mark.parametrize(
    "categories",
    [
        {str(k): f"E{k}" for k in range(1, 8)},
        {f"E{k}": k for k in range(1, 8)},
        [{"id": k, "name": f"e{k}"} for k in range(1, 8)],
    ],
)
def test_names_of_emotions_are_the_files_where_it_has_them(folder, categories):
    path = folder / PARTS / "train.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "categories": categories}))
    data = load(folder)
    assert data.catalog.items.loc["00-cat/sticker_1.png", "emotion"] == "e2"
    assert "do not name the emotions" not in " ".join(data.card.notes)
    assert "read as anger, disgust" in " ".join(load(write_stickers(folder / "b")).card.notes)


def test_files_are_in_the_order_of_their_numbers():
    names = ["sticker_10.png", "sticker_9.png", "a.png", "sticker_1b.png", "sticker_1.png"]
    expected = ["a.png", "sticker_1.png", "sticker_1b.png", "sticker_9.png", "sticker_10.png"]
    assert sorted(names, key=natural_order) == expected


def test_a_theme_is_a_user_who_likes_its_stickers_in_order(published):
    log = load(published).interactions
    assert sorted(log["user_id"].unique()) == [f"{k:02d}-cat" for k in range(N_THEMES)]
    assert likes_of(log, "02-cat") == [f"02-cat/sticker_{k}.png" for k in range(1, N_EACH + 1)]


def test_dislikes_are_of_other_themes_and_on_the_side_of_their_like(published):
    """One beside every like; held out where the like is: then a pool has both kinds."""
    data = load(published, test_fraction=0.2)
    split = data.split()
    for part, n in ((split.train, 8), (split.test, 2)):
        assert part.groupby("user_id")["liked"].sum().eq(n).all()
        assert part.groupby("user_id").size().eq(2 * n).all()
    dislikes = data.interactions[~data.interactions["liked"]]
    assert not (dislikes["item_id"].str.partition("/")[0] == dislikes["user_id"]).any()
    assert (dislikes["rating"] == 0).all()
    assert load(published, dislikes=0).interactions["liked"].all()
    assert load(published, seed=1).revision != data.revision


def test_the_ends_of_the_themes_are_held_out_and_nothing_leaks(published):
    data = load(published)  # a tenth of ten stickers, the last of them
    split = data.split(seed=3)
    assert split.name == "held-out-items"
    assert set(split.test["item_id"]) == {f"{k:02d}-cat/sticker_10.png" for k in range(N_THEMES)}
    report = audit(data, split)
    assert report.leaks == ()
    assert (report.targets.n_known, report.targets.n) == (0, N_THEMES)


def test_requests_follow_a_held_out_sticker_of_another_theme(published):
    data = load(published, test_fraction=0.3)
    split = data.split(seed=0)
    train = data.train_view(split)
    requests = data.asks(split, train, 5)
    assert [(r.user_id, r.target) for r in requests] == [
        (f"{t:02d}-cat", f"{t:02d}-cat/sticker_{k}.png")
        for t in range(N_THEMES) for k in (8, 9, 10)
    ]  # fmt: skip
    for request in requests:
        theme = request.user_id
        assert request.history == tuple(f"{theme}/sticker_{k}.png" for k in range(3, 8))
        assert not request.reference.startswith(theme)
        assert request.reference not in train.catalog.items.index
        assert request.instruction == data.catalog.subjects([request.reference])[0]
        # nor did the user dislike it
        known = data.interactions.query("user_id == @theme")["item_id"]
        assert request.reference not in set(known)
    again = data.asks(data.split(seed=0), train, 5)
    assert [r.key() for r in again] == [r.key() for r in requests]
    other = data.split(seed=1)
    assert [r.reference for r in data.asks(other, data.train_view(other), 5)] != [
        r.reference for r in requests
    ]
    fewer = load(published, test_fraction=0.3, requests_per_user=1)
    assert [r.target for r in fewer.asks(split, train, 5)] == [r.target for r in requests[::3]]


def test_two_themes_are_shuffled_into_each_other(published):
    data = load(published, users="two-themes", dislikes=0)
    users = sorted(data.interactions["user_id"].unique())
    assert len(users) == 6  # 4 over 2
    assert likes_of(data.interactions, users[0])[:4] == [
        "00-cat/sticker_1.png", "01-cat/sticker_1.png",
        "00-cat/sticker_2.png", "01-cat/sticker_2.png",
    ]  # fmt: skip
    few = load(published, users="two-themes", n_pairs=4)
    assert set(few.interactions["user_id"].unique()) < set(users)
    split = few.split()
    assert audit(few, split).leaks == ()
    for request in few.asks(split, few.train_view(split), 5):
        assert not request.reference.startswith(tuple(request.user_id.split("+")))


def test_windows_are_divided_as_in_the_papers_and_the_audit_says_what_leaks(published):
    data = load(published, users="windows")
    n_windows = N_THEMES * (N_EACH - 5)  # Pigeon: six consecutive ones, step 1
    assert data.interactions["user_id"].nunique() == n_windows
    assert list(data.splits) == ["paper-samples"]
    split = data.split(seed=1)
    assert split.promise == frozenset()
    assert (len(split.test), len(split.validation)) == (2, 2)  # 8:1:1 of 20 windows
    train = data.train_view(split)
    trained = {user for user, items in train.liked_items.items() if len(items) == 6}
    assert len(trained) == 16
    for request in data.asks(split, train, 5):
        theme, _, first = request.user_id.partition("#")
        items = [f"{theme}/sticker_{int(first) + k}.png" for k in range(1, 7)]
        assert [*request.history, request.target] == items
        assert request.user_id not in trained
    # the leak of such a split: targets stand in windows that are trained on
    in_training = set(split.train["item_id"])
    n_known = sum(item in in_training for item in split.test["item_id"])
    report = audit(data, split)
    assert (report.targets.n_known, report.targets.n) == (n_known, 2)
    assert n_known > 0
    assert f"info: target-in-training: {n_known} of 2 targets ({n_known / 2:.1%})" in str(report)
    assert "share stickers" in " ".join(data.card.notes)


def test_what_is_left_out_is_counted(folder, caplog):
    (folder / "Images/00-cat/sticker_2.png").unlink()
    small = [{"topic": "tiny", "file_name": f"{k}.png", "anno": 4, "text": ""} for k in range(5)]
    path = folder / PARTS / "val.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({"annotations": [*said["annotations"], *small, small[0]]}))
    (folder / "Images/tiny").mkdir()
    for entry in small:
        source = (folder / "Images/01-cat/sticker_1.png").read_bytes()
        (folder / "Images/tiny" / entry["file_name"]).write_bytes(source)
    (folder / "Images/01-cat/sticker_99.png").write_bytes(source)
    with caplog.at_level(logging.WARNING):
        data = load(folder)
    for said in (
        "dropped 1 repeated entries",
        "dropped 1 of 45 stickers, whose pictures are not in Images",
        "dropped 1 themes of fewer than 6 stickers with 5 stickers",
        "passed over 1 pictures that are not annotated",
    ):
        assert said in data.card.description
        assert said in caplog.text
    assert len(data.catalog) == 39


def test_captions_are_read_where_they_are(folder):
    assert "caption" not in load(folder).catalog.items
    (folder / "ser30k_captions.json").write_text(json.dumps({"00-cat/sticker_1.png": "a cat"}))
    captions = load(folder).catalog.items["caption"]
    assert captions["00-cat/sticker_1.png"] == "a cat"
    assert (captions != "").sum() == 1


# --- malformed files -----------------------------------------------------------------------

ENTRY = {"topic": "00-cat", "file_name": "sticker_1.png", "anno": 3, "text": ""}


def text_of(**changes):
    entry = {key: value for key, value in {**ENTRY, **changes}.items() if value is not ...}
    return json.dumps({"annotations": [ENTRY, entry]})


MALFORMED = {
    "cut off": ('{"annotations": [{"topic": ', r"row 1: not JSON"),
    "a list": ("[1, 2]", r"a list, expected an object with a list 'annotations'"),
    "no annotations": ('{"annos": []}', r"an object of 'annos', expected .* 'annotations'"),
    "no list": ('{"annotations": {}}', r"expected an object with a list 'annotations'"),
    "empty": ('{"annotations": []}', r"the list 'annotations' is empty"),
    "an entry that is text": ('{"annotations": ["x"]}', r"entry 1: text, expected an object"),
    "no topic": (text_of(topic=...), r"entry 2: no 'topic', found 'file_name', 'anno', 'text'"),
    "no file": (text_of(file_name=...), r"entry 2: no 'file_name'"),
    "no label": (text_of(anno=...), r"entry 2: no 'anno'"),
    "no text": (text_of(text=...), r"entry 2: no 'text'"),
    "label 0": (text_of(anno=0), r"entry 2: anno is 0, expected 1 to 7"),
    "label 8": (text_of(anno=8), r"entry 2: anno is 8, expected 1 to 7"),
    "label as text": (text_of(anno="3"), r"entry 2: anno is '3', expected 1 to 7"),
    "label true": (text_of(anno=True), r"entry 2: anno is True"),
    "text is null": (text_of(text=None), r"entry 2: text is None, expected what is written"),
    "a path": (text_of(file_name="../../x.png"), r"entry 2: file_name is .*without a path"),
    "a topic with a slash": (text_of(topic="a/b"), r"entry 2: topic is 'a/b'.*without a path"),
    "an empty topic": (text_of(topic=""), r"entry 2: topic is '', expected a name"),
    "a topic with blanks": (text_of(topic=" a"), r"entry 2: topic is ' a', expected a name"),
    "a number for a file": (text_of(file_name=7), r"entry 2: file_name is 7, expected a name"),
    "two labels of one": (text_of(anno=4), r"entry 2: sticker '00-cat/sticker_1.png' says oth"),
    "categories": (
        json.dumps({"annotations": [ENTRY], "categories": {"1": "anger"}}),
        r"categories are .*expected names of the labels 1 to 7",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_annotations_are_one_line(tmp_path, case):
    text, message = MALFORMED[case]
    root = write_stickers(tmp_path, entries(1, 10))
    path = root / PARTS / "train.json"
    path.write_text(text)
    with refused(message, path) as error:
        load(root)
    assert str(error.value).rstrip().endswith(".")


def test_bytes_that_are_no_text_are_one_line(folder):
    (folder / PARTS / "val.json").write_bytes(b'{"annotations": "\xff"}')
    with pytest.raises(DataError, match=r"val\.json: byte 18 is not UTF-8"):
        load(folder)


def test_missing_parts_are_told(folder):
    (folder / PARTS / "val.json").unlink()
    with pytest.raises(DataError, match=r"val\.json: no such file, but train\.json is there"):
        load(folder)
    for name in ("train", "test"):
        (folder / PARTS / f"{name}.json").unlink()
    with pytest.raises(DataError, match=r"no Annotations/image-level/train\.json, .*all_annos"):
        load(folder)


def test_without_the_data_it_says_how_to_get_them(tmp_path, folder):
    for root in (None, tmp_path / "none"):
        with pytest.raises(DataError, match="Apply for it with the form"):
            load(root)
    with pytest.raises(DataError, match=r"no theme has 11 stickers, the largest of 4 has 10"):
        load(folder, least_likes=11)
    for picture in folder.glob("Images/*/*"):
        picture.unlink()
    with pytest.raises(DataError, match=r"Images: holds none of the 40 stickers"):
        load(folder)


def test_a_link_to_outside_is_refused(folder):
    path = folder / "Images/00-cat/sticker_1.png"
    path.unlink()
    path.symlink_to(Path(__file__))
    with pytest.raises(DataError, match=r"sticker_1\.png: is a link to outside"):
        load(folder)


@pytest.mark.parametrize("text", ["[", '{"a": 1}', "[]"])
def test_malformed_captions_are_one_line(folder, text):
    (folder / "ser30k_captions.json").write_text(text)
    with pytest.raises(DataError, match=r"ser30k_captions\.json: .*Correct or remove it"):
        load(folder)


# --- contracts -----------------------------------------------------------------------------


class TestContract(DatasetContract):
    dataset = "ser30k"

    @pytest.fixture(autouse=True)
    def _folder(self, published):
        self.root = published


class TestWindows(TestContract):
    config = {"users": "windows"}  # noqa: RUF012  # the shape the contract asks for


# --- real pictures -------------------------------------------------------------------------


@pytest.mark.skipif(not EMOJI.is_dir(), reason=f"{EMOJI} is not here")
def test_emoji_packs_are_read_as_stickers(tmp_path):
    root = catalogue_as_stickers(EMOJI, tmp_path, 6)
    data = load(root)
    items = pd.read_csv(EMOJI / "items.csv", dtype=str, keep_default_na=False)
    sizes = (items["style"] + " " + items["theme"]).value_counts()
    themes = data.catalog.items["theme"].value_counts()
    assert len(themes) == 6
    assert (themes == sizes[themes.index]).all()
    split = data.split()
    requests = data.asks(split, data.train_view(split), 5)
    assert {len(request.history) for request in requests} == {5}
    assert all(image.dtype == np.uint8 for image in data.catalog.images(data.catalog.ids[:3]))
