"""Malformed tables of ImageGem and Pick-a-Pic: right, or refused on one line that says where."""

import gzip
import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imagegem_case import (
    COMPARISONS,
    IMAGES,
    MODELS,
    USES,
    comparison,
    edit,
    write_gem,
    write_pairs,
)
from refusals import refused

from persongen_bench.datasets.imagegem import Imagegem, ImagegemConfig
from persongen_bench.datasets.imagegem_models import ImagegemModels, ImagegemModelsConfig
from persongen_bench.datasets.pick_a_pic import PickAPic, PickAPicConfig

USE_ROWS = [dict(zip(("image_id", "model_id"), pair, strict=True)) for pair in USES]


def without(rows, *names):
    return [{key: cell for key, cell in row.items() if key not in names} for row in rows]


def changed(name, value, **cells):
    """The images, one of which is changed."""
    return {"images": edit(IMAGES, name, value, **cells)}


TABLES = {
    # what is written => words of the refusal
    "no user column": ({"images": without(IMAGES, "user_id")},
                       ["images.csv row 1", "no column 'user_id'", "columns.toml"]),
    "name in capitals": ({"images": [{("User ID" if k == "user_id" else k): v
                                      for k, v in row.items()} for row in IMAGES]},
                         ["images.csv row 1", "user_id", "User ID"]),
    "optional name in capitals": ({"images": [{("In House" if k == "in_house" else k): v
                                               for k, v in row.items()} for row in IMAGES]},
                                  ["no column 'in_house', but 'In House'"]),
    "empty id": (changed("image_id", "a2", image_id=""), ["images.csv row 3", "empty image_id"]),
    "empty user": (changed("image_id", "a2", user_id=""), ["images.csv row 3", "empty user_id"]),
    "id twice": ({"images": [*IMAGES, IMAGES[2]]},
                 ["images.csv row 13", "image_id 'a3' is already in row 4"]),
    "model twice": ({"models": [*MODELS, MODELS[0]]}, ["models.csv row 6", "already in row 2"]),
    "time in milliseconds": (changed("image_id", "b1", timestamp=1704067200000),
                             ["images.csv row 6", "1704067200000", "milliseconds"]),
    "time as a word": (changed("image_id", "b1", timestamp="yesterday"),
                       ["images.csv row 6", "yesterday", "Unix seconds"]),
    "count below zero": (changed("image_id", "a1", heart=-1),
                         ["images.csv row 2", "-1", "whole number from 0"]),
    "half a like": (changed("image_id", "a1", like=1.5), ["row 2", "1.5", "whole number"]),
    "no count": (changed("image_id", "a1", cry=""), ["row 2", "empty cry", "Write 0"]),
    "count as a word": (changed("image_id", "a1", laugh="many"), ["row 2", "'many'", "number"]),
    "percentage": (changed("image_id", "a1", toxicity=20), ["row 2", "20", "from 0 to 1"]),
    "toxicity below zero": (changed("image_id", "a1", threat=-0.1), ["row 2", "-0.1"]),
    "flag": (changed("image_id", "a1", in_house="maybe"), ["row 2", "maybe", "true or false"]),
    "rank of nothing": ({"models": edit(MODELS, "model_id", "m2", rank=0)},
                        ["models.csv row 3", "'0'", "whole number from 1"]),
    "rank of sixteen": ({"models": edit(MODELS, "model_id", "m1", rank="sixteen")},
                        ["models.csv row 2", "sixteen"]),
    "path upwards": ({"images": [row | {"image": "../secret.png"} for row in IMAGES]},
                     ["images.csv row 2", "../secret.png", "not a path inside"]),
    "weights elsewhere": ({"models": [row | {"file": "/etc/passwd"} for row in MODELS]},
                          ["models.csv row 2", "/etc/passwd"]),
    "uses of other images": ({"uses": [row | {"image_id": row["image_id"] + ".png"}
                                       for row in USE_ROWS]},
                             ["none of the 11 rows of uses", "a1.png", "ending"]),
    "uses of other models": ({"uses": [row | {"model_id": "0" + row["model_id"]}
                                       for row in USE_ROWS]}, ["none of the 11 rows", "0m1"]),
    "uses without a column": ({"uses": without(USE_ROWS, "model_id")},
                              ["uses.csv row 1", "no column 'model_id'"]),
    "models twice over": ({"images": [row | {"model_id": "m1"} for row in IMAGES]},
                          ["models in the images and in a table of uses"]),
    "tags without models": ({"models": None}, ["tags of models, but no models.csv"]),
    "tags twice over": ({"models": [row | {"tags": "x"} for row in MODELS]},
                        ["both a column and a table of tags"]),
    "prompts twice over": ({"prompts": [{"prompt_id": "p", "prompt": "x"}]},
                           ["a table of prompts, but the images have a prompt of their own"]),
    "feedback twice over": ({"feedback": [{"image_id": "a1", "heart": 1}]},
                            ["feedback in the images and in a table"]),
    "nobody is active": ({"images": list(IMAGES[:2])}, ["none of 1 users has 3 interactions"]),
    "no rows": ({"images": [], "uses": None}, ["images.csv"]),
    "only unsafe": ({"images": [row | {"toxicity": 0.9} for row in IMAGES]},
                    ["no image is left of 11", "11 images had a prompt above 0.2"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_malformed_table_is_refused(case, tmp_path):
    tables, words = TABLES[case]
    root = write_gem(tmp_path, pictures=False, **tables)
    with refused(re.escape(words[0]), *words):
        Imagegem.load(ImagegemConfig(pictures="none"), root)


def write_text(root, name, data):
    (root / name).write_bytes(data)


GOOD = b"image_id,user_id,prompt,toxicity\n"
FILES = {
    # name of the file and its bytes => words
    "semicolons": ("images.csv", b"image_id;user_id;prompt\n1;a;x\n", ["row 1", "semicolons"]),
    "not UTF-8": ("images.csv", GOOD + b"1,a,caf\xe9,0\n", ["row 2", "0xe9", "UTF-8"]),
    "NUL": ("images.csv", GOOD + b"1,a,x,0\n2,a,\0,0\n", ["row 3", "NUL"]),
    "open quotes": ("images.csv", GOOD + b'1,a,"x,0\n2,a,y,0\n', ["quotes of row 2"]),
    "too many cells": ("images.csv", GOOD + b"1,a,x,0\n2,a,x,y,0\n", ["not a valid CSV", "line 3"]),
    "a spreadsheet": ("images.csv", b"PK\x03\x04rest", ["a spreadsheet"]),
    "packed": ("images.csv", gzip.compress(GOOD), ["compressed"]),
    "a web page": ("images.csv", b"<!DOCTYPE html><html>", ["HTML"]),
    "empty": ("images.csv", b"", ["the file is empty"]),
    "header alone": ("images.csv", GOOD, ["no rows below the header"]),
    "no header": ("images.csv", b"1,a,x,0\n2,a,y,0\n", ["row 1", "no column 'image_id'"]),
    "a column twice": ("images.csv", b"image_id,user_id,user_id\n1,a,b\n", ["'user_id'", "twice"]),
    "another ending": ("images.tsv", GOOD, ["no images.csv", "images.tsv"]),
    "capitals": ("Images.CSV", GOOD, ["no images.csv", "Images.CSV"]),
    "Parquet in name": ("images.parquet", b"PAR1 no", ["not a readable Parquet file"]),
    "Parquet called CSV": ("images.csv", b"PAR1xxxx", ["a Parquet file", ".parquet"]),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_something_else_is_refused(case, tmp_path):
    name, data, words = FILES[case]
    write_text(tmp_path, name, data)
    with refused(re.escape(words[0]), *words):
        Imagegem.load(ImagegemConfig(pictures="none"), tmp_path)


PARQUETS = {
    "decimal ids": ({"image_id": [1.0, None], "user_id": ["a", "a"]},
                    ["images.parquet row 2", "1.0", "decimal"]),
    "lists": ({"image_id": [[1], [2]], "user_id": ["a", "a"]}, ["'image_id' holds list"]),
    "bytes": ({"image_id": ["1", "2"], "user_id": [b"a", b"b"]}, ["'user_id' holds binary"]),
    "infinite": ({"image_id": ["1", "2"], "user_id": ["a", "a"], "toxicity": [0.1, float("inf")]},
                 ["images.parquet row 3", "inf"]),
    "no time": ({"image_id": ["1", "2"], "user_id": ["a", "a"], "timestamp": [2024.0, 2023.0]},
                ["timestamp is '2024.0'", "a year"]),
}  # fmt: skip


@pytest.mark.parametrize("case", PARQUETS)
def test_a_malformed_parquet_file_is_refused(case, tmp_path):
    columns, words = PARQUETS[case]
    pq.write_table(pa.table(columns), tmp_path / "images.parquet")
    with refused(re.escape(words[0]), *words):
        Imagegem.load(ImagegemConfig(pictures="none"), tmp_path)


MAPS = {
    "no TOML": ("[images\n", ["columns.toml", "not TOML"]),
    "other relation": ("[pictures]\n", ["no relation is called 'pictures'"]),
    "other column": ('[images]\nauthor = "x"\n', ["images has no column 'author'"]),
    "a number": ("[images]\nprompt = 3\n", ["images.prompt is 3", "name of a column"]),
    "one for two": ('[images]\nimage_id = "x"\nuser_id = "x"\n', ["'x' for two columns"]),
    "a column that is not there": ('[images]\nprompt = "text"\n',
                                   ["images.csv row 1", "no column 'text'", "columns.toml"]),
    "a table that is not there": ('[uses]\nfile = "links"\n', ["no links.csv", "columns.toml"]),
    "a path": ('[images]\nfile = "../images"\n', ["images.file is '../images'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MAPS)
def test_a_malformed_map_is_refused(case, tmp_path):
    text, words = MAPS[case]
    root = write_gem(tmp_path, pictures=False)
    (root / "columns.toml").write_text(text)
    with refused(re.escape(words[0]), *words):
        Imagegem.load(ImagegemConfig(pictures="none"), root)


def test_shards_and_a_whole_table_are_refused_together(tmp_path):
    root = write_gem(tmp_path, pictures=False)
    pd.DataFrame(list(IMAGES)).to_csv(root / "images-1.csv", index=False)
    with refused("both images.csv and images-1.csv"):
        Imagegem.load(ImagegemConfig(pictures="none"), root)


def test_shards_of_other_columns_are_refused(tmp_path):
    root = write_gem(tmp_path, images=None, pictures=False)
    pd.DataFrame(list(IMAGES[:5])).to_csv(root / "images-1.csv", index=False)
    pd.DataFrame(without(IMAGES[5:], "cry")).to_csv(root / "images-2.csv", index=False)
    with refused("images-2.csv row 1", "cry"):
        Imagegem.load(ImagegemConfig(pictures="none"), root)


def test_references_that_lead_nowhere_are_counted(tmp_path):
    rows = [*USE_ROWS, {"image_id": "zz", "model_id": "m1"}, {"image_id": "a1", "model_id": "m9"}]
    root = write_gem(tmp_path, uses=[*rows, USE_ROWS[0]], pictures=False)
    card = ImagegemModels.load(ImagegemModelsConfig(pictures="none"), root).card.description
    assert "dropped 1 of 14 rows of uses that refer to no row of images, such as 'zz'" in card
    assert "dropped 1 of 13 rows of uses that refer to no row of models, such as 'm9'" in card
    assert "1 rows of uses stand there already" in card


def test_odd_tables_that_are_right_are_read(tmp_path):
    """Blank lines, blanks, a byte order mark, quoted line breaks and CRLF change nothing."""
    text = (
        "\ufeffimage_id, user_id ,prompt,toxicity\r\n\r\n"
        ' 1 ,ann,"a ""red"" car,\n on a road", 0.1\r\n2,ann,x,\r\n3,ann,y,0\r\n4,ann,z,0.2\r\n'
    )
    (tmp_path / "images.csv").write_bytes(text.encode())
    data = Imagegem.load(ImagegemConfig(pictures="none", least_interactions=2), tmp_path)
    assert data.catalog.ids == ["1", "3", "4"]  # .2 is not above .2; 2 has no probability
    assert data.catalog.items.loc["1", "caption"] == 'a "red" car,\n on a road'


def test_parquet_types_are_read_as_they_are(tmp_path):
    """Whole numbers as ids, times with a zone, truth values, 32-bit floats, dictionaries, lists."""
    times = pd.to_datetime(["2024-01-01 12:00", "2024-01-02 00:00", None], utc=True)
    table = pa.table({
        "image_id": [3, 1, 2], "user_id": pa.array(["a", "a", "a"]).dictionary_encode(),
        "prompt": ["x", "y", "z"], "timestamp": pa.array(times.tz_convert("Europe/Paris")),
        "in_house": [False, False, False], "toxicity": pa.array([0.1, 0.1, 0.1], pa.float32()),
        "heart": pa.array([1, 2, 3], pa.uint8()),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "images.parquet")
    data = Imagegem.load(ImagegemConfig(pictures="none"), tmp_path)
    assert data.catalog.ids == ["1", "2", "3"]
    log = data.interactions.set_index("item_id")["timestamp"]
    assert log["3"] == pd.Timestamp("2024-01-01 12:00", tz="UTC").timestamp()
    assert pd.isna(log["2"])
    assert data.catalog.items["heart"].to_dict() == {"1": 2, "2": 3, "3": 1}


def pair_rows(k, **changes):
    return [row | changes if place == k else row for place, row in enumerate(COMPARISONS)]


SHARDS = {
    "labels of both": (pair_rows(0, label_1=1.0), ["row 1", "labels are '1.0' and '1.0'"]),
    "labels of neither": (pair_rows(1, label_1=0.0), ["row 2", "0.0"]),
    "labels that are none": (pair_rows(1, label_0=0.3, label_1=0.7), ["row 2", "0.3"]),
    "label above one": (pair_rows(2, label_0=1.5), ["row 3", "1.5", "from 0 to 1"]),
    "no label": (pair_rows(3, label_0=None), ["row 4", "labels are"]),
    "best is the loser": (pair_rows(0, best_image_uid="uid-1"), ["row 1", "best_image_uid"]),
    "no caption": (pair_rows(4, caption=""), ["row 5", "empty caption"]),
    "missing caption": (pair_rows(4, caption=None), ["row 5", "empty caption"]),
    "no picture id": (pair_rows(4, image_0_uid=""), ["row 5", "empty image_0_uid"]),
    "one picture": (pair_rows(6, image_1_uid="uid-9"), ["row 7", "both images are 'uid-9'"]),
    "no user": (pair_rows(6, user_id=1.5), ["row 1", "user_id", "decimal"]),
    "pictures left out": (without(COMPARISONS, "jpg_0", "jpg_1"),
                          ["no column 'jpg_0'", "pictures=none"]),
    "no captions": (without(COMPARISONS, "caption"), ["no column 'caption'"]),
    "names for pictures": ([row | {"jpg_0": "a.jpg"} for row in COMPARISONS],
                           ["'jpg_0' holds", "expected bytes"]),
    "nothing labelled": ([row | {"has_label": False} for row in COMPARISONS],
                         ["no comparison is left", "9 comparisons without a label"]),
    "one prompt": ([comparison(0, 1, "a dog", 0, 1, (1.0, 0.0))], ["cannot be divided"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SHARDS)
def test_a_malformed_shard_is_refused(case, tmp_path):
    rows, words = SHARDS[case]
    root = write_pairs(tmp_path, {"train-0.parquet": rows})
    with refused(re.escape(words[0]), *words):
        PickAPic.load(PickAPicConfig(), root)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("train-0.parquet", b"PAR1", ["not a readable Parquet file"]),
        ("train-0.csv", b"caption\n", ["no shards in"]),
        ("train-0.parquet", b"", ["not a readable Parquet file"]),
    ],
)
def test_a_shard_that_is_none_is_refused(name, data, words, tmp_path):
    (tmp_path / name).write_bytes(data)
    with refused(re.escape(words[0]), *words):
        PickAPic.load(PickAPicConfig(), tmp_path)


@pytest.mark.parametrize("data", [b"no picture", b"", None])
def test_a_damaged_picture_is_refused_when_it_is_opened(data, tmp_path):
    root = write_pairs(tmp_path, {"train-0.parquet": pair_rows(1, jpg_1=data)})
    catalog = PickAPic.load(PickAPicConfig(), root).catalog
    assert catalog.images(["uid-0"])[0].shape == (3, 5, 6)
    with refused("row 2 jpg_1", "train-0.parquet"):
        catalog.images(["uid-0", "uid-2"])
