"""Makes the golden values of tests/preprocess.rs with Pillow and transformers.

    pip install pillow==13.0.0 transformers==5.23.0 numpy
    python tests/goldens/preprocess/make.py

Everything comes from the seed below. Three kinds of cases, listed in cases.json:

decode      an image in images/, and exif_transpose(image).convert("RGB"), as `datasets` loads it
resize      images/source.png resized with Pillow's resize(size, resample, box)
preprocess  pixel_values of transformers' Pillow-backed ViTImageProcessor for images/source.png

The expected values lie under the cases' names in expected.safetensors: pixels [height, width, 3], values [3, height, width].
"""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

HERE = Path(__file__).parent
rng = np.random.default_rng(0)
cases = {"decode": [], "resize": [], "preprocess": []}
expected = {}
(HERE / "images").mkdir(exist_ok=True)


def picture(width, height):
    """Smooth shapes with fine grain: neither flat nor pure noise."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform([0.02, 0.02, 0], [0.3, 0.3, 6], (3, 3))]
    grain = rng.normal(0, 12, (height, width, 3))
    return np.clip(np.stack(waves, -1) * 110 + 128 + grain, 0, 255).astype(np.uint8)


def smooth(width, height):
    """Without grain, as photographs mostly are, for the lossy formats."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform([0.02, 0.02, 0], [0.2, 0.2, 6], (3, 3))]
    return (np.stack(waves, -1) * 110 + 128).astype(np.uint8)


def decode(name, data):
    (HERE / "images" / name).write_bytes(data)
    image = Image.open(io.BytesIO(data))
    image.load()
    # datasets.features.image.Image.decode_example
    if image.getexif().get(0x0112) is not None:
        image = ImageOps.exif_transpose(image)
    expected[name] = np.array(image.convert("RGB"))
    cases["decode"].append({"name": name})


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def png(width, height, depth, colour, rows, extra=b""):
    """A PNG of a kind that Pillow does not write."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


# PNG and WebP
W, H = 37, 29
rgb = picture(W, H)
image = Image.fromarray(rgb)
alpha = Image.fromarray(rng.integers(0, 256, (H, W), dtype=np.uint8))
rgba = image.copy()
rgba.putalpha(alpha)
gray = image.convert("L")
gray_alpha = gray.copy()
gray_alpha.putalpha(alpha)
palette = image.quantize(32)
decode("rgb.png", saved(image, "PNG"))
decode("rgba.png", saved(rgba, "PNG"))
decode("gray.png", saved(gray, "PNG"))
decode("gray-alpha.png", saved(gray_alpha, "PNG"))
decode("bilevel.png", saved(gray.convert("1"), "PNG"))
decode("palette.png", saved(palette, "PNG"))
decode("palette-4bit.png", saved(image.quantize(16), "PNG", bits=4))
decode("palette-transparent.png", saved(palette, "PNG", transparency=bytes(range(0, 256, 8))))
decode("rgb-transparent.png", saved(image, "PNG", transparency=tuple(int(v) for v in rgb[0, 0])))
decode("gray-16bit.png", saved(Image.fromarray(rng.integers(0, 600, (H, W), dtype=np.uint16)), "PNG"))
wide = rng.integers(0, 65536, (H, W, 4), dtype=np.uint16)
decode("rgb-16bit.png", png(W, H, 16, 2, [row[:, :3].astype(">u2").tobytes() for row in wide]))
decode("rgba-16bit.png", png(W, H, 16, 6, [row.astype(">u2").tobytes() for row in wide]))
decode("gray-alpha-16bit.png", png(W, H, 16, 4, [row[:, :2].astype(">u2").tobytes() for row in wide]))
for value in range(1, 9):
    decode(f"orientation-{value}.png", saved(image.crop((0, 0, 9, 5)), "PNG", exif=orientation(value)))
xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
decode("orientation-xmp.webp", saved(image.crop((0, 0, 9, 5)), "WEBP", lossless=True, xmp=xmp))
decode("orientation-exif.webp", saved(image.crop((0, 0, 9, 5)), "WEBP", lossless=True, exif=orientation(8)))
decode("lossless.webp", saved(image, "WEBP", lossless=True))
decode("lossless-alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True))

# Lossy: compared with a tolerance
photo = Image.fromarray(smooth(61, 43))
decode("lossy.webp", saved(photo, "WEBP", quality=90))
decode("baseline-420.jpg", saved(photo, "JPEG", quality=90, subsampling="4:2:0"))
decode("baseline-422.jpg", saved(photo, "JPEG", quality=90, subsampling="4:2:2"))
decode("baseline-444.jpg", saved(photo, "JPEG", quality=90, subsampling="4:4:4"))
decode("progressive.jpg", saved(photo, "JPEG", quality=90, progressive=True))
decode("restarts.jpg", saved(photo, "JPEG", quality=90, restart_marker_blocks=2))
decode("gray.jpg", saved(photo.convert("L"), "JPEG", quality=90))
decode("cmyk.jpg", saved(photo.convert("CMYK"), "JPEG", quality=90))
# Pillow does not write YCCK: the same values, said to be YCCK by the last byte of the Adobe marker.
adobe = saved(photo.convert("CMYK"), "JPEG", quality=90)
transform = adobe.index(b"Adobe") + 11
decode("ycck.jpg", adobe[:transform] + b"\x02" + adobe[transform + 1 :])
decode("orientation-6.jpg", saved(photo, "JPEG", quality=90, exif=orientation(6)))
decode("tiny.jpg", saved(photo.crop((0, 0, 3, 2)), "JPEG", quality=90))

# Resizing and preprocessing
source = Image.fromarray(picture(53, 37))
(HERE / "images" / "source.png").write_bytes(saved(source, "PNG"))
FILTERS = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
BOXES = {
    "down": ((16, 16), (0, 0, 53, 37)),
    "up": ((60, 41), (0, 0, 53, 37)),
    "crop": ((13, 21), (11, 7, 40, 30)),
    "fraction": ((21, 17), (3.25, 8.5, 46.75, 30.125)),
    "one-axis": ((53, 20), (0, 0, 53, 37)),
}
for filter, filter_name in enumerate(FILTERS):
    for name, (size, box) in BOXES.items():
        case = f"resize-{filter_name}-{name}"
        expected[case] = np.array(source.resize(size, filter, box=box))
        crop = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
        cases["resize"].append({"name": case, "filter": filter, "size": size, "crop": crop})

CONFIGS = {
    "vit": {"size": {"height": 32, "width": 32}, "resample": 2},
    "imagenet": {
        "size": 24, "resample": 3, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
    },
    "list": {"size": [20, 28], "resample": 1, "image_mean": 0.3, "image_std": 0.7},
    "no-normalise": {"size": {"height": 16, "width": 16}, "resample": 2, "do_normalize": False},
    "no-rescale": {"size": {"height": 16, "width": 16}, "do_rescale": False, "image_mean": [120, 110, 100], "image_std": [60, 61, 62]},
    "rescale-only-127": {"size": {"height": 16, "width": 16}, "rescale_factor": 0.00784313725490196, "do_normalize": False},
    "center-crop": {
        "size": {"shortest_edge": 30}, "resample": 3, "do_center_crop": True, "crop_size": {"height": 23, "width": 24},
    },
    "no-resize": {"do_resize": False, "size": {"height": 37, "width": 53}},
}
for name, config in CONFIGS.items():
    values = ViTImageProcessorPil(**config)(source, return_tensors="np")["pixel_values"][0]
    expected[f"preprocess-{name}"] = values.astype(np.float32)
    cases["preprocess"].append({"name": f"preprocess-{name}", "config": config})

save_file(expected, HERE / "expected.safetensors")
lines = [f' "{kind}": [\n' + ",\n".join("  " + json.dumps(case) for case in kinds) + "\n ]" for kind, kinds in cases.items()]
(HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
