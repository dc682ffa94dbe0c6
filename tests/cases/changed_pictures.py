"""Changes that leave a picture the same to the eye, as one who hides a copy would make them."""

import io

import numpy as np
from PIL import Image as PilImage
from PIL import ImageFilter

from persongen_bench.core import images


def noise(picture, rng, levels=6):
    moved = picture.astype(int) + rng.integers(-levels, levels + 1, picture.shape)
    return np.clip(moved, 0, 255).astype(np.uint8)


def blur(picture, rng):
    return images.from_pil(images.to_pil(picture).filter(ImageFilter.GaussianBlur(1)))


def shift(picture, rng, most=2):
    """By up to 3% of the edge each way; what comes in repeats the border."""
    top, left = rng.integers(0, 2 * most + 1, 2)
    height, width = picture.shape[1:]
    wide = np.pad(picture, ((0, 0), (most, most), (most, most)), mode="edge")
    return np.ascontiguousarray(wide[:, top : top + height, left : left + width])


def flip(picture, rng):
    return np.ascontiguousarray(picture[:, :, ::-1])


def jpeg(picture, rng, quality=60):
    buffer = io.BytesIO()
    images.to_pil(picture).save(buffer, "JPEG", quality=quality)
    return images.from_pil(PilImage.open(buffer))


def scale(picture, rng):
    return images.resize(images.resize(picture, picture.shape[1] * 3 // 4), picture.shape[1])


CHANGES = {
    "none": [],
    "noise": [noise],
    "blur": [blur],
    "shift": [shift],
    "flip": [flip],
    "jpeg": [jpeg],
    "scale": [scale],
    "noise + shift + jpeg": [noise, shift, jpeg],
    "flip + blur + noise": [flip, blur, noise],
    "all": [noise, blur, shift, flip, scale, jpeg],
}


def changed(picture, name, seed=0):
    """The picture after the changes of that name."""
    rng = np.random.default_rng(seed)
    for change in CHANGES[name]:
        picture = change(picture, rng)
    return picture
