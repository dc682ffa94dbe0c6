"""FLICKR-AES in its published layout: a generated folder with the traits of the real files."""

import logging

import numpy as np
import pytest
from pydantic import ValidationError
from refusals import refused

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.datasets.audit import audit
from persongen_bench.datasets.flickr_aes import FlickrAes, FlickrAesConfig
from persongen_bench.datasets.flickr_aes_files import RATINGS, SCORES, TEST_WORKERS

HEADER = "worker, imagePair, score"
N_WORKERS, N_IMAGES, N_EACH = 6, 40, 25


def name(number):
    return f"farm1_{number}_39629796{number}_94dae8ad97.jpg"


def rows():
    rng = np.random.default_rng(0)
    for worker in range(N_WORKERS):
        for image in rng.permutation(N_IMAGES)[:N_EACH]:
            yield f"A{worker}WORKER", name(image), int(rng.integers(1, 6))


@pytest.fixture
def folder(tmp_path):
    """Leading blanks in header and values, as in the published file; images 0..39."""
    (tmp_path / "40K").mkdir()
    for number in range(N_IMAGES):
        picture = np.full((3, 6, 8), number, dtype=np.uint8)
        imaging.to_pil(picture).save(tmp_path / "40K" / name(number))
    lines = [f"{worker}, {image}, {score}" for worker, image, score in rows()]
    (tmp_path / RATINGS).write_text("\n".join([HEADER, *lines]) + "\n")
    return tmp_path


def load(root, **options):
    return FlickrAes.load(FlickrAesConfig(**options), root)


def test_reads_the_published_layout(folder):
    data = load(folder)
    expected = sorted((worker, image, float(score)) for worker, image, score in rows())
    log = data.interactions
    assert list(zip(log["user_id"], log["item_id"], log["rating"], strict=True)) == expected
    # like = score of at least 4 (REBECA's code)
    assert log["liked"].tolist() == [score >= 4 for _, _, score in expected]
    assert log["timestamp"].isna().all()
    (image,) = data.catalog.images([name(7)])
    assert image.shape == (3, 6, 8)
    assert abs(int(image.mean()) - 7) <= 2  # JPEG of a plain grey of level 7


def test_default_split_is_ten_and_ten_of_every_user(folder):
    data = load(folder)
    split = data.split(seed=42)
    assert split.name == "per-user"
    # the published ways first, then five folds of rows and of items
    folds = [f"{of}fold-{k}-of-5" for of in ("", "item-") for k in range(5)]
    assert list(data.splits) == ["per-user", "item", "user-disjoint", *folds]
    for part, n in ((split.train, N_EACH - 20), (split.validation, 10), (split.test, 10)):
        assert (part.groupby("user_id").size() == n).all()


def test_every_split_keeps_its_promise(folder):
    data = load(folder)
    promised = {name: set(data.split(name).promise) for name in data.splits if "fold" not in name}
    assert promised == {"per-user": set(), "item": {"items"}, "user-disjoint": {"users"}}
    assert all(data.split(f"fold-{k}-of-5").promise == set() for k in range(5))
    assert all(data.split(f"item-fold-{k}-of-5").promise == {"items"} for k in range(5))
    for name in data.splits:
        assert audit(data, data.split(name, seed=1)).leaks == ()


def test_validation_rows_are_for_methods_in_the_split_per_user_alone(folder):
    data = load(folder)
    for name in data.splits:
        view = data.validation_view(data.split(name, 42))
        assert (view is not None) == (name == "per-user")
    shown = data.validation_view(data.split("per-user", 42))
    assert len(shown.interactions) == 10 * N_WORKERS
    assert set(shown.catalog.ids) == set(data.split("per-user", 42).validation["item_id"])


def test_the_number_of_folds_is_an_option(folder):
    assert [name for name in load(folder, folds=2).splits if name.startswith("fold")] == [
        "fold-0-of-2", "fold-1-of-2",
    ]  # fmt: skip


def likes_of(worker):
    return sum(score >= 4 for who, _, score in rows() if who == worker)


def test_workers_with_few_likes_are_left_out_where_asked(folder):
    """000, section 4.1, drops users with fewer than 100 likes; here as many as somebody has."""
    n_likes = {f"A{k}WORKER": likes_of(f"A{k}WORKER") for k in range(N_WORKERS)}
    least = sorted(n_likes.values())[3]
    stay = {worker for worker, n in n_likes.items() if n >= least}
    assert 0 < len(stay) < N_WORKERS
    data = load(folder, least_likes=least)
    assert set(data.interactions["user_id"]) == stay
    assert set(data.catalog.ids) == {image for who, image, _ in rows() if who in stay}
    said = (
        f"dropped {N_WORKERS - len(stay)} of {N_WORKERS} workers with fewer than {least} likes, "
        f"with {N_EACH * (N_WORKERS - len(stay))} of {N_EACH * N_WORKERS} ratings"
    )
    assert said in data.card.description
    with refused("no worker of flickr-aes has 99 likes", error=ConfigError):
        load(folder, least_likes=99)


def test_without_the_option_the_data_are_what_they_were(folder):
    """Revision of the generated rows, but for the sizes of the files, which hang on PIL's JPEGs:
    the same with a filter that nobody fails."""
    assert load(folder).revision == load(folder, least_likes=0).revision
    assert load(folder).revision == load(folder, least_likes=1).revision
    assert "fewer than" not in load(folder).card.description


def test_listed_test_workers_who_are_left_out_are_not_tested(folder):
    n_likes = {f"A{k}WORKER": likes_of(f"A{k}WORKER") for k in range(N_WORKERS)}
    fewest = min(n_likes, key=n_likes.get)
    (folder / TEST_WORKERS).write_text(f"ID\n{fewest}\n")
    assert set(load(folder).split("user-disjoint").test["user_id"]) == {fewest}
    data = load(folder, least_likes=n_likes[fewest] + 1)
    assert fewest not in set(data.split("user-disjoint").test["user_id"])
    said = "0 of the 1 listed test workers are left, so that user-disjoint draws its test workers"
    assert said in data.card.description


def test_the_card_says_that_the_default_split_shares_images(folder):
    """And it is so: every one of these 40 images is held out for somebody, 25 of 40 rated each."""
    data = load(folder)
    (note,) = data.card.notes
    assert "not images" in note
    split = data.split("per-user", 42)
    shared = set(split.test["item_id"]) & set(split.train["item_id"])
    assert len(shared) > 0.5 * split.test["item_id"].nunique()


def test_cleaned_layout_of_rebeca_gives_the_same_log(folder):
    published = load(folder).interactions
    lines = [
        f"{i},{worker},{image},{score},{worker[1]},{i}"
        for i, (worker, image, score) in enumerate(rows())
    ]
    text = "\n".join([",worker,imagePair,score,worker_id,image_id", *lines])
    (folder / "cleaned.csv").write_text(text)
    assert load(folder, ratings_file="cleaned.csv").interactions.equals(published)


def test_missing_images_are_dropped_and_counted(folder, caplog):
    lost = {name(0), name(3)}
    for gone in lost:
        (folder / "40K" / gone).unlink()
    n_lost = sum(image in lost for _, image, _ in rows())
    with caplog.at_level(logging.WARNING):
        data = load(folder)
    said = f"dropped {n_lost} of {N_WORKERS * N_EACH} ratings: 2 images are not in 40K"
    assert said in data.card.description
    assert said in caplog.text
    assert len(data.interactions) == N_WORKERS * N_EACH - n_lost
    assert not lost & set(data.catalog.ids)


def test_repeated_ratings_keep_the_highest_and_are_counted(folder):
    """The highest, not the first: the order of the file must not matter."""
    worker, image, _ = next(row for row in rows() if row[2] < 5)
    path = folder / RATINGS
    header, *lines = path.read_text().splitlines()
    again = [f"{worker}, {image}, 5", f"{worker}, {image}, 1"]
    logs = []
    for order in ([*lines, *again], [*again, *lines], [*lines, *again][::-1]):
        path.write_text("\n".join([header, *order]) + "\n")
        logs.append(load(folder))
    assert "dropped 2 repeated ratings" in logs[0].card.description
    assert len({data.revision for data in logs}) == 1
    kept = logs[0].interactions.set_index(["user_id", "item_id"])["rating"]
    assert kept[(worker, image)] == 5.0
    assert len(kept) == len(list(rows()))


def test_a_threshold_that_likes_everything_is_refused(folder):
    """And the way out is one that this data set has: it has no logs of clicks."""
    with pytest.raises(ConfigError, match=r"ratings are likes.*like_threshold=") as caught:
        load(folder, like_threshold=1)
    assert "feedback" not in str(caught.value)


def test_number_of_workers_is_reported_and_not_fatal(folder):
    assert "found 6 workers, the published data have 210" in load(folder).card.description


def test_published_mean_scores(folder):
    """``name score`` lines, some with a blank before the name, as other readers note."""
    (folder / SCORES).write_text(f" {name(0)} 0.75\n{name(1)} 0.1\n\n")
    scores = load(folder).catalog.items["mean_score"]
    assert scores[name(0)] == 0.75
    assert scores[name(1)] == 0.1
    assert scores.isna().sum() == N_IMAGES - 2


def test_user_disjoint_uses_the_public_list(folder):
    (folder / TEST_WORKERS).write_text("ID\n A1WORKER\nA4WORKER\nAUNSEEN\n")
    data = load(folder)
    assert "lists 3 workers (published: 37), 2 of them have ratings" in data.card.description
    for seed in (0, 1):
        split = data.split("user-disjoint", seed)
        assert set(split.test["user_id"]) == {"A1WORKER", "A4WORKER"}


def test_user_disjoint_draws_without_the_list(folder):
    """37 / 210 of 6 workers = 1.06, rounded 1."""
    split = load(folder).split("user-disjoint")
    assert split.test["user_id"].nunique() == 1
    assert not set(split.test["user_id"]) & set(split.train["user_id"])


def put(path, text):
    return lambda root: (root / path).write_text(text)


BAD = {
    "no ratings": (
        lambda r: (r / RATINGS).unlink(),
        r"no file FLICKR-AES_image_labeled.*alanspike/personalizedImageAesthetics.*40K",
    ),
    "no images": (lambda r: (r / "40K").rename(r / "other"), r"no folder 40K.*lay it out as"),
    "no such images": (put(RATINGS, f"{HEADER}\nA, x.jpg, 3\n"), r"holds none of the rated images"),
    "no column": (
        put(RATINGS, "worker, image, score\nA, x.jpg, 3\n"),
        r"row 1: no column 'imagePair'",
    ),
    "score text": (
        put(RATINGS, f"{HEADER}\nA, {name(0)}, 3\nA, {name(1)}, high\n"),
        r"row 3: score is 'high'",
    ),
    "score 6": (
        put(RATINGS, f"{HEADER}\nA, {name(0)}, 6\n"),
        r"row 2: score is '6', expected 1, 2, 3, 4 or 5",
    ),
    "score 3.5": (put(RATINGS, f"{HEADER}\nA, {name(0)}, 3.5\n"), r"row 2: score is '3\.5'"),
    "empty worker": (put(RATINGS, f"{HEADER}\n, {name(0)}, 3\n"), r"row 2: empty worker"),
    "path": (
        put(RATINGS, f"{HEADER}\nA, ../x.jpg, 3\n"),
        r"row 2: imagePair '\.\./x\.jpg' is not a plain",
    ),
    "bad mean score": (
        put(SCORES, f"{name(0)} 0.5\n{name(1)} 7\n"),
        r"image_score\.txt row 2: found .* 0 to 1",
    ),
    "list without ID": (put(TEST_WORKERS, "worker\nA1WORKER\n"), r"row 1: no column 'ID'"),
    "foreign list": (put(TEST_WORKERS, "ID\nAUNSEEN\n"), r"none of its 1 workers has a rating"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_one_clear_line(folder, case):
    damage, message = BAD[case]
    damage(folder)
    with refused(message):
        load(folder)


def test_without_data():
    with pytest.raises(DataError, match=r"no data folder named.*yzc-ippl/MTCL"):
        load(None)


def test_ratings_file_stays_inside_the_folder():
    with pytest.raises(ValidationError):
        FlickrAesConfig(ratings_file="../ratings.csv")


def test_a_changed_photo_of_equal_size_is_other_data(folder):
    before = load(folder)
    name = before.catalog.ids[0]
    photo = folder / "40K" / name
    whole = photo.read_bytes()
    photo.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    assert load(folder).revision != before.revision
    photo.write_bytes(whole)
    assert load(folder).revision == before.revision
