"""A user's own folder: what loads, what is refused and in which words, and simulated people."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from refusals import refused

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.types import Catalog
from persongen_bench.datasets import image_files
from persongen_bench.datasets.folder import Folder, FolderConfig
from persongen_bench.datasets.nearest_item import NearestItemReader
from persongen_bench.datasets.pseudo_users import LIKE_SHARE, PseudoSettings, simulate

EMOJI = Path(__file__).parents[3] / "shared/data/emoji"
needs_emoji = pytest.mark.skipif(
    not EMOJI.is_dir(), reason=f"the emoji catalogue is not at {EMOJI}"
)

ITEMS = "item_id,image,theme\na,img/a.png,cat\nb,img/b.png,dog\nc,img/c.png,cat\n"
LOG = "user_id,item_id,rating,timestamp\nu,a,5,100\nu,b,2,2024-05-31T12:00:00Z\nv,c,1,\n"


def picture(seed, side=12):
    return np.random.default_rng(seed).integers(0, 256, (3, side, side), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "shop"
    (root / "img").mkdir(parents=True)
    for seed, name in enumerate("abc"):
        (root / "img" / f"{name}.png").write_bytes(imaging.png_bytes(picture(seed)))
    (root / "items.csv").write_text(ITEMS)
    (root / "interactions.csv").write_text(LOG)
    return root


def load(root, **options):
    return Folder.load(FolderConfig(**options), root)


def test_loads_what_is_there(folder):
    data = load(folder, verify=True)
    assert data.catalog.ids == ["a", "b", "c"]
    np.testing.assert_array_equal(data.catalog.images(["b"])[0], picture(1))
    log = data.interactions
    assert list(log.columns) == ["user_id", "item_id", "rating", "liked", "timestamp"]
    # 2024-05-31T12:00:00Z by `date -u -d 2024-05-31T12:00:00Z +%s`
    np.testing.assert_array_equal(log["timestamp"], [100.0, 1717156800.0, np.nan])
    assert log["liked"].tolist() == [True, False, False]
    assert data.taste is None
    assert list(data.splits) == ["item", "row", "per-user", "user-disjoint"]


def test_user_without_likes_has_an_empty_history(folder):
    data = load(folder)
    split = data.split("row")
    view = type(data.train_view(split))(data.catalog, data.interactions)
    assert view.liked_items == {"u": ("a",), "v": ()}


@pytest.mark.parametrize(
    ("ratings", "threshold", "liked"),
    [
        (("5", "4", "3"), None, [True, True, False]),  # stars: 4 and more
        (("1", "0", "1"), None, [True, False, True]),  # 0/1 signals: 1
        (("0.5", "0.1", "0.9"), 0.5, [True, False, True]),
    ],
)
def test_like_threshold(folder, ratings, threshold, liked):
    rows = [f"u,{item},{rating}" for item, rating in zip("abc", ratings, strict=True)]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,rating", *rows]))
    assert load(folder, like_threshold=threshold).interactions["liked"].tolist() == liked


def test_parquet_says_the_same_as_csv(folder):
    expected = load(folder)
    for name in ("items", "interactions"):
        frame = pd.read_csv(folder / f"{name}.csv")
        frame.to_parquet(folder / f"{name}.parquet")
        (folder / f"{name}.csv").unlink()
    assert load(folder).revision == expected.revision


def test_spreadsheet_habits_are_tolerated(folder):
    """Byte order mark, CRLF, quotes with commas, blanks around cells, blank lines, more columns."""
    lines = [
        "item_id, image , caption",
        ' a ,img/a.png,"one, two"',
        "",
        "b, img/b.png,x",
        "c,img/c.png",
    ]
    text = "\r\n".join([*lines, ""])
    (folder / "items.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    items = load(folder).catalog.items
    assert items.index.tolist() == ["a", "b", "c"]
    assert items["caption"].tolist() == ["one, two", "x", ""]


def test_revision_follows_pixels_and_not_the_place(folder, tmp_path):
    first = load(folder).revision
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    assert load(moved).revision == first
    (moved / "img/a.png").write_bytes(imaging.png_bytes(picture(9)))
    assert load(moved).revision != first


def test_content_and_temporal_splits_where_the_columns_are(folder):
    (folder / "items.csv").write_text(
        "item_id,image,content_id\na,img/a.png,m\nb,img/b.png,\nc,img/c.png,m\n"
    )
    (folder / "interactions.csv").write_text(
        "user_id,item_id,rating,timestamp\nu,a,5,1\nu,b,2,2\nv,c,1,3\n"
    )
    data = load(folder)
    assert list(data.splits) == ["item", "content", "row", "per-user", "user-disjoint", "temporal"]
    # a and c show the same motif, b (without one) is a motif of its own
    for seed in range(6):
        held_out = set(data.split("content", seed).test["item_id"])
        assert held_out in ({"a", "c"}, {"b"})
    assert data.split("temporal").test["item_id"].tolist() == ["b"]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(path):
    """A PNG of a few bytes that claims 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(99))), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def truncate(path):
    path.write_bytes(path.read_bytes()[:200])


def write(name, text, encoding="utf-8"):
    return lambda root: (root / name).write_bytes(text.encode(encoding))


def items(*rows, header="item_id,image"):
    return write("items.csv", "\n".join([header, *rows]) + "\n")


def log(*rows, header="user_id,item_id,rating"):
    return write("interactions.csv", "\n".join([header, *rows]) + "\n")


def link_outside(root):
    (root.parent / "secret.png").write_bytes(imaging.png_bytes(picture(0)))
    (root / "img/link.png").symlink_to(root.parent / "secret.png")
    items("a,img/link.png")(root)


def copy_as(old, new):
    return lambda root: (root / new).write_bytes((root / old).read_bytes())


MALFORMED = {
    "no items": (lambda r: (r / "items.csv").unlink(), r"no items\.csv.*Add one"),
    "two item tables": (
        copy_as("items.csv", "items.parquet"),
        r"both items\.csv and items\.parquet",
    ),
    "empty items file": (write("items.csv", ""), r"items\.csv: the file is empty\."),
    "empty catalogue": (write("items.csv", "item_id,image\n"), r"items\.csv: no rows below"),
    "no image column": (
        items("a,x", header="item_id,img"),
        r"items\.csv row 1: no column 'image', found 'item_id', 'img'",
    ),
    "column twice": (
        items("a,x,y", header="item_id,image,image"),
        r"row 1: column 'image' occurs twice",
    ),
    "ragged row": (items("a,img/a.png", "b,img/b.png,x,y"), r"items\.csv: not a valid CSV.*line 3"),
    "empty item id": (items("a,img/a.png", ",img/b.png"), r"items\.csv row 3: empty item_id"),
    "blank lines count": (
        items("a,img/a.png", "", " ,img/b.png"),
        r"items\.csv row 4: empty item_id",
    ),
    "duplicate item": (
        items("a,img/a.png", "b,img/b.png", "a,img/c.png"),
        r"row 4: item_id 'a' is already in row 2",
    ),
    "items not UTF-8": (
        write("items.csv", "item_id,image\na,img/a.png\nb,caf\xe9.png\n", "latin-1"),
        r"items\.csv row 3: byte 0xe9 is not UTF-8",
    ),
    "empty image": (items("a,"), r"row 2: empty image"),
    "absolute path": (items("a,/etc/passwd"), r"row 2: image '/etc/passwd' is not a path inside"),
    "windows path": (items(r"a,C:\x.png"), r"row 2: image .* is not a path inside"),
    "path with ..": (
        items("a,img/../../x.png"),
        r"row 2: image 'img/\.\./\.\./x\.png' is not a path inside",
    ),
    "backslash ..": (items(r"a,..\x.png"), r"row 2: image .* is not a path inside"),
    "link outside": (link_outside, r"row 2: image 'img/link\.png' is a link to outside"),
    "missing image": (
        items("a,img/a.png", "b,img/z.png"),
        r"row 3: image 'img/z\.png': no such file",
    ),
    "image is a folder": (items("a,img"), r"row 2: image 'img': no such file"),
    "damaged parquet": (
        lambda r: (
            (r / "interactions.csv").unlink(),
            (r / "interactions.parquet").write_bytes(b"PAR1junk"),
        ),
        r"interactions\.parquet: not a readable Parquet",
    ),
    "no log": (
        lambda r: (r / "interactions.csv").unlink(),
        r"no interactions\.csv.*pseudo_users=200",
    ),
    "empty log": (
        write("interactions.csv", "user_id,item_id,rating\n"),
        r"interactions\.csv: no rows",
    ),
    "no rating column": (log("u,a", header="user_id,item_id"), r"row 1: no column 'rating'"),
    "rating text": (
        log("u,a,5", "u,b,good"),
        r"interactions\.csv row 3: rating is 'good', expected a finite number",
    ),
    "rating empty": (log("u,a,"), r"row 2: rating is ''"),
    "rating nan": (log("u,a,NaN"), r"row 2: rating is 'NaN'"),
    "rating inf": (log("u,a,5", "u,b,5", "v,a,-inf"), r"row 4: rating is '-inf'"),
    "empty user": (log("u,a,5", ",b,5"), r"row 3: empty user_id"),
    "unknown item": (
        log("u,a,5", "u,zz,5", "v,zz,5"),
        r"row 3: item_id 'zz' is not in the catalogue \(2 such rows\)",
    ),
    "same rating twice": (
        log("u,a,5", "v,a,5", "u,a,4"),
        r"row 4: user_id 'u', item_id 'a' is already in row 2",
    ),
    "log not UTF-8": (
        write("interactions.csv", "user_id,item_id,rating\nJos\xe9,a,5\n", "latin-1"),
        r"interactions\.csv row 2: byte 0xe9",
    ),
    "timestamp text": (
        log("u,a,5,soon", header="user_id,item_id,rating,timestamp"),
        r"row 2: timestamp is 'soon', expected Unix seconds or an ISO date",
    ),
    "timestamp in ms": (
        log("u,a,5,1717156800000", header="user_id,item_id,rating,timestamp"),
        r"row 2: timestamp is '1717156800000'",
    ),
    "braces in a cell": (
        log("u,{rating},5"),
        r"row 2: item_id '\{rating\}' is not in the catalogue",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_input_is_one_clear_line(folder, case):
    damage, message = MALFORMED[case]
    damage(folder)
    with refused(message, folder):
        load(folder)


@pytest.mark.parametrize(
    ("damage", "message"), [(truncate, "not a readable"), (bomb, "allowed|refused")]
)
def test_damaged_images(folder, damage, message):
    """Found when opened, and by `verify` before anything runs; sound images stay readable."""
    damage(folder / "img/b.png")
    data = load(folder)
    assert len(data.catalog.images(["a", "c"])) == 2
    with pytest.raises(DataError, match=message):
        data.catalog.images(["b"])
    with pytest.raises(DataError, match=rf"item 'b': .*b\.png: .*({message})"):
        load(folder, verify=True)


def test_verify_reports_progress_and_all_damage(folder):
    for name in "ab":
        truncate(folder / f"img/{name}.png")
    seen = []

    def progress(items, description, total=None):
        seen.append((description, total))
        return items

    with pytest.raises(DataError, match=r"item 'a'.*\(2 damaged images in all\)"):
        image_files.verify(load(folder).catalog, progress)
    assert seen == [("verifying images", 3)]


def test_link_made_after_loading_is_refused(folder):
    data = load(folder)
    (folder.parent / "secret.png").write_bytes(imaging.png_bytes(picture(0)))
    (folder / "img/a.png").unlink()
    (folder / "img/a.png").symlink_to(folder.parent / "secret.png")
    with pytest.raises(DataError, match="outside the data root"):
        data.catalog.images(["a"])


def test_no_folder():
    with pytest.raises(DataError, match="no data folder named"):
        load(None)
    with pytest.raises(DataError, match="no such folder"):
        load(Path("not-there"))


def test_pseudo_users_refuse_a_log_and_bad_columns(folder):
    with pytest.raises(ConfigError, match=r"pseudo_users=3, but .*interactions\.csv is there"):
        load(folder, pseudo_users=3)
    (folder / "interactions.csv").unlink()
    with pytest.raises(DataError, match=r"no such column\. Use some of image, theme"):
        load(folder, pseudo_users=3)
    with pytest.raises(DataError, match="ratings_per_user=100, but there are 3 items"):
        load(folder, pseudo_users=3, pseudo_columns="theme")
    with pytest.raises(ValidationError):
        FolderConfig(pseudo_users=-1)


# --- simulated people ---------------------------------------------------------------------


class Memory:
    def open(self, rows):
        return [picture(int(item[1:])) for item in rows.index]


def catalogue(n_themes, n_styles, n=240):
    frame = pd.DataFrame(
        {
            "theme": [f"t{i % n_themes}" for i in range(n)],
            "style": [f"s{i // n_themes % n_styles}" for i in range(n)],
        },
        index=pd.Index([f"i{i}" for i in range(n)], name="item_id"),
    )
    return Catalog(frame, Memory())


def settings_of(**changes):
    values = {"n_users": 60, "columns": ("theme", "style"), "ratings_per_user": 80, "seed": 3}
    return PseudoSettings(**{**values, **changes})


@settings(max_examples=15, deadline=None)
@given(
    n_themes=st.integers(1, 30),
    n_styles=st.integers(1, 6),
    seed=st.integers(0, 99),
    columns=st.sampled_from([("theme",), ("style", "theme")]),
)
def test_simulated_logs_keep_their_laws(n_themes, n_styles, seed, columns):
    """Law: the wanted length, no item twice, utilities in (0, 1), expected share as promised."""
    chosen = settings_of(n_users=4, seed=seed, columns=columns)
    world = catalogue(n_themes, n_styles)
    logged, taste = simulate(world, chosen)
    assert (logged.groupby("user_id").size() == 80).all()
    assert not logged.duplicated(["user_id", "item_id"]).any()
    utility = pd.DataFrame(taste.item_utility(taste.users), world.ids, taste.users)
    assert ((utility > 0) & (utility < 1)).all(axis=None)
    for user, rows in logged.groupby("user_id"):
        assert (
            LIKE_SHARE[0] - 1e-9 < utility.loc[rows["item_id"], user].mean() < LIKE_SHARE[1] + 1e-9
        )


def test_ratings_are_draws_from_the_true_utility():
    """Calibration: among 60 x 80 rows, likes minus expectation is within 4 standard errors."""
    world = catalogue(12, 5)
    logged, taste = simulate(world, settings_of())
    utility = pd.DataFrame(taste.item_utility(taste.users), world.ids, taste.users)
    pairs = zip(logged["item_id"], logged["user_id"], strict=True)
    p = np.array([utility.at[item, user] for item, user in pairs])
    for part in (p < 0.3, (p >= 0.3) & (p < 0.6), p >= 0.6):
        error = np.sqrt((p[part] * (1 - p[part])).sum())
        assert part.sum() > 100
        assert abs(logged["rating"][part].sum() - p[part].sum()) < 4 * error


def test_people_differ_and_seeds_matter():
    world = catalogue(12, 5)
    first, taste = simulate(world, settings_of())
    again, _ = simulate(world, settings_of())
    pd.testing.assert_frame_equal(first, again)
    other, _ = simulate(world, settings_of(seed=4))
    assert not first.equals(other)
    utility = taste.item_utility(taste.users)
    # a person's favourite fits that person better than it fits the others on average
    best = utility.argmax(axis=0)
    own, shared = utility[best, np.arange(60)].mean(), utility[best].mean()
    assert own > shared + 0.3
    # more people leave the first ones as they are
    more, _ = simulate(world, settings_of(n_users=61))
    pd.testing.assert_frame_equal(more.iloc[: len(first)], first)


def test_taste_is_not_additive():
    """Two columns favoured add more than the sum of one each (JOINT = 1.5 in the logit)."""
    world = catalogue(4, 4, n=160)
    _, taste = simulate(world, settings_of(n_users=1))
    utility = taste.item_utility(taste.users)[:, 0]
    logit = np.log(utility / (1 - utility))
    theme, style = (mask[0][row] for mask, row in zip(taste.favoured, taste.codes, strict=True))
    own = sum(o[0][row] for o, row in zip(taste.offsets, taste.codes, strict=True))
    rest = logit - own
    cells = [rest[(theme == a) & (style == b)] for a in (0, 1) for b in (0, 1)]
    neither, style_only, theme_only, both = (cell.mean() for cell in cells)
    assert both - theme_only - style_only + neither == pytest.approx(1.5, abs=1e-9)


def test_taste_reads_pictures():
    """Catalogue pictures exactly, in any batch; noisy ones as the same item; strangers somehow."""
    world = catalogue(12, 5, n=100)
    _, taste = simulate(world, settings_of(n_users=5))
    exact = taste.item_utility(taste.users)
    pictures = world.images(world.ids)
    np.testing.assert_array_equal(taste.utility(pictures, taste.users), exact)
    rng = np.random.default_rng(0)
    noisy = [np.clip(p + rng.normal(0, 5, p.shape), 0, 255).astype(np.uint8) for p in pictures]
    np.testing.assert_array_equal(taste.utility(noisy, taste.users), exact)
    stranger = [picture(10**6, side=40)]
    alone = taste.utility(stranger, taste.users)
    np.testing.assert_array_equal(taste.utility(noisy[:7] + stranger, taste.users)[-1:], alone)
    assert taste.utility([], taste.users).shape == (0, 5)
    with pytest.raises(DataError, match="'nobody' is none of the 5"):
        taste.utility(stranger, ["nobody"])


def test_nearest_item_against_the_loop():
    world = catalogue(4, 4, n=70)
    reader = NearestItemReader.build(world)
    strangers = [picture(1000 + n) for n in range(70)]
    small = [imaging.resize(p, 8).astype(int) for p in world.images(world.ids)]
    expected = [
        min(range(70), key=lambda i: ((small[i] - imaging.resize(s, 8).astype(int)) ** 2).sum())
        for s in strangers
    ]
    assert reader.rows(strangers).tolist() == expected


@needs_emoji
def test_emoji_catalogue_with_simulated_people():
    """8,603 pictures of 1,542 motifs in six styles, as its own description says."""
    data = load(EMOJI, pseudo_users=50, seed=1)
    assert len(data.catalog) == 8603
    assert next(iter(data.splits)) == "item"
    assert len(data.interactions) == 50 * 100
    assert 0.3 < data.interactions["liked"].mean() < 0.5
    split = data.split("content")
    motif = data.catalog.items["content_id"]
    assert not set(motif[split.train["item_id"]]) & set(motif[split.test["item_id"]])
    assert data.revision != load(EMOJI, pseudo_users=50, seed=2).revision
