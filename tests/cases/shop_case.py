"""A small shop: twelve people who rate twenty of thirty pictures each, by mail address."""

import csv

import numpy as np
from PIL import Image

N_PEOPLE, N_ITEMS, N_RATED = 12, 30, 20
PEOPLE = tuple(f"person-{k:04d}@shop.example" for k in range(N_PEOPLE))


def write_shop(folder, seed=0, columns=("item_id", "image")):
    """Write ``items.csv``, ``interactions.csv`` and the pictures; returns ``folder``.

    Person k likes every third picture with probability .8 and the others with .3 (5 or 2 stars).
    """
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    items = [{"item_id": f"i{k}", "image": f"images/{k}.png"} for k in range(N_ITEMS)]
    for k, item in enumerate(items):
        pixels = np.full((16, 16, 3), (8 * k, 255 - 8 * k, (37 * k) % 256), dtype=np.uint8)
        pixels[::2] = rng.integers(0, 255, 3)
        Image.fromarray(pixels).save(folder / item["image"])
    _table(folder / "items.csv", [{c: item.get(c, "") for c in columns} for item in items])
    rows = [
        {"user_id": user, "item_id": f"i{item}", "rating": 5 if liked else 2}
        for k, user in enumerate(PEOPLE)
        for item in rng.permutation(N_ITEMS)[:N_RATED]
        for liked in [rng.random() < (0.8 if (item + k) % 3 == 0 else 0.3)]
    ]
    _table(folder / "interactions.csv", rows)
    return folder


def write_delivery(folder, users, n_images, first=0, header="user_id,image,index"):
    """A manifest with ``n_images`` grey pictures for each of ``users``, counted from ``first``."""
    folder.mkdir(parents=True)
    lines = [header]
    for k, user in enumerate(users):
        for index in range(n_images):
            name = f"{k}-{index}.png"
            Image.new("RGB", (8, 8), (20 * k % 256, 30 * index % 256, 90)).save(folder / name)
            cells = {"user_id": user, "image": name, "index": str(index + first)}
            lines.append(",".join(cells[column] for column in header.split(",")))
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def _table(path, rows):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
