"""Makes the golden values of tests/library/operations.rs with torchvision's own functions on Pillow images.

    pip install pillow==13.0.0 torchvision==0.26.0 numpy safetensors
    python tests/goldens/operations/make.py

expected.safetensors holds two pictures, `smooth` and `dark`, [height, width, 3], and under `<picture>/<operation>/<amount>` what
torchvision makes of them. An amount is written as the float32 that a row of a cache holds.
"""

from pathlib import Path

import numpy as np
import torchvision.transforms.functional as functional
from PIL import Image
from safetensors.numpy import save_file
from torchvision.transforms.autoaugment import _apply_op

HERE = Path(__file__).parent
rng = np.random.default_rng(0)

y, x = np.mgrid[0:19, 0:26]
waves = np.stack([np.sin(x * a + y * b + c) for a, b, c in rng.uniform([0.1, 0.1, 0], [0.5, 0.5, 6], (3, 3))], -1)
pictures = {
    "smooth": np.clip(waves * 110 + 128 + rng.normal(0, 12, waves.shape), 0, 255).astype(np.uint8),
    # Few levels of each channel, and one that is flat.
    "dark": np.clip(waves * [20, 6, 0] + [50, 90, 70], 0, 255).astype(np.uint8),
}

factors = [0, 0.1, 0.37, 0.73, 1, 1.27, 1.9, 3.5]
amounts = {
    "brightness": factors,
    "contrast": factors,
    "saturation": factors,
    "hue": [-0.5, -0.31, -0.1, -0.002, 0, 0.05, 0.1, 0.44, 0.5],
    "sharpness": factors,
    "posterize": [4, 6, 7, 8],
    "solarize": [0, 76.5, 178.5, 255],
    "auto-contrast": [0],
    "equalize": [0],
    "rotate": [-30, -9, -1, 0, 9, 17, 30],
    "shear-x": [-0.3, -0.09, 0.01, 0.3],
    "shear-y": [-0.3, -0.09, 0.01, 0.3],
    "translate-x": [-0.4532, -0.136, 0, 0.136, 0.4532],
    "translate-y": [-0.4532, -0.136, 0, 0.136, 0.4532],
}
# Names of RandAugment.
named = {
    "brightness": "Brightness", "contrast": "Contrast", "saturation": "Color", "sharpness": "Sharpness",
    "posterize": "Posterize", "solarize": "Solarize", "auto-contrast": "AutoContrast", "equalize": "Equalize",
    "rotate": "Rotate", "shear-x": "ShearX", "shear-y": "ShearY", "translate-x": "TranslateX", "translate-y": "TranslateY",
}  # fmt: skip

expected = {name: np.ascontiguousarray(pixels) for name, pixels in pictures.items()}
for picture, pixels in pictures.items():
    image = Image.fromarray(pixels)
    for operation, values in amounts.items():
        for value in values:
            amount = float(np.float32(value))
            if operation == "hue":
                changed = functional.adjust_hue(image, amount)
            else:
                magnitude = amount
                if operation in ("brightness", "contrast", "saturation", "sharpness"):
                    # RandAugment's magnitude is the factor less 1; that addition is exact here but for the last bit.
                    adjust = getattr(functional, f"adjust_{operation}")
                    changed = adjust(image, amount)
                    near = _apply_op(image, named[operation], amount - 1, functional.InterpolationMode.NEAREST, None)
                    assert np.abs(np.asarray(near, int) - np.asarray(changed, int)).max() <= 1
                else:
                    if operation.startswith("translate"):
                        magnitude = amount * image.size[operation == "translate-y"]
                    changed = _apply_op(image, named[operation], magnitude, functional.InterpolationMode.NEAREST, None)
            expected[f"{picture}/{operation}/{amount!r}"] = np.asarray(changed).copy()
save_file(expected, HERE / "expected.safetensors")
