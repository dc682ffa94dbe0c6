"""What spreadsheets and exports do to tables: the line that is printed names cause and fix."""

import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import DataError
from persongen_bench.datasets.folder import Folder, FolderConfig

ITEMS = "item_id,image,theme\n0001,img/a.png,cat\n0002,img/b.png,dog\n0003,img/c.png,cat\n"
LOG = "user_id,item_id,rating\n"
TIMED = "user_id,item_id,rating,timestamp\n"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "shop"
    (root / "img").mkdir(parents=True)
    for seed, name in enumerate("abc"):
        pixels = np.random.default_rng(seed).integers(0, 256, (3, 8, 8), dtype=np.uint8)
        (root / "img" / f"{name}.png").write_bytes(imaging.png_bytes(pixels))
    (root / "items.csv").write_text(ITEMS)
    (root / "interactions.csv").write_text(LOG + "u,0001,5\nu,0002,1\n")
    return root


def load(root, **options):
    return Folder.load(FolderConfig(**options), root)


def items(text):
    data = text if isinstance(text, bytes) else text.encode()
    return lambda root: (root / "items.csv").write_bytes(data)


def log(text):
    return lambda root: (root / "interactions.csv").write_text(text)


def both(catalogue, interactions):
    def damage(root):
        items(catalogue)(root)
        log(interactions)(root)

    return damage


def image(path):
    return items(f"item_id,image\n0001,{path}\n0002,img/b.png\n")


def called(name):
    return lambda root: (root / "items.csv").rename(root / name)


def parquet(**columns):
    given = {"user_id": ["u", "v"], "item_id": ["0001", "0002"], "rating": [5, 1], **columns}

    def damage(root):
        (root / "interactions.csv").unlink()
        pq.write_table(pa.table(given), root / "interactions.parquet")

    return damage


NOT_UTF8 = pa.Array.from_buffers(
    pa.string(),
    2,
    [None, pa.py_buffer(np.array([0, 2, 3], np.int32).tobytes()), pa.py_buffer(b"u\xffv")],
)
HUGE = "9" * 5000
COUNT_FROM_0 = "item_id,image\n0,img/a.png\n1,img/b.png\n2,img/c.png\n"
CAUSES = {
    # the file is something else
    "semicolons": (log("user_id;item_id;rating\nu;0001;4,5\n"), "separated by semicolons.*points"),
    "quoted semicolons": (log('"user_id";"item_id";"rating"\nu;0001;5\n'), "by semicolons"),
    "tabs": (log("user_id\titem_id\trating\nu\t0001\t5\n"), "separated by tabs"),
    "UTF-16": (items(ITEMS.encode("utf-16")), "UTF-16 text.*Save it as CSV in UTF-8"),
    "spreadsheet": (items(b"PK\x03\x04xx"), "is a spreadsheet.*Export it"),
    "packed": (items(b"\x1f\x8bxx"), "is compressed"),
    "JSON": (items('[{"item_id": "0001"}]'), "is JSON"),
    "parquet called csv": (items(b"PAR1xx"), r"is a Parquet file.*Call it \.parquet"),
    "NUL": (items(b"item_id,image\n0001,img/a\0.png\n"), "row 2: holds a NUL"),
    "blank first row": (items("\n" + ITEMS), "row 1: blank.*Remove blank rows"),
    "open quotes": (items('item_id,image\n0001,"img/a.png\n'), "quotes of row 2 are not closed"),
    "other case": (called("Items.CSV"), r"no items\.csv or items\.parquet, but Items\.CSV is"),
    "xlsx": (called("items.xlsx"), r"but items\.xlsx is\. Export it as CSV"),
    # names of columns
    "case of a column": (items("Item_ID,image\n1,a.png\n"), "no column 'item_id', but 'Item_ID'"),
    "blank in a column": (log("user id,item_id,rating\nu,1,5\n"), "Rename it to user_id"),
    "mark in a column": (items("\ufeff\ufeffitem-id,image\n1,a.png\n"), "Rename it to item_id"),
    "optional column": (items(ITEMS.replace("theme", "Theme")), "but 'Theme'. Rename it to theme"),
    "time column": (log("user_id,item_id,rating,Time Stamp\nu,1,5,3\n"), "Rename it to timestamp"),
    "no header": (log("u,0001,5\nu,0002,1\n"), "is there no header"),
    "synonym": (log("user_id,item_id,stars\nu,0001,5\n"), "Is 'stars' meant"),
    # ids
    "lost zeros": (log(LOG + "u,1,5\nu,2,1\n"), "'1' is not in.*Leading zeros.*'0001'"),
    "float ids": (log(LOG + "u,2.0,5\n"), "'2.0' is not in.*decimal.*'0002'"),
    "scientific ids": (log(LOG + "u,2E0,5\n"), "'2E0' is not in.*otherwise.*'0002'"),
    "case of ids": (both("item_id,image\nA-1,img/a.png\n", LOG + "u,a-1,5\n"), "Case.*'A-1'"),
    "accents": (
        both("item_id,image\ncafe\u0301,img/a.png\n", LOG + "u,caf\u00e9,5\n"),
        "accents differ",
    ),
    "ids with endings": (log(LOG + "u,0002.png,5\n"), "an ending.*'0002'"),
    "image for id": (log(LOG + "u,img/b.png,5\n"), "It is the image of the item '0002'"),
    "counted from 1": (both(COUNT_FROM_0, LOG + "u,1,5\nu,3,1\n"), "from 1, the catalogue from 0"),
    "counted from 0": (
        both("item_id,image\n1,img/a.png\n2,img/b.png\n", LOG + "u,0,5\nu,1,1\n"),
        "from 0, the catalogue from 1",
    ),
    "swapped": (log(LOG + "0001,u,5\n0002,u,1\n"), "are the two columns swapped"),
    "unknown": (log(LOG + "u,none,5\n"), "'none' is not in the catalogue. Add it to the items"),
    "endless id": (log(LOG + f"{HUGE},0001,5\n"), "user_id '9+...' has more than 500 characters"),
    # images
    "backslashes": (image(r"img\a.png"), "no such file. Write paths with /"),
    "case of an image": (image("img/A.PNG"), r"spelt otherwise: 'img/a\.png' is there"),
    "ending": (image("img/a.jpg"), r"ending is another: 'img/a\.png' is there"),
    "no ending": (image("img/a"), r"ending is another: 'img/a\.png' is there"),
    "from the parent": (image("shop/img/a.png"), r"count from the data folder: 'img/a\.png'"),
    "no folder": (image("a.png"), r"count from the data folder: 'img/a\.png'"),
    "web address": (image("https://a.b/c.png"), "Web addresses are not opened"),
    "percent codes": (image("img%2Fa.png"), r"without %-codes: 'img/a\.png'"),
    # numbers
    "decimal comma": (log(LOG + 'u,0001,"4,5"\n'), "'4,5'.*with a point"),
    "a date for a number": (log(LOG + "u,0001,05-Apr\n"), "A spreadsheet made a date of it"),
    "another date": (log(LOG + "u,0001,4. Mai\n"), "A spreadsheet made a date of it"),
    "unit": (log(LOG + "u,0001,5 stars\n"), "without a unit"),
    "percent": (log(LOG + "u,0001,80%\n"), "without the percent sign"),
    "true": (log(LOG + "u,0001,true\n"), "Write 1 and 0"),
    "endless rating": (log(LOG + f"u,0001,{HUGE}\n"), r"rating is '9+\.\.\.', expected a finite"),
    # times
    "spreadsheet days": (log(TIMED + "u,0001,5,45432.5\nu,0002,1,45433\n"), "day number"),
    "no dashes": (log(TIMED + "u,0001,5,20240531\nu,0002,1,20240601\n"), "date without dashes"),
    "day first": (log(TIMED + "u,0001,5,31.05.2024 10:00\n"), "Write the year first"),
    "month first": (log(TIMED + "u,0001,5,05/31/2024\n"), "Write the year first"),
    "milliseconds": (log(TIMED + "u,0001,5,1717156800000\n"), "milliseconds: divide by 1,000"),
    "no such day": (log(TIMED + "u,0001,5,2024-02-30\n"), "Such a date does not exist"),
    "year 9999": (log(TIMED + "u,0001,5,9999-12-31T23:59:59Z\n"), "1678 to 2261"),
    "year 1": (log(TIMED + "u,0001,5,0001-01-01\nu,0002,1,2024-01-01\n"), "1678 to 2261"),
    "year 2262": (log(TIMED + "u,0001,5,2262-12-01\n"), "1678 to 2261"),
    "year 99999": (log(TIMED + "u,0001,5,99999-01-01\n"), "1678 to 2261"),
    "no such zone": (log(TIMED + "u,0001,5,2024-01-01T00:00:00+99:99\n"), "row 2: timestamp"),
    "endless time": (log(TIMED + f"u,0001,5,{HUGE}\n"), r"timestamp is '9+\.\.\.', expected Unix"),
    # parquet
    "parquet not UTF-8": (parquet(user_id=NOT_UTF8), "Invalid UTF8.*text in UTF-8"),
    "parquet of bytes": (parquet(user_id=[b"u\xff", b"v"]), "can't decode byte 0xff"),
    "lists": (parquet(user_id=[["u"], ["v"]]), "'user_id' holds list.*Unnest"),
    "structs": (parquet(rating=[{"x": 5}, {"x": 1}]), "'rating' holds struct.*Unnest"),
    "parquet date": (parquet(timestamp=pa.array([3_000_000, 0], pa.date32())), "out of range"),
    "parquet time": (parquet(timestamp=pa.array([2**52, 0], pa.timestamp("ms"))), "1678 to 2261"),
    "parquet durations": (parquet(timestamp=pa.array([1, 2], pa.duration("s"))), "expected Unix"),
    # sizes
    "many columns": (items(",".join(f"c{k}" for k in range(1_000_000)) + "\n"), "1,000 columns"),
    "endless row": (items("item_id,image\n0001" + "," * 1_000_000 + "\n"), "not a valid CSV"),
    "many in parquet": (parquet(**{f"c{k}": [0, 0] for k in range(1500)}), "1,000 columns"),
    "endless label": (
        items(f"item_id,image,theme\n0001,img/a.png,{'x' * 100_000}\n"),
        "row 2: the cell of column 'theme' has more than 10,000 characters",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CAUSES)
def test_the_likely_cause_is_named_in_one_short_line_at_once(folder, case):
    damage, message = CAUSES[case]
    damage(folder)
    begun = time.perf_counter()
    with pytest.raises(DataError, match=message) as caught:
        load(folder)
    assert time.perf_counter() - begun < 5
    assert len(str(caught.value)) < 500 + len(str(folder))
    assert "\n" not in str(caught.value)


SOUND = {
    "two byte order marks": items(b"\xef\xbb\xbf\xef\xbb\xbf" + ITEMS.encode()),
    "old line ends": items(ITEMS.replace("\n", "\r")),
    "blanks": items(ITEMS.replace(",", " , ")),
    "rows that end in commas": items(ITEMS.replace("\n", ",,\n")),
    "rows turned round": items("\n".join([ITEMS.split()[0], *ITEMS.split()[:0:-1]])),
    "columns turned round": items(
        "\n".join(",".join(row.split(",")[::-1]) for row in ITEMS.split())
    ),
    "decimals in parquet": parquet(
        user_id=["u", "u"], rating=pa.array([5, 1], pa.decimal128(9, 2))
    ),
    "categories in parquet": parquet(user_id=pa.array(["u", "u"]).dictionary_encode()),
}  # fmt: skip


@pytest.mark.parametrize("case", SOUND)
def test_the_same_table_in_another_dress_is_the_same_data(folder, case):
    expected = load(folder).revision
    SOUND[case](folder)
    assert load(folder).revision == expected


def test_small_counters_are_times_still(folder):
    """Logs that count 1, 2, 3 or the seconds since they began are read as before."""
    for times in ((1, 2), (2000, 90_000), (19_999, 80_001)):
        log(TIMED + f"u,0001,5,{times[0]}\nu,0002,1,{times[1]}\n")(folder)
        assert load(folder).interactions["timestamp"].tolist() == list(times)


def test_repeated_ratings_by_a_stated_rule(folder):
    rows = ["u,0001,5,10", "u,0001,1,30", "u,0001,3,20", "u,0002,1,5", "v,0003,4,7"]
    for order in (rows, rows[::-1]):
        log(TIMED + "\n".join(order) + "\n")(folder)
        with pytest.raises(DataError, match=r"already in row.*repeats=last.*repeats=mean"):
            load(folder)
        last, mean = (load(folder, repeats=rule).interactions for rule in ("last", "mean"))
        assert last["rating"].tolist() == [1, 1, 4]
        assert last["liked"].tolist() == [False, False, True]  # 4 of the 5 stars of the file
        assert mean["rating"].tolist() == [3, 1, 4]  # (5 + 1 + 3) / 3
        assert last["timestamp"].tolist() == mean["timestamp"].tolist() == [30, 5, 7]


def test_the_last_of_ratings_without_a_time_is_not_guessed(folder):
    log(LOG + "u,0001,5\nu,0001,2\nu,0002,1\n")(folder)
    with pytest.raises(DataError, match=r"do not all have a timestamp.*repeats=mean"):
        load(folder, repeats="last")
    assert load(folder, repeats="mean", like_threshold=3.5).interactions["rating"].tolist() == [
        3.5,
        1,
    ]


def test_the_advice_to_simulate_people_works(folder):
    """What the error says to type is typed."""
    (folder / "interactions.csv").unlink()
    with pytest.raises(DataError, match="pseudo_users=200") as caught:
        load(folder)
    words = str(caught.value).rstrip(".").split("--data-option ")[1:]
    options = dict(word.strip().split("=", 1) for word in words)
    assert len(load(folder, **options).interactions) == 200
    items("item_id,image\n0001,img/a.png\n")(folder)
    with pytest.raises(DataError, match=r"user_id, item_id and rating\.$"):
        load(folder)  # no labels: no such advice


def test_order_of_rows_matters_to_no_split(folder):
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        [(f"u{k}", f"000{item}", rng.integers(1, 6)) for k in range(9) for item in (1, 2, 3)],
        columns=["user_id", "item_id", "rating"],
    )
    hashes = set()
    for seed in range(4):
        rows.sample(frac=1, random_state=seed).to_csv(folder / "interactions.csv", index=False)
        data = load(folder)
        views = [data.train_view(data.split(name)).hash for name in data.splits]
        hashes.add((data.revision, *views))
    assert len(hashes) == 1
