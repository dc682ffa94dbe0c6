"""POG: generated text files in its published layout."""

import gzip
import logging

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import content_hash
from persongen_bench.datasets.audit import audit
from persongen_bench.datasets.pog import Pog, PogConfig
from persongen_bench.datasets.pog_files import draw_users
from persongen_bench.testing import DatasetContract

N_PEOPLE, N_ITEMS, N_CLICKS = 12, 60, 20


def item(k):
    return f"{content_hash('item', k)}{k:04d}"


def person(k):
    return f"{content_hash('person', k)}"


def clicks(k):
    """Twenty different items of person k, in the order of the file."""
    return [item(i) for i in np.random.default_rng(k).permutation(N_ITEMS)[:N_CLICKS].tolist()]


def write_pog(root):
    """Two rows a person, of twelve and eight clicks; titles with commas; addresses as published."""
    users = []
    for part in (slice(0, 12), slice(12, None)):
        users += [f"{person(k)},{';'.join(clicks(k)[part])},o{k}" for k in range(N_PEOPLE)]
    outfits = [f"o{k},{item(k)};{item(k + 20)};{item(k + 40)}" for k in range(N_PEOPLE)]
    items = [
        f"{item(k)},c{k % 5},//img.example.com/{k}.jpg,Coat, long, number {k}"
        for k in range(N_ITEMS)
    ]
    for name, lines in (("user", users), ("outfit", outfits), ("item", items)):
        (root / f"{name}_data.txt").write_text("\n".join(lines) + "\n")
    (root / "images").mkdir()
    for k in range(N_ITEMS):
        pixels = np.full((5, 4, 3), (4 * k, 255 - 4 * k, 7 * k % 256), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{item(k)}.png")
    return root


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_pog(tmp_path_factory.mktemp("pog"))


@pytest.fixture
def folder(tmp_path):
    return write_pog(tmp_path)


def load(root, **options):
    return Pog.load(PogConfig(**options), root)


def test_reads_the_published_layout(published):
    data = load(published)
    row = data.catalog.items.loc[item(7)]
    assert (row["category"], row["title"]) == ("c2", "Coat, long, number 7")
    assert row["url"] == "http://img.example.com/7.jpg"
    assert data.catalog.subjects([item(7)]) == ["Coat, long, number 7"]
    log = data.interactions
    assert log["user_id"].nunique() == N_PEOPLE
    for k in range(N_PEOPLE):
        mine = log[(log["user_id"] == person(k)) & log["liked"]].sort_values("timestamp")
        assert mine["item_id"].tolist() == clicks(k)  # both rows, in the order of the file
    # one sampled dislike per like, at its times
    dislikes = log[~log["liked"]]
    assert dislikes.groupby("user_id").size().eq(N_CLICKS).all()
    assert "stands for time" in " ".join(data.card.notes)
    assert "Nobody rated" in " ".join(data.card.notes)


def test_the_last_clicks_are_asked_for(published):
    data = load(published, test_fraction=0.2)
    split = data.split()
    assert audit(data, split).leaks == ()
    requests = data.asks(split, data.train_view(split), 5)
    for k in range(N_PEOPLE):
        mine = [r for r in requests if r.user_id == person(k)]
        assert [r.target for r in mine] == [r.reference for r in mine] == clicks(k)[-4:]
        assert {r.history for r in mine} == {tuple(clicks(k)[-9:-4])}
    # dislikes have the times of likes, so a fifth of them is held out too
    pools = split.test.groupby("user_id")["liked"].agg(["sum", "size"])
    assert (pools["sum"] == 4).all()
    assert (pools["size"] > 4).all()


def test_people_are_drawn_by_the_seed_whatever_the_order(published, folder):
    path = folder / "user_data.txt"
    names = {n: draw_users(path, n, 6, seed=0) for n in (3, 5, 0)}
    assert [len(names[n]) for n in (3, 5, 0)] == [3, 5, N_PEOPLE]
    assert names[3] < names[5]
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[::-1]) + "\n")
    assert draw_users(path, 5, 6, seed=0) == names[5]
    assert draw_users(path, 5, 6, seed=1) != names[5]
    # the rule as its docstring has it: the lowest hashes of seed and id
    by_hash = sorted(map(person, range(N_PEOPLE)), key=lambda name: content_hash(0, name))
    assert names[3] == set(by_hash[:3])
    assert draw_users(path, 0, 13, seed=0) == set()  # no row has thirteen items
    data = load(published, n_users=4)
    assert set(data.interactions["user_id"]) == set(by_hash[:4])
    assert "drew 4 people by seed 0" in data.card.description


def test_outfits_may_be_the_likes(published):
    data = load(published, likes="outfits")
    likes = data.interactions[data.interactions["liked"]]
    mine = likes[likes["user_id"] == person(3)]
    assert set(mine["item_id"]) == {item(3), item(23), item(43)}
    assert (mine["rating"] == 2).all()  # clicked on both rows


def test_neutral_references_are_not_clicked(published):
    data = load(published, reference="neutral", test_fraction=0.2)
    split = data.split()
    for request in data.asks(split, data.train_view(split), 5):
        k = next(k for k in range(N_PEOPLE) if person(k) == request.user_id)
        assert request.reference not in clicks(k)


def test_windows_of_a_person_share_pictures_and_the_audit_says_so(published):
    data = load(published, users="windows")
    assert data.interactions["user_id"].nunique() == N_PEOPLE * (N_CLICKS - 5)
    assert audit(data, data.split()).targets.share > 0.9
    assert "trained on" in " ".join(data.card.notes)


def test_what_is_left_out_is_counted(folder, caplog):
    for k in (0, 1):
        (folder / f"images/{item(k)}.png").unlink()
    path = folder / "item_data.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n\n".join(line for line in lines if not line.startswith(item(2))) + "\n")
    users = folder / "user_data.txt"
    lost = ";".join(item(k) for k in (0, 1, 2)) + ";x;y;z"
    users.write_text(users.read_text() + f"alone,{lost},o1\n")
    with caplog.at_level(logging.WARNING):
        data = load(folder)
    for said in (
        "drew 13 people by seed 0",
        "dropped 4 items that are not in item_data.txt",  # x, y, z and the removed one
        "dropped 2 of 59 items, which have no picture in images",
        "dropped 1 people, none of whose items has a picture",
    ):
        assert said in data.card.description
        assert said in caplog.text
    assert not {item(0), item(1), item(2)} & set(data.catalog.ids)
    outfits = folder / "outfit_data.txt"
    outfits.write_text("\n".join(outfits.read_text().splitlines()[1:]))
    data = load(folder, likes="outfits")
    assert "dropped 1 outfits that are not in outfit_data.txt" in data.card.description


def test_equal_rows_of_an_item_are_one(published, folder):
    path = folder / "item_data.txt"
    path.write_text(path.read_text() * 2)
    assert load(folder).revision == load(published).revision


# --- malformed files -----------------------------------------------------------------------

GOOD = {
    "user": f"u1,{';'.join(f'a{k}' for k in range(8))},o1\n",
    "item": "".join(f"a{k},c,//x/{k}.jpg,t\n" for k in range(8)),
    "outfit": "o1,a1;a2\n",
}
MALFORMED = {
    "user with two cells": ("user", "u2,a1;a2\n", r"row 2: 2 cells in 'u2,a1;a2', expected user,"),
    "user with four": ("user", "u2,a1;a2,o1,x\n", r"row 2: 4 cells in .*, expected user,item"),
    "no user": ("user", ",a1;a2,o1\n", r"row 2: user is '', expected a plain id"),
    "no items": ("user", "u2,,o1\n", r"row 2: item is '', expected a plain id"),
    "a gap": ("user", "u2,a1;;a2,o1\n", r"row 2: item is '', expected a plain id"),
    "no outfit": ("user", "u2,a1;a2,\n", r"row 2: outfit is '', expected a plain id"),
    "a path": ("user", "u2,../a1,o1\n", r"row 2: item is '../a1', expected a plain id"),
    "tabs": ("user", "u2\ta1;a2\to1\n", r"row 2: 1 cells in .*expected user,item;item"),
    "bytes": ("user", b"u2,a\xff1;a2,o1\n", r"row 2: byte 0xff is not UTF-8"),
    "NUL": ("user", "u2,a\x001,o1\n", r"row 2: holds a NUL, expected text"),
    "a long id": ("user", f"{'u' * 501},a1,o1\n", r"row 2: user is 'u+\.\.\.', expected a plain"),
    "item with three cells": ("item", "b,c,//x\n", r"row 9: 3 cells in 'b,c,//x', expected item,c"),
    "item without an id": ("item", ",c,//x,t\n", r"row 9: item is '', expected a plain id"),
    "item without an address": ("item", "b,c,,t\n", r"row 9: url is '', expected an address"),
    "address with a blank": ("item", "b,c,no url,t\n", r"row 9: url is 'no url', expected an"),
    "an item twice": ("item", "a1,c,//y,t\n", r"row 9: item 'a1' is in another row too, which"),
    "an outfit twice": ("outfit", "o1,a3\n", r"row 2: outfit 'o1' is in another row too"),
    "an outfit alone": ("outfit", "o2\n", r"row 2: 1 cells in 'o2', expected outfit,item"),
    "an outfit in commas": ("outfit", "o2,a1,a2\n", r"row 2: 3 cells in .*expected outfit,item"),
    "an outfit of nothing": ("outfit", "o2,\n", r"row 2: item is '', expected a plain id"),
}  # fmt: skip
WHOLE = {
    "empty": ("user", b"", r"user_data\.txt: the file is empty, expected lines of user,item"),
    "a header": ("user", b"user_id,item_ids,outfit_id\n", r"row 1: a header, 'user_id,item_ids"),
    "packed": ("item", gzip.compress(b"a,b,c,d"), r"row 1: is a packed file.*Unpack it"),
    "few": ("user", b"u1,a1;a1;a2,o1\n", r"nobody clicked 6 different items on one row"),
}  # fmt: skip


def write_good(root):
    for name, text in GOOD.items():
        (root / f"{name}_data.txt").write_text(text)
    (root / "images").mkdir()
    for k in range(8):
        Image.new("RGB", (2, 2), (k, k, k)).save(root / f"images/a{k}.png")
    return root


@pytest.mark.parametrize("case", [*MALFORMED, *WHOLE])
def test_malformed_files_are_one_line(tmp_path, case):
    name, text, message = {**MALFORMED, **WHOLE}[case]
    path = write_good(tmp_path) / f"{name}_data.txt"
    added = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(added if case in WHOLE else path.read_bytes() + added)
    with refused(message, path):
        load(tmp_path, likes="outfits" if name == "outfit" else "clicks")


def test_without_the_data_it_says_how_to_get_them(folder, tmp_path):
    for root in (None, tmp_path / "none"):
        with pytest.raises(DataError, match=r"Get user_data\.txt, item_data\.txt and outfit_data"):
            load(root)
    for picture in folder.glob("images/*"):
        picture.rename(picture.with_stem(f"x{picture.stem}"))
    with pytest.raises(DataError, match=r"images: none of 60 pictures is named by one of the 60"):
        load(folder)


class TestContract(DatasetContract):
    dataset = "pog"

    @pytest.fixture(autouse=True)
    def _folder(self, published):
        self.root = published
