"""What was done to a view's pixels after crop, resizing and flip, replayed with Pillow: colour jitter and RandAugment."""

import math
from typing import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

# Numbers that a row stores of an operation: its code, which is its place in OPERATIONS, and its amount.
NUMBERS = 2


def _hue(image: Image.Image, part: float) -> Image.Image:
    """torchvision's `adjust_hue`."""
    hue, saturation, value = image.convert("HSV").split()
    shifted = Image.fromarray(np.asarray(hue) + np.int32(part * 255).astype(np.uint8))
    return Image.merge("HSV", (shifted, saturation, value)).convert("RGB")


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


# By code: name and function of an image and the amount.
OPERATIONS: tuple[tuple[str, Callable[[Image.Image, float], Image.Image]], ...] = (
    ("identity", lambda image, _: image),
    ("brightness", lambda image, factor: ImageEnhance.Brightness(image).enhance(factor)),
    ("contrast", lambda image, factor: ImageEnhance.Contrast(image).enhance(factor)),
    ("saturation", lambda image, factor: ImageEnhance.Color(image).enhance(factor)),
    ("hue", _hue),
    ("sharpness", lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor)),
    ("posterize", lambda image, bits: ImageOps.posterize(image, int(bits))),
    ("solarize", lambda image, threshold: ImageOps.solarize(image, threshold)),  # type: ignore[arg-type]
    ("auto-contrast", lambda image, _: ImageOps.autocontrast(image)),
    ("equalize", lambda image, _: ImageOps.equalize(image)),
    ("rotate", lambda image, degrees: image.rotate(degrees)),
    ("shear-x", lambda image, part: _affine(image, (1, part, 0, 0, 1, 0))),
    ("shear-y", lambda image, part: _affine(image, (1, 0, 0, part, 1, 0))),
    ("translate-x", lambda image, part: _affine(image, (1, 0, -int(part * image.width), 0, 1, 0))),
    ("translate-y", lambda image, part: _affine(image, (1, 0, 0, 0, 1, -int(part * image.height)))),
)


def apply(image: Image.Image, numbers: np.ndarray) -> Image.Image:
    """The image after a row's `operations`: code and amount of each, in this order."""
    for code, amount in np.asarray(numbers, np.float64).reshape(-1, NUMBERS):
        image = OPERATIONS[int(code)][1](image, float(amount))
    return image


def are_sound(numbers: np.ndarray) -> np.ndarray:
    """For each row of `operations`, `[rows, 2 * count]`, whether there are such operations of such amounts."""
    code, amount = numbers.reshape(len(numbers), -1, NUMBERS).astype(np.float64).transpose(2, 0, 1)
    sound = np.isin(code, np.arange(len(OPERATIONS))) & np.isfinite(amount)
    names = [name for name, _ in OPERATIONS]
    for name, least, most in (
        ("identity", 0, 0),
        ("auto-contrast", 0, 0),
        ("equalize", 0, 0),
        ("hue", -0.5, 0.5),
        ("posterize", 1, 8),
        ("rotate", math.nextafter(-90, 0), math.nextafter(90, 0)),
    ):
        sound &= (code != names.index(name)) | ((least <= amount) & (amount <= most))
    return np.asarray(sound.all(axis=1))
