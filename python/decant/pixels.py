"""Replays a view with Pillow: what the teacher saw, to the bit, and the same part of the image at a student's size."""

import io
from typing import Sequence

import numpy as np
from blake3 import blake3
from PIL import Image, ImageOps

from .errors import Damage, Mismatch
from .manifest import Resize

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def decode(data: bytes) -> Image.Image:
    """An encoded image as RGB, turned as its EXIF orientation says."""
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


def view(image: Image.Image, crop: Sequence[float] | np.ndarray, flip: bool, resize: Resize) -> Image.Image:
    """The view of a decoded image as a model with this resizing sees it; `crop` is left, top, width, height in its pixels."""
    left, top, width, height = map(float, crop)
    box = (left, top, left + width, top + height)
    if resize.filter and (resize.exact or resize.shortest_edge):
        image = _resized(image, _size(resize, width, height), Image.Resampling[resize.filter.upper()], box)
    elif box != (0, 0, *image.size):
        image = image.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3])))
    if resize.center_crop:
        height, width = resize.center_crop
        if width > image.width or height > image.height:
            raise Mismatch(f"an image has {image.width} x {image.height} pixels, its central crop takes {width} x {height}")
        left, top = ((round((whole - part) / 2) if resize.center_crop_rounds else (whole - part) // 2)
                     for whole, part in zip(image.size, (width, height)))  # fmt: skip
        image = image.crop((left, top, left + width, top + height))
    return ImageOps.mirror(image) if flip else image


def _resized(image: Image.Image, size: tuple[int, int], filter: Image.Resampling, box: tuple[float, float, float, float]) -> Image.Image:
    """Pillow's `resize(size, filter, box)` in two passes: Pillow before 13 takes columns first, 13 what is cheaper, for other bits."""
    if filter == Image.Resampling.NEAREST:
        return image.resize(size, filter, box=box)
    left, top, right, bottom = box
    image = image.resize((size[0], image.height), filter, box=(left, 0, right, image.height))
    return image.resize(size, filter, box=(0, top, size[0], bottom))


def _size(resize: Resize, width: float, height: float) -> tuple[int, int]:
    if resize.exact:
        return resize.exact[1], resize.exact[0]
    edge = resize.shortest_edge or 0
    return (edge, int(edge * height / width)) if width <= height else (int(edge * width / height), edge)


def square(size: int) -> Resize:
    """A student's resizing: bilinear to `size` x `size`."""
    return Resize((size, size), None, "bilinear", None, False)


def input_hash(image: Image.Image) -> bytes:
    """What a cache stores of the pixels that the teacher was given."""
    return blake3(image.tobytes()).digest()[:8]


def check_same(name: str, image: Image.Image, stored: bytes) -> None:
    if input_hash(image) != stored:
        raise Damage(
            f"the pixels of {name} differ from those that the teacher saw, so its targets can't be trusted; "
            "use Pillow 11.3 or later with its own libjpeg-turbo, or make the cache again with this version"
        )


class Normalise:
    """8-bit pixels to the student's input, `[3, height, width]` float32: `(level / 255 - mean) / std`, to the program's bits."""

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD):
        levels = (np.arange(256) * (1 / 255)).astype(np.float32)
        means, deviations = (np.asarray(values, np.float32)[:, None] for values in (mean, std))
        self.levels = ((levels - means) / deviations).astype(np.float32)

    def __call__(self, image: Image.Image) -> np.ndarray:
        pixels = np.asarray(image)
        return np.stack([self.levels[channel][pixels[..., channel]] for channel in range(3)])
