"""MovieLens latest-small: generated tables of its layout, and the real ones where they are."""

import logging
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from refusals import refused

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import content_hash
from persongen_bench.datasets.audit import audit
from persongen_bench.datasets.ml_latest_small import MlLatestSmall, MlLatestSmallConfig
from persongen_bench.testing import DatasetContract

REAL = Path(__file__).parents[3] / "shared/data/ml-latest-small"
N_PEOPLE, N_MOVIES, N_RATED = 8, 40, 30


def write_movies(root):
    """Eight people rate 30 of 40 movies each, one a minute; every movie has a poster."""
    rng = np.random.default_rng(0)
    movies = ["movieId,title,genres"]
    movies += [
        f'{k},"Movie, The {k} ({1950 + k})",{"Drama|War" if k % 2 else "Comedy"}'
        for k in range(1, N_MOVIES + 1)
    ]
    ratings = ["userId,movieId,rating,timestamp"]
    for person in range(1, N_PEOPLE + 1):
        for minute, movie in enumerate(rng.permutation(N_MOVIES)[:N_RATED] + 1):
            stars = rng.integers(1, 11) / 2
            ratings.append(f"{person},{movie},{stars},{964980000 + 60 * minute}")
    links = ["movieId,imdbId,tmdbId"]
    links += [f"{k},{114000 + k:07d},{k}" for k in range(1, N_MOVIES + 1)]
    tags = ["userId,movieId,tag,timestamp", "1,1,Funny,1445714994", "2,1,funny,1445714996"]
    tags.append('2,1,"slow, long",1445714996')
    for name, lines in (("movies", movies), ("ratings", ratings), ("links", links), ("tags", tags)):
        (root / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (root / "posters").mkdir()
    for k in range(1, N_MOVIES + 1):
        pixels = np.full((9, 6, 3), (6 * k, 255 - 6 * k, 37 * k % 256), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"posters/{k}.png")
    return root


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_movies(tmp_path_factory.mktemp("ml"))


@pytest.fixture
def folder(tmp_path):
    return write_movies(tmp_path)


def load(root, **options):
    return MlLatestSmall.load(MlLatestSmallConfig(**options), root)


def raw(root):
    return pd.read_csv(root / "ratings.csv", dtype={"userId": str, "movieId": str})


def test_reads_the_published_layout(published):
    data = load(published)
    movie = data.catalog.items.loc["7"]
    assert (movie["title"], movie["subject"]) == ("Movie, The 7 (1957)", "Movie, The 7")
    assert movie["genres"] == "Drama|War"
    assert data.catalog.items.loc["1", "tags"] == "funny|slow, long"
    log, table = data.interactions, raw(published)
    assert len(log) == len(table) == N_PEOPLE * N_RATED
    assert log["liked"].sum() == (table["rating"] >= 4).sum()  # the papers: at least 4 of 5
    (image,) = data.catalog.images(["7"])
    assert image[:, 0, 0].tolist() == [42, 213, 3]


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Toy Story (1995)", "Toy Story"),
        ("Seven (a.k.a. Se7en) (1995) ", "Seven (a.k.a. Se7en)"),
        ("Death Note: Desu nôto (2006\N{EN DASH}2007)", "Death Note: Desu nôto"),
        ("Fawlty Towers (1975-1979)", "Fawlty Towers"),
        ("Big Bang Theory, The (2007-)", "Big Bang Theory, The"),
        ("1984 (1956)", "1984"),
        ("Babylon 5", "Babylon 5"),
    ],
)
def test_a_subject_is_the_title_without_its_year(folder, title, subject):
    """Titles of these forms are in the real table."""
    path = folder / "movies.csv"
    path.write_text(path.read_text().replace("Movie, The 3 (1953)", title))
    assert load(folder).catalog.items.loc["3", "subject"] == subject


def test_the_last_likes_are_held_out_and_what_comes_after(published):
    data = load(published, test_fraction=0.2)
    split = data.split()
    assert (split.name, split.promise) == ("latest-likes", {"time"})
    assert audit(data, split).leaks == ()
    table = raw(published).sort_values("timestamp")
    for person, rows in table.groupby("userId"):
        likes = rows[rows["rating"] >= 4]
        n = max(1, int(0.2 * len(likes) + 0.5)) if len(likes) >= 6 else 0
        assert n > 0
        start = likes["timestamp"].iloc[-n]
        mine = split.test[split.test["user_id"] == person]
        assert sorted(mine["item_id"]) == sorted(rows[rows["timestamp"] >= start]["movieId"])


def test_requests_are_the_last_training_likes_and_each_held_out_like(published):
    data = load(published, test_fraction=0.2)
    split = data.split()
    requests = data.asks(split, data.train_view(split), 5)
    table = raw(published).sort_values("timestamp")
    for person, rows in table[table["rating"] >= 4].groupby("userId"):
        n = int((split.test["user_id"].eq(person) & split.test["liked"]).sum())
        likes = rows["movieId"].tolist()
        mine = [r for r in requests if r.user_id == person]
        assert [r.target for r in mine] == likes[-n:]
        assert {r.history for r in mine} == {tuple(likes[-n - 5 : -n])}
        assert [r.reference for r in mine] == likes[-n:]  # reconstruction
        assert [r.instruction for r in mine] == [f"Movie, The {k}" for k in likes[-n:]]
    assert "reconstructed" in data.card.notes[0]


def test_neutral_references_are_posters_that_the_user_did_not_rate(published):
    data = load(published, reference="neutral")
    assert "reconstructed" not in " ".join(data.card.notes)
    split = data.split()
    table = raw(published)
    liked = set(split.test.loc[split.test["liked"], "item_id"])
    for request in data.asks(split, data.train_view(split), 5):
        assert request.reference in liked
        assert request.reference not in set(table.query("userId == @request.user_id")["movieId"])


def test_who_has_too_few_likes_is_trained_on_only(published):
    counts = load(published).interactions.groupby("user_id")["liked"].sum()
    least = int(counts.sort_values().iloc[3])
    data = load(published, least_likes=least)
    split = data.split()
    assert set(split.test["user_id"]) == set(counts.index[counts >= least])
    assert set(split.train["user_id"]) == set(counts.index)
    with pytest.raises(DataError, match=rf"no user has 31 likes, the most are {counts.max()}"):
        load(published, least_likes=31).split()


def test_chunks_are_twenty_ratings_of_a_person(published):
    data = load(published, users="chunks", least_likes=2)
    sizes = data.interactions.groupby("user_id").size()
    assert (sizes == 20).all()  # RAGAR, paper 002
    assert len(sizes) == N_PEOPLE * (N_RATED // 20)
    n_lost = N_PEOPLE * (N_RATED % 20)
    assert f"dropped {n_lost} ratings, at the end of a person's" in data.card.description
    table = raw(published).sort_values("timestamp")
    first = table[table["userId"] == "3"]["movieId"].iloc[:20]
    assert sorted(data.interactions.query("user_id == '3#0000'")["item_id"]) == sorted(first)
    assert audit(data, data.split()).leaks == ()


def test_windows_are_six_likes_divided_as_in_the_papers(published):
    data = load(published, users="windows")
    likes = raw(published).query("rating >= 4").groupby("userId").size()
    assert data.interactions["user_id"].nunique() == (likes - 5).sum()
    split = data.split()
    assert split.name == "paper-samples"
    report = audit(data, split)
    assert 0 < report.targets.share <= 1
    assert "trained on" in " ".join(data.card.notes)


@pytest.mark.parametrize("name", ["{:07d}", "tt{:07d}"])
def test_posters_may_be_named_by_imdb(published, folder, name):
    for k in range(1, N_MOVIES + 1):
        path = folder / f"posters/{k}.png"
        path.rename(path.with_stem(name.format(114000 + k)))
    data = load(folder, posters_by="imdbId")
    assert len(data.catalog) == N_MOVIES
    assert data.interactions.equals(load(published).interactions)
    with pytest.raises(DataError, match=r"none of 40 pictures, .*named by a movieId.*posters_by"):
        load(folder)


def test_movies_without_a_poster_are_left_out_and_counted(folder, caplog):
    for k in (1, 2, 3):
        (folder / f"posters/{k}.png").unlink()
    (folder / "posters/99999.png").write_bytes((folder / "posters/4.png").read_bytes())
    n_lost = raw(folder)["movieId"].isin(["1", "2", "3"]).sum()
    with caplog.at_level(logging.WARNING):
        data = load(folder)
    for said in (
        "dropped 3 of 40 movies, which have no poster in posters",
        "passed over 1 pictures in posters that are of no movie",
        f"dropped {n_lost} of 240 ratings of movies without a poster, and with them 0 persons",
    ):
        assert said in data.card.description
        assert said in caplog.text
    assert not {"1", "2", "3"} & set(data.catalog.ids)


def test_the_order_of_the_rows_does_not_matter(published, folder):
    for name in ("ratings", "movies", "tags"):
        header, *lines = (folder / f"{name}.csv").read_text().splitlines()
        (folder / f"{name}.csv").write_text("\n".join([header, *lines[::-1]]) + "\n")
    assert load(folder).revision == load(published).revision


# --- malformed files -----------------------------------------------------------------------

MALFORMED = {
    "no column": ("ratings", "userId,movieId", "user,movie", r"row 1: no column 'userId', found"),
    "column spelt otherwise": ("ratings", "movieId", "movie_id", r"no column 'movieId', but 'mo"),
    "a decimal comma": ("ratings", ",4.0,", ',"4,0",', r"rating is '4,0', .*point, not a comma"),
    "a rating of 6": ("ratings", ",4.0,", ",6,", r"rating is '6', expected 0.5 to 5 in steps"),
    "a rating between": ("ratings", ",4.0,", ",4.2,", r"rating is '4.2', expected 0.5 to 5"),
    "no rating": ("ratings", ",4.0,", ",,", r"row \d+: rating is '', expected a finite number"),
    "milliseconds": ("ratings", ",9649", ",964900000", r"timestamp is '9649\d+'.*milliseconds"),
    "no time": ("ratings", r",9649\d+", ",", r"row \d+: empty timestamp, expected Unix seconds"),
    "an unknown movie": ("ratings", r"\n1,\d+,", "\n1,4711,", r"movieId '4711' is not in movies"),
    "a movie's name": ("ratings", r"\n1,\d+,", "\n1,Heat,", r"movieId is 'Heat', expected a who"),
    "no user": ("ratings", r"\n1,", "\n,", r"row 2: empty userId"),
    "a negative user": ("ratings", r"\n1,", "\n-1,", r"userId is '-1', expected a whole number"),
    "twice": ("ratings", r"\n(1,\d+,)", r"\n\g<1>3.0,964980000\n\g<1>", r"is already in row 2"),
    "semicolons": ("ratings", ",", ";", r"row 1: no commas in .*semicolons"),
    "no header": ("ratings", "userId,.*\n", "", r"row 1: no column 'userId'.*no header"),
    "a movie twice": ("movies", r"\n2,", "\n1,", r"row 3: movieId '1' is already in row 2"),
    "no title": ("movies", r'"Movie, The 2 \(1952\)"', "", r"row 3: empty title"),
    "only a year": ("movies", r'"Movie, The 2 \(1952\)"', "(1952)", r"title '\(1952\)', expected"),
    "genres with gaps": ("movies", r"Drama\|War", "Drama||War", r"genres are 'Drama\|\|War'"),
    "open quotes": ("movies", r'"Movie, The 2 \(1952\)"', '"Movie', r"csv: not a valid CSV"),
    "an empty tag": ("tags", ",Funny,", ",,", r"row 2: empty tag"),
    "a tag of no movie": ("tags", r"1,1,", "1,99,", r"movieId '99' is not in movies\.csv"),
    "an imdbId twice": ("links", "0114002", "0114001", r"row 3: imdbId '0114001' is already in"),
    "an imdbId in words": ("links", "0114002", "nm0114", r"imdbId is 'nm0114', expected a whole"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_tables_are_one_line(folder, case):
    name, old, new, message = MALFORMED[case]
    path = folder / f"{name}.csv"
    text = path.read_text()
    count = 0 if case == "semicolons" else 1
    changed = re.sub(old, new, text, count=count)
    assert changed != text
    path.write_text(changed)
    by = "imdbId" if name == "links" else "movieId"
    with refused(message, path):
        load(folder, posters_by=by)


def test_bad_folders_are_one_line(folder, tmp_path):
    (folder / "posters/2.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"posters: 2\.jpg and 2\.png have one name"):
        load(folder)
    (folder / "posters/2.jpg").unlink()
    with pytest.raises(DataError, match=r"no folder pics\. Put the pictures there"):
        load(folder, posters="pics")
    (folder / "pics").mkdir()
    with pytest.raises(DataError, match=r"pics: no pictures, expected files such as <id>\.jpg"):
        load(folder, posters="pics")
    (folder / "links.csv").unlink()
    with pytest.raises(DataError, match=r"no file links\.csv, which says the imdbId of a movie"):
        load(folder, posters_by="imdbId")
    for root in (None, tmp_path / "none"):
        with pytest.raises(DataError, match=r"Get ml-latest-small\.zip from"):
            load(root)
    (folder / "posters/3.png").unlink()
    (folder / "posters/3.png").symlink_to(__file__)
    with pytest.raises(DataError, match="is a link to outside"):
        load(folder)


class TestContract(DatasetContract):
    dataset = "ml-latest-small"

    @pytest.fixture(autouse=True)
    def _folder(self, published):
        self.root = published


# --- the real tables -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The published tables beside posters of one colour, named by movieId."""
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not here")
    root = tmp_path_factory.mktemp("real")
    for path in REAL.glob("*.csv"):
        (root / path.name).write_bytes(path.read_bytes())
    (root / "posters").mkdir()
    for movie in pd.read_csv(root / "movies.csv", dtype=str)["movieId"]:
        colour = bytes.fromhex(content_hash(movie)[:6])
        Image.new("RGB", (2, 3), tuple(colour)).save(root / f"posters/{movie}.png")
    return root


@pytest.mark.slow
def test_the_real_tables_hold_what_their_readme_says(real):
    data = load(real)
    assert len(data.catalog) == 9742  # README.txt of the release
    assert len(data.interactions) == 100_836
    assert data.interactions["user_id"].nunique() == 610
    assert data.catalog.items.loc["1", "subject"] == "Toy Story"
    # counted by pandas in the raw table: 48,580 ratings of at least 4
    assert data.interactions["liked"].sum() == 48_580
    split = data.split()
    assert split.test["user_id"].nunique() == 599  # with six likes or more, counted likewise
    assert audit(data, split).leaks == ()


@pytest.mark.slow
def test_the_papers_users_of_the_real_tables(real):
    windows = load(real, users="windows")
    assert windows.interactions["user_id"].nunique() == 45_547  # sum of likes - 5, by pandas
    split = windows.split()
    share = audit(windows, split).targets.share
    assert share > 0.9  # Pigeon's split: nearly every target is trained on
    chunks = load(real, users="chunks")
    # RAGAR prints 4,689 users; all ratings of all movies make 4,769 (sum of n // 20, by pandas)
    assert chunks.interactions["user_id"].nunique() == 4_769


# --- recommendation ------------------------------------------------------------------------------


def test_without_pictures_every_rated_movie_is_there(folder):
    """The posters are not even looked for; movies 1 and 2 lose their ratings, and are dropped."""
    table = raw(folder)
    table[~table["movieId"].isin(["1", "2"])].to_csv(folder / "ratings.csv", index=False)
    for poster in (folder / "posters").iterdir():
        poster.unlink()
    (folder / "posters").rmdir()
    data = load(folder, pictures="none")
    assert set(data.catalog.ids) == {str(k) for k in range(3, N_MOVIES + 1)}
    assert not data.catalog.pictured
    assert "dropped 2 of 40 movies, which nobody rated" in data.card.description
    with pytest.raises(DataError, match="'3' has no picture"):
        data.catalog.images(["3"])
    assert "recommendation" in MlLatestSmall.tracks
    assert load(folder).revision == data.revision  # no folder of posters: the same by itself
    for asked in ({"pictures": "posters"}, {"users": "windows"}, {"posters": "pics"}):
        with pytest.raises(DataError, match="no folder"):
            load(folder, **asked)


def test_the_latest_like_is_held_out_in_an_open_catalogue(published):
    """By the table: of every person the liked movie of the latest minute."""
    table = raw(published)
    liked = table[table["rating"] >= 4].sort_values("timestamp")
    liked = liked.drop_duplicates("userId", keep="last")
    for data in (load(published), load(published, pictures="none")):
        split = data.split("leave-one-last")
        assert dict(zip(split.test["user_id"], split.test["item_id"], strict=True)) == dict(
            zip(liked["userId"], liked["movieId"], strict=True)
        )
        assert data.train_view(split).catalog.ids == data.catalog.ids
    assert next(iter(load(published).splits)) == "latest-likes"
    assert list(load(published, pictures="none").splits) == ["leave-one-last"]


def test_windows_and_chunks_are_of_the_other_track(published):
    with pytest.raises(DataError, match="users=chunks with pictures=none"):
        load(published, pictures="none", users="chunks")
    assert list(load(published, users="windows").splits) == ["paper-samples"]


class TestWithoutPictures(DatasetContract):
    dataset = "ml-latest-small"
    config: ClassVar = {"pictures": "none"}

    @pytest.fixture(autouse=True)
    def _folder(self, published):
        self.root = published
