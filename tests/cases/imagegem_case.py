"""A tiny ImageGem and a tiny Pick-a-Pic, written by hand, so that every number can be counted."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

DAY = 86_400
SAFE = dict.fromkeys(
    ("toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit"), 0.01
)


def image_row(name, user, prompt, day, **more):
    """An image of the tiny log, made at noon of a day of 2024."""
    row = {
        "image_id": name, "user_id": user, "prompt": prompt, "timestamp": 1_704_067_200 + day * DAY,
        "base_model": "SDXL 1.0", "in_house": 0, "nsfw": "None", "license": "open",
        "heart": 0, "like": 0, "laugh": 0, "cry": 0, **SAFE,
    }  # fmt: skip
    return row | more


IMAGES = (
    # ann: four images; the last two are one prompt, an hour and a minute apart
    image_row("a1", "ann", "a red car", 1, like=3),
    image_row("a2", "ann", "a dog in snow", 2, heart=5),
    image_row("a3", "ann", "A blue heart, flat", 3.0),
    image_row("a4", "ann", "a (blue:1.2) heart <lora:x:0.8> flat", 3.001, laugh=1),
    # bob: three images, then one whose prompt is unsafe
    image_row("b1", "bob", "a car and a man", 1),
    image_row("b2", "bob", "mountain landscape", 5, base_model="SD 1.5", nsfw="Soft"),
    image_row("b3", "bob", "scenery with a puppy", 6, cry=2),
    image_row("b4", "bob", "something bad", 7, insult=0.21),
    # cid: two images only
    image_row("c1", "cid", "a vehicle", 1, like=9),
    image_row("c2", "cid", "cars", 2),
    # dee owns a model and shows it
    image_row("d1", "dee", "a red car", 4, in_house=1, like=7),
)
MODELS = (
    {"model_id": "m1", "owner": "dee", "base_model": "SDXL 1.0", "rank": 16, "license": "open"},
    {"model_id": "m2", "owner": "dee", "base_model": "SD 1.5", "rank": 32, "license": "open"},
    {"model_id": "m3", "owner": "ann", "base_model": "SDXL 1.0", "rank": 16, "license": "none"},
    {"model_id": "m4", "owner": "eve", "base_model": "Pony", "rank": "", "license": "none"},
)
TAGS = (("m1", "anime"), ("m1", "car"), ("m2", "realistic"), ("m3", "anime"), ("m3", "realistic"))
USES = (
    ("a1", "m1"), ("a2", "m1"), ("a3", "m2"), ("a4", "m3"), ("a4", "m1"),
    ("b1", "m1"), ("b2", "m2"), ("b3", "m3"), ("b4", "m4"), ("c1", "m1"), ("d1", "m1"),
)  # fmt: skip


def write_gem(root, form="csv", *, pictures=True, **tables):
    """Write the tables, each of which may be replaced by rows (None: left out), into ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    rows = {
        "images": list(IMAGES), "models": list(MODELS),
        "tags": [dict(zip(("model_id", "tag"), pair, strict=True)) for pair in TAGS],
        "uses": [dict(zip(("image_id", "model_id"), pair, strict=True)) for pair in USES],
    } | tables  # fmt: skip
    for name, lines in rows.items():
        if lines is not None:
            write_rows(root / f"{name}.{form}", pd.DataFrame(lines))
    if pictures:
        write_pictures(root, [row["image_id"] for row in IMAGES])
    return root


def write_rows(path, frame):
    """A table as CSV or Parquet, by the ending."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame = frame.apply(lambda c: c.astype(str) if c.map(type).nunique() > 1 else c)
        frame.to_parquet(path, index=False)


def write_pictures(root, names):
    """A picture of its own colour for every name."""
    (root / "images").mkdir(exist_ok=True)
    for k, name in enumerate(names):
        pixels = np.full((5, 4, 3), (20 * k % 256, 255 - 9 * k, 7 * k % 256), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{name}.png")


def edit(rows, key, value, **changes):
    """The rows, one of which (whose ``key`` is ``value``) is changed; None removes the cell."""
    done = [row | changes if row[key] == value else row for row in map(dict, rows)]
    assert done != list(map(dict, rows))
    return done


def jpeg(k):
    """Bytes of a plain picture, and its colour."""
    stream = io.BytesIO()
    Image.new("RGB", (6, 5), (20 * k % 256, 90, 200 - 10 * k)).save(stream, format="PNG")
    return stream.getvalue()


def comparison(k, user, prompt, first, second, labels, **more):
    """A row of Pick-a-Pic: picture ``first`` (a number) against ``second``."""
    best = first if labels[0] > labels[1] else second
    row = {
        "are_different": True, "best_image_uid": f"uid-{best}", "caption": prompt,
        "created_at": pd.Timestamp("2023-01-01") + pd.Timedelta(hours=k), "has_label": True,
        "image_0_uid": f"uid-{first}", "image_1_uid": f"uid-{second}",
        "jpg_0": jpeg(first), "jpg_1": jpeg(second), "label_0": labels[0], "label_1": labels[1],
        "model_0": "one", "model_1": "two", "ranking_id": 100 + k, "user_id": user,
        "num_example_per_prompt": 1,
    }  # fmt: skip
    return row | more


COMPARISONS = (
    comparison(0, 1, "a red car", 0, 1, (1.0, 0.0)),
    comparison(1, 1, "a red car", 1, 2, (0.0, 1.0)),
    comparison(2, 1, "a dog", 3, 4, (0.5, 0.5)),
    comparison(3, 2, "a dog", 5, 3, (0.0, 1.0)),
    comparison(4, 2, "scenery", 6, 7, (1.0, 0.0)),
    comparison(5, 2, "scenery", 7, 8, (0.0, 1.0), has_label=False),
    comparison(6, 3, "a house", 9, 10, (0.0, 1.0)),
    comparison(7, 3, "a house", 11, 9, (1.0, 0.0), are_different=False),
    comparison(8, 3, "a man with a car", 12, 13, (1.0, 0.0)),
)


def write_pairs(root, shards=None, row_group=2):
    """Write shards (name => rows), by default one of all `COMPARISONS`."""
    root.mkdir(parents=True, exist_ok=True)
    for name, rows in (shards or {"train-00000-of-00001.parquet": COMPARISONS}).items():
        frame = pd.DataFrame(list(rows))
        pq.write_table(pa.Table.from_pandas(frame), root / name, row_group_size=row_group)
    return root
