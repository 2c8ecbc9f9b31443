"""Writes image files of every kind with the pixels that Pillow gives, for tests/library/pixels.rs.

    python tests/interop/pixels.py FOLDER          (pip install pillow==13.0.0 numpy)
    python tests/interop/pixels.py FOLDER "" tests/goldens/pixels/files.safetensors     (makes the goldens, too)

FOLDER/KIND/NAME        a file, sound or damaged
FOLDER/KIND/NAME.rgb    exif_transpose(image).convert("RGB"), as `datasets` and a processor load it; none where Pillow refuses
FOLDER/expected.json    for each file its size, or the error

Everything comes from the seed below.
"""

import io
import json
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

OUT = Path(sys.argv[1])
ONLY = sys.argv[2] if len(sys.argv) > 2 else ""
rng = np.random.default_rng(0)
cases = []
warnings.simplefilter("ignore")


def add(name, data):
    """Writes a file and what Pillow makes of it."""
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    case = {"name": name}
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = ImageOps.exif_transpose(image).convert("RGB")
        case |= {"width": pixels.width, "height": pixels.height}
        path.with_name(path.name + ".rgb").write_bytes(pixels.tobytes())
    except Exception as error:
        case["error"] = f"{type(error).__name__}: {error}"
    cases.append(case)


def save(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def noise(width, height, channels=3, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return rng.integers(0, top, (height, width, channels), dtype=dtype, endpoint=True)


def picture(width, height):
    """Smooth shapes with some grain."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform([0.02, 0.02, 0], [0.4, 0.4, 6], (3, 3))]
    pixels = np.stack(waves, -1) * 110 + 128 + rng.normal(0, 6, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def in_mode(mode, width, height):
    image = picture(width, height)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 700, (height, width), dtype=np.uint16))
    if mode == "I":
        return Image.fromarray(rng.integers(-300, 700, (height, width), dtype=np.int32))
    if mode == "F":
        return Image.fromarray(rng.uniform(-100, 400, (height, width)).astype(np.float32))
    if mode == "P":
        return image.quantize(int(rng.integers(2, 256)), method=Image.Quantize.FASTOCTREE)
    if mode in ("LA", "RGBA", "PA"):
        image.putalpha(Image.fromarray(noise(width, height, 1)[:, :, 0]))
        return image.convert(mode) if mode != "PA" else image.convert("RGB").convert("P").convert("PA")
    return image.convert(mode)


SIZES = [(1, 1), (2, 1), (1, 3), (7, 5), (8, 8), (9, 17), (16, 16), (31, 2), (33, 31), (60, 59)]


def sizes(count):
    return [SIZES[i] if i < len(SIZES) else tuple(map(int, rng.integers(1, 61, 2))) for i in range(count)]


def kind(name):
    return not ONLY or name.startswith(ONLY)


# ---------------------------------------------------------------- PNG
MAGIC = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(name, data, crc=0):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ crc)


def header(width, height, depth, colour, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filtered(rows, bpp, filters):
    out, before = b"", None
    for row in rows:
        kind = int(rng.choice(filters))
        above = before or bytes(len(row))
        line = bytearray()
        for i, value in enumerate(row):
            a = row[i - bpp] if i >= bpp else 0
            b, c = above[i], above[i - bpp] if i >= bpp else 0
            line.append((value - [0, a, b, (a + b) // 2, paeth(a, b, c)][kind]) & 255)
        out += bytes([kind]) + bytes(line)
        before = row
    return out


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def image_data(width, height, depth, colour, interlace, filters=(0, 1, 2, 3, 4), top=None):
    """Raw filtered image data of random samples."""
    channels = CHANNELS[colour]
    top = (1 << depth) - 1 if top is None else top
    samples = rng.integers(0, top, (height, width, channels), endpoint=True)
    if depth == 16 and rng.random() < 0.5:
        samples //= 200

    def packed(part):
        rows = []
        for row in part.reshape(part.shape[0], -1):
            if depth == 16:
                rows.append(row.astype(">u2").tobytes())
            elif depth == 8:
                rows.append(row.astype(np.uint8).tobytes())
            else:
                bits = "".join(format(value, f"0{depth}b") for value in row)
                bits += "0" * (-len(bits) % 8)
                rows.append(int(bits, 2).to_bytes(len(bits) // 8, "big"))
        return rows

    bpp = max(1, channels * depth // 8)
    if not interlace:
        return filtered(packed(samples), bpp, filters)
    out = b""
    for x, y, dx, dy in ADAM7:
        part = samples[y::dy, x::dx]
        if part.size:
            out += filtered(packed(part), bpp, filters)
    return out


def split_data(data, pieces):
    cuts = sorted(rng.integers(0, len(data), pieces - 1, endpoint=True)) if pieces > 1 else []
    return b"".join(chunk(b"IDAT", data[a:b]) for a, b in zip([0, *cuts], [*cuts, len(data)]))


def palette(count):
    return chunk(b"PLTE", noise(count, 1).tobytes())


def png(width, height, depth, colour, interlace=0, before=b"", after=b"", pieces=1, colours=None, **options):
    data = zlib.compress(image_data(width, height, depth, colour, interlace, **options))
    if colour == 3:
        before = palette(colours or 1 << depth) + before
    idat = split_data(data, pieces)
    return MAGIC + header(width, height, depth, colour, interlace) + before + idat + after + chunk(b"IEND", b"")


LAYOUTS = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (2, 3), (4, 3), (8, 3), (8, 4), (16, 4), (8, 6), (16, 6)]


def transparency(depth, colour):
    if colour == 0:
        return chunk(b"tRNS", struct.pack(">H", int(rng.integers(0, 1 << depth))))
    if colour == 2:
        return chunk(b"tRNS", rng.integers(0, 1 << depth, 3).astype(">u2").tobytes())
    if colour == 3:
        return chunk(b"tRNS", noise(int(rng.integers(1, 1 << depth, endpoint=True)), 1, 1).tobytes())
    return b""


if kind("png"):
    for depth, colour in LAYOUTS:
        for index, (w, h) in enumerate(sizes(12)):
            interlace = index % 2
            add(f"png/{depth}-{colour}-{index:02}.png", png(w, h, depth, colour, interlace, pieces=index % 4 + 1))
        for index, (w, h) in enumerate(sizes(4)):
            trns = transparency(depth, colour)
            add(f"png/{depth}-{colour}-trns-{index}.png", png(w, h, depth, colour, index % 2, before=trns))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        for index, (w, h) in enumerate(sizes(8)):
            add(f"png/pillow-{mode.replace(';', '')}-{index}.png", save(in_mode(mode, w, h), "PNG"))
    for colours in (1, 2, 5, 100, 255):
        for depth in (1, 2, 4, 8):
            if colours <= 1 << depth:
                add(f"png-palette/short-{depth}-{colours}.png", png(9, 7, depth, 3, colours=colours))
    add("png-palette/long.png", png(9, 7, 2, 3, colours=256))
    idat = chunk(b"IDAT", zlib.compress(image_data(9, 7, 8, 3, 0)))
    add("png-palette/none.png", MAGIC + header(9, 7, 8, 3) + idat + chunk(b"IEND", b""))
    add("png-palette/behind.png", MAGIC + header(9, 7, 8, 3) + idat + palette(256) + chunk(b"IEND", b""))
    odd = palette(10)[:-4]
    add("png-palette/odd.png", MAGIC + header(9, 7, 8, 3) + chunk(b"PLTE", odd[8:-1]) + idat + chunk(b"IEND", b""))

if kind("png-damage"):
    text = chunk(b"tEXt", b"key\0value")
    whole = png(13, 11, 8, 2, before=text, after=chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x")), pieces=3)
    bounds, at = [0, 4, 8], 8
    while at < len(whole):
        length = struct.unpack(">I", whole[at : at + 4])[0]
        bounds += [at + 4, at + 8, at + 8 + length // 2, at + 8 + length, at + 10 + length, at + 12 + length]
        at += 12 + length
    for cut in sorted(set(bounds)):
        add(f"png-damage/cut-{cut:04}.png", whole[:cut])
    for index in range(60):
        at = int(rng.integers(8, len(whole)))
        flipped = bytearray(whole)
        flipped[at] ^= 1 << int(rng.integers(0, 8))
        add(f"png-damage/flip-{at:04}-{index}.png", bytes(flipped))
    data = zlib.compress(image_data(13, 11, 8, 2, 0))
    head, end = MAGIC + header(13, 11, 8, 2), chunk(b"IEND", b"")
    idat = chunk(b"IDAT", data)
    raw = zlib.decompress(data)
    add("png-damage/no-end.png", head + idat)
    add("png-damage/junk-behind.png", head + idat + end + b"junk" * 9)
    add("png-damage/junk-for-end.png", head + idat + b"junk" * 9)
    add("png-damage/data-crc.png", head + chunk(b"IDAT", data, 1) + end)
    add("png-damage/text-crc.png", head + chunk(b"tEXt", b"a\0b", 1) + idat + end)
    add("png-damage/late-text-crc.png", head + idat + chunk(b"tEXt", b"a\0b", 1) + end)
    add("png-damage/end-crc.png", head + idat + chunk(b"IEND", b"", 1))
    add("png-damage/header-crc.png", MAGIC + header(13, 11, 8, 2)[:-1] + b"x" + idat + end)
    add("png-damage/adler.png", head + chunk(b"IDAT", data[:-1] + b"x") + end)
    add("png-damage/no-adler.png", head + chunk(b"IDAT", data[:-4]) + end)
    add("png-damage/rows-missing.png", head + chunk(b"IDAT", zlib.compress(raw[: 40 * 5])) + end)
    add("png-damage/half-row-missing.png", head + chunk(b"IDAT", zlib.compress(raw[:217])) + end)
    add("png-damage/more-rows.png", head + chunk(b"IDAT", zlib.compress(raw + raw)) + end)
    add("png-damage/bad-filter.png", head + chunk(b"IDAT", zlib.compress(b"\x07" + raw[1:])) + end)
    add("png-damage/empty-data.png", head + chunk(b"IDAT", b"") + idat + chunk(b"IDAT", b"") + end)
    add("png-damage/no-data.png", head + end)
    half = len(data) // 2
    add("png-damage/data-divided.png", head + chunk(b"IDAT", data[:half]) + text + chunk(b"IDAT", data[half:]) + end)
    for name in (b"abCd", b"ABCD", b"ab d", b"ABCd"):
        add(f"png-damage/chunk-{name.decode().strip().replace(' ', '_')}.png", head + chunk(name, b"xyz") + idat + end)
        add(f"png-damage/late-{name.decode().strip().replace(' ', '_')}.png", head + idat + chunk(name, b"xyz") + end)
    add("png-damage/late-cut.png", head + idat + chunk(b"abCd", b"xyz" * 9)[:-8])
    add("png-damage/late-text-cut.png", head + idat + chunk(b"tEXt", b"xyz" * 9)[:-8])
    add("png-damage/two-headers.png", head + header(11, 13, 8, 2) + idat + end)
    add("png-damage/zero.png", MAGIC + header(0, 11, 8, 2) + idat + end)
    for depth, colour in ((3, 0), (4, 2), (16, 3), (8, 1), (8, 5), (2, 6)):
        add(f"png-damage/layout-{depth}-{colour}.png", MAGIC + header(13, 11, depth, colour) + idat + end)
    for at, value in ((26, 1), (27, 1), (28, 7)):
        changed = bytearray(head)
        changed[at] = value
        changed[29:33] = struct.pack(">I", zlib.crc32(bytes(changed[12:29])))
        add(f"png-damage/method-{at}.png", bytes(changed) + idat + end)
    profile = zlib.compress(bytes(1000))
    add("png-damage/profile.png", head + chunk(b"iCCP", b"p\0\0" + profile) + idat + end)
    add("png-damage/profile-broken.png", head + chunk(b"iCCP", b"p\0\0" + profile[:-9]) + idat + end)
    add("png-damage/profile-method.png", head + chunk(b"iCCP", b"p\0\1" + profile) + idat + end)
    add("png-damage/profile-long.png", head + chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(2 << 20))) + idat + end)
    add("png-damage/text-long.png", head + chunk(b"zTXt", b"p\0\0" + zlib.compress(bytes(2 << 20))) + idat + end)
    add("png-damage/text-method.png", head + chunk(b"zTXt", b"p\0\1" + profile) + idat + end)
    for name in (b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"tRNS", b"acTL", b"fcTL"):
        add(f"png-damage/short-{name.decode()}.png", head + chunk(name, b"") + idat + end)
        add(f"png-damage/whole-{name.decode()}.png", head + chunk(name, bytes(40)) + idat + end)
    frames = [in_mode("RGBA", 12, 9) for _ in range(3)]
    add("png-damage/animated.png", save(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    add("png-damage/animated-default.png", save(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True))

# ---------------------------------------------------------------- orientation
TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q"}


def tiff(value, kind=3, order="<", count=1, before=(), magic=None):
    """A TIFF structure whose only directory holds the orientation, behind the entries `before`."""
    if kind in (5, 10):
        data = struct.pack(order + ("II" if kind == 5 else "ii"), *(value if isinstance(value, tuple) else (value, 1)))
    elif kind == 2:
        data = (str(value).encode() + b"\0" * 4)[:4]
    else:
        data = struct.pack(order + TYPES[kind] * count, *[value] * count)
    entries = len(before) + 1
    behind = 8 + 2 + 12 * entries + 4
    entry = struct.pack(order + "HHI", 0x112, kind, count)
    entry += data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", behind)
    head = magic or ((b"II*\0" if order == "<" else b"MM\0*"))
    body = b"".join(struct.pack(order + "HHII", *one) for one in before)
    return head + struct.pack(order + "IH", 8, entries) + body + entry + bytes(4) + (data if len(data) > 4 else b"")


XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description {}>{}</rdf:Description></rdf:RDF></x:xmpmeta>'


def xmp(value, element=False):
    if element:
        return XMP.format("", f"<tiff:Orientation>{value}</tiff:Orientation>").encode()
    return XMP.format(f'tiff:Orientation="{value}"', "").encode()


def raw_profile(exif):
    digits = (b"Exif\0\0" + exif).hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"\nexif\n{len(digits) // 2:8}\n{lines}\n".encode()


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def exif_segment(exif):
    return segment(0xE1, b"Exif\0\0" + exif)


def xmp_segment(packet):
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)


def webp_with(exif=None, packet=None, flags=None):
    """An extended WebP with metadata, as libwebp's tools write it."""
    simple = save(upright, "WEBP", lossless=True)
    bits = (8 if exif else 0) | (4 if packet else 0)
    body = b"VP8X" + struct.pack("<I", 10) + bytes([bits if flags is None else flags, 0, 0, 0])
    body += struct.pack("<I", upright.width - 1)[:3] + struct.pack("<I", upright.height - 1)[:3] + simple[12:]
    for name, data in ((b"EXIF", exif), (b"XMP ", packet)):
        if data:
            body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


upright = Image.fromarray(noise(7, 5))

if kind("orientation"):
    jpeg = save(upright, "JPEG", quality=90)
    plain = save(upright, "PNG")
    tag = 8 + 25

    def in_png(*chunks, late=()):
        return plain[:tag] + b"".join(chunks) + plain[tag:-12] + b"".join(late) + plain[-12:]

    def in_jpeg(*segments):
        return jpeg[:2] + b"".join(segments) + jpeg[2:]

    structures = {}
    for value in range(10):
        structures[f"short-{value}"] = tiff(value)
        structures[f"short-big-{value}"] = tiff(value, order=">")
        structures[f"long-{value}"] = tiff(value, 4, "<>"[value % 2])
    for field in (1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16):
        for order in "<>":
            structures[f"type{field}-{'little' if order == '<' else 'big'}"] = tiff(6, field, order)
    structures |= {
        "negative": tiff(-6, 8),
        "half": tiff(6.5, 11),
        "twelve": tiff((12, 2), 5),
        "by-zero": tiff((6, 0), 5),
        "large": tiff(65542, 4),
        "two": tiff(6, 3, count=2),
        "three": tiff(6, 3, count=3),
        "behind-software": tiff(6, before=[(0x131, 2, 4, 0x41414141)]),
        "behind-unknown": tiff(6, before=[(0x131, 99, 4, 0)]),
        "behind-outside": tiff(6, before=[(0x131, 2, 20, 1000)]),
        "behind-too-long": tiff(6, before=[(0x131, 2, 20000, 10)]),
        "behind-orientation": tiff(6, before=[(0x112, 3, 1, 3)]),
        "behind-empty": tiff(6, before=[(0x112, 3, 0, 3)]),
        "magic-swapped": tiff(6, magic=b"II\0*"),
        "header-twice": b"Exif\0\0" + tiff(6),
        "no-next": tiff(6)[:-4],
    }
    for cut in range(0, 26, 3):
        structures[f"cut-{cut:02}"] = tiff(6)[:cut]
    for name, exif in structures.items():
        add(f"orientation-jpeg/{name}.jpg", in_jpeg(exif_segment(exif)))
        add(f"orientation-png/{name}.png", in_png(chunk(b"eXIf", exif)))
        add(f"orientation-webp/{name}.webp", webp_with(exif=exif))
    for value in range(10):
        for element in (False, True):
            packet = xmp(value, element)
            name = f"{'element' if element else 'attribute'}-{value}"
            add(f"orientation-jpeg/xmp-{name}.jpg", in_jpeg(xmp_segment(packet)))
            add(f"orientation-webp/xmp-{name}.webp", webp_with(packet=packet))
            key = b"XML:com.adobe.xmp\0"
            add(f"orientation-png/xmp-{name}.png", in_png(chunk(b"iTXt", key + b"\0\0\0\0" + packet)))
            add(f"orientation-png/xmp-zip-{name}.png", in_png(chunk(b"iTXt", key + b"\1\0\0\0" + zlib.compress(packet))))
            add(f"orientation-png/xmp-text-{name}.png", in_png(chunk(b"tEXt", key + packet)))
            both = in_jpeg(exif_segment(tiff(3)), xmp_segment(packet))
            add(f"orientation-jpeg/exif-and-xmp-{name}.jpg", both)
        profile, key = raw_profile(tiff(value)), b"Raw profile type exif\0"
        add(f"orientation-png/raw-text-{value}.png", in_png(chunk(b"tEXt", key + profile)))
        add(f"orientation-png/raw-ztxt-{value}.png", in_png(chunk(b"zTXt", key + b"\0" + zlib.compress(profile))))
        add(f"orientation-png/raw-itxt-{value}.png", in_png(chunk(b"iTXt", key + b"\0\0\0\0" + profile)))
        add(f"orientation-png/late-{value}.png", in_png(late=[chunk(b"eXIf", tiff(value))]))
        add(f"orientation-png/late-raw-{value}.png", in_png(late=[chunk(b"zTXt", key + b"\0" + zlib.compress(profile))]))
        add(f"orientation-png/text-exif-{value}.png", in_png(chunk(b"tEXt", b"exif\0" + tiff(value))))
        for mode in ("L", "P", "1", "LA", "I;16"):
            image = in_mode(mode, 6, 4)
            exif = Image.Exif()
            exif[0x112] = value
            add(f"orientation-png/mode-{mode.replace(';', '')}-{value}.png", save(image, "PNG", exif=exif))
        image, exif = in_mode("CMYK", 9, 4), Image.Exif()
        exif[0x112] = value
        add(f"orientation-jpeg/cmyk-{value}.jpg", save(image, "JPEG", exif=exif))
        for name, mode in (("rgb", "RGB"), ("gray", "L"), ("bilevel", "1"), ("palette", "P")):
            for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
                if compression != "raw" and value in (0, 9):
                    continue
                data = save(in_mode(mode, 7, 5), "TIFF", compression=compression, tiffinfo={0x112: value})
                add(f"orientation-tiff/{name}-{compression}-{value}.tif", data)
    add("orientation-jpeg/late.jpg", jpeg[:-2] + exif_segment(tiff(6)) + jpeg[-2:])
    add("orientation-jpeg/second-app1.jpg", in_jpeg(exif_segment(tiff(6)), exif_segment(tiff(3))))
    exif = tiff(6)
    add("orientation-jpeg/divided.jpg", in_jpeg(exif_segment(exif[:9]), exif_segment(exif[9:])))
    add("orientation-jpeg/xmp-two.jpg", in_jpeg(xmp_segment(xmp(6)), xmp_segment(xmp(3))))
    add("orientation-jpeg/bytes-hide-xmp.jpg", in_jpeg(exif_segment(tiff(6, 1)), xmp_segment(xmp(3))))
    add("orientation-jpeg/xmp-spaces.jpg", in_jpeg(xmp_segment(xmp(3).replace(b'="3', b' = "3'))))
    add("orientation-jpeg/xmp-quote.jpg", in_jpeg(xmp_segment(xmp(3).replace(b'"', b"'"))))
    for flags in (0, 4, 8, 12, 16, 40):
        add(f"orientation-webp/flags-{flags}.webp", webp_with(exif=tiff(6), packet=xmp(3), flags=flags))
    frames = [picture(20, 12), picture(20, 12)]
    for value in (1, 3, 6):
        exif = Image.Exif()
        exif[0x112] = value
        add(f"orientation-jpeg/mpo-{value}.jpg", save(frames[0], "MPO", save_all=True, append_images=frames[1:], exif=exif))

# ---------------------------------------------------------------- JPEG
def jpeg_bounds(data):
    """Where segments begin and end, and some places in the scans."""
    bounds, at = [2], 2
    while at < len(data) - 1:
        if data[at] != 0xFF or data[at + 1] in (0, 0xFF):
            at += 1
            continue
        marker = data[at + 1]
        if marker == 0xD9 or 0xD0 <= marker <= 0xD7:
            bounds += [at, at + 1, at + 2]
            at += 2
            continue
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        bounds += [at, at + 1, at + 2, at + 3, at + 4, at + 2 + length // 2, at + 2 + length]
        at += 2 + length
    return sorted(set(bounds))


def ycck(data):
    """The same CMYK JPEG said to be YCCK by Adobe's marker."""
    at = data.index(b"Adobe")
    return data[: at + 11] + b"\2" + data[at + 12 :]


def sampled(data, *factors):
    """The JPEG with other sampling factors in its frame header: the data then mean other blocks."""
    at = next(i for i in range(len(data)) if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC1, 0xC2))
    changed = bytearray(data)
    for index, factor in enumerate(factors):
        changed[at + 11 + index * 3] = factor
    return bytes(changed)


if kind("jpeg"):
    for index, (w, h) in enumerate(sizes(60)):
        quality = [1, 10, 50, 75, 90, 95, 100][index % 7]
        for subsampling in (0, 1, 2):
            for progressive in (False, True):
                options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
                if index % 3 == 1:
                    options["restart_marker_blocks"] = 1 + index % 5
                if index % 3 == 2:
                    options["optimize"] = True
                name = f"jpeg/{index:02}-{subsampling}{'-progressive' if progressive else ''}.jpg"
                add(name, save(picture(w, h), "JPEG", **options))
    for mode in ("L", "CMYK"):
        for index, (w, h) in enumerate(sizes(12)):
            data = save(in_mode(mode, w, h), "JPEG", quality=85, progressive=index % 2 == 1)
            add(f"jpeg/{mode}-{index:02}.jpg", data)
            if mode == "CMYK":
                add(f"jpeg/YCCK-{index:02}.jpg", ycck(data))
    for index, (w, h) in enumerate(sizes(8)):
        data = save(picture(w, h), "JPEG", quality=85, keep_rgb=True)
        add(f"jpeg/rgb-{index}.jpg", data)
        gray = save(in_mode("L", w, h), "JPEG", quality=85)
        for factor in (0x12, 0x21, 0x22, 0x44):
            add(f"jpeg/gray-{factor:x}-{index}.jpg", sampled(gray, factor))
    for first in ("", "JFIF", "Adobe0", "Adobe1", "Adobe2", "none-123", "none-RGB"):
        data = save(picture(17, 9), "JPEG", quality=85, subsampling=0)
        start = 4 + struct.unpack(">H", data[4:6])[0]
        adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([int(first[-1]) if first.startswith("Adobe") else 0]))
        body = bytearray(data[start:])
        if first == "none-RGB":
            at = body.index(b"\xff\xc0")
            for index, letter in enumerate(b"RGB"):
                body[at + 10 + 3 * index] = letter
            at = body.index(b"\xff\xda")
            for index, letter in enumerate(b"RGB"):
                body[at + 5 + 2 * index] = letter
        add(f"jpeg/colour-{first or 'plain'}.jpg", b"\xff\xd8" + (adobe if first.startswith("Adobe") else b"") + bytes(body))

if kind("jpeg-layout"):
    base = save(picture(48, 40), "JPEG", quality=85, subsampling=0)
    triples = [(y, 0x11, 0x11) for y in (0x12, 0x14, 0x41, 0x42, 0x24, 0x44, 0x13, 0x31, 0x33, 0x22, 0x21)]
    triples += [(0x11, 0x22, 0x11), (0x22, 0x21, 0x21), (0x22, 0x12, 0x12), (0x22, 0x22, 0x11), (0x21, 0x21, 0x21), (0x22, 0x22, 0x22)]
    triples += [(0x42, 0x21, 0x11), (0x11, 0x11, 0x22), (0x32, 0x11, 0x11), (0x21, 0x12, 0x11), (0x01, 0x11, 0x11), (0x51, 0x11, 0x11)]
    for triple in triples:
        add("jpeg-layout/" + "-".join(f"{one:02x}" for one in triple) + ".jpg", sampled(base, *triple))
    cmyk = save(in_mode("CMYK", 40, 24), "JPEG", quality=85)
    for four in [(0x22, 0x11, 0x11, 0x22), (0x11, 0x11, 0x11, 0x22), (0x21, 0x11, 0x11, 0x11), (0x22, 0x22, 0x22, 0x11)]:
        add("jpeg-layout/" + "-".join(f"{one:02x}" for one in four) + ".jpg", sampled(cmyk, *four))

if kind("jpeg-odd"):
    base = save(Image.fromarray(noise(40, 24)), "JPEG", quality=70, restart_marker_blocks=2)
    gray = save(in_mode("L", 20, 20), "JPEG", quality=70)
    progressive = save(picture(40, 24), "JPEG", quality=70, progressive=True)
    for name, data in (("rgb", base), ("gray", gray), ("progressive", progressive)):
        starts, at = [], 2
        while True:
            starts.append(at)
            if data[at + 1] == 0xDA:
                break
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        scan = at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        for index, at in enumerate(starts):
            for label, stray in (("ff00", b"\xff\0"), ("two", b"\0\0"), ("one", b"\x12"), ("fill", b"\xff\xff"), ("rst", b"\xff\xd3"),
                                 ("tem", b"\xff\x01"), ("com", segment(0xFE, b"hello")), ("mixed", b"\x01\xff\0\xff\x02\0")):
                add(f"jpeg-odd/{name}-{label}-{index:02}.jpg", data[:at] + stray + data[at:])
        for label, stray in (("three", b"\x12\x34\x56"), ("ff00", b"\xff\0"), ("fill", b"\xff\xff"), ("zeros", bytes(40)), ("rst", b"\xff\xd0"),
                             ("com", segment(0xFE, b"hello")), ("eoi", b"\xff\xd9")):
            add(f"jpeg-odd/{name}-before-end-{label}.jpg", data[:-2] + stray + data[-2:])
            add(f"jpeg-odd/{name}-behind-end-{label}.jpg", data + stray)
        for step in range(1, 16):
            at = scan + (len(data) - scan) * step // 16
            add(f"jpeg-odd/{name}-eoi-at-{step:02}.jpg", data[:at] + b"\xff\xd9")
            add(f"jpeg-odd/{name}-cut-at-{step:02}.jpg", data[:at])
        for missing in range(1, 6):
            add(f"jpeg-odd/{name}-lacks-{missing}.jpg", data[:-missing])
        add(f"jpeg-odd/{name}-twice.jpg", data + data)
        add(f"jpeg-odd/{name}-no-end-twice.jpg", data[:-2] + data)
    markers = [i for i in range(len(base) - 1) if base[i] == 0xFF and 0xD0 <= base[i + 1] <= 0xD7]
    for index, at in enumerate(markers[:6]):
        add(f"jpeg-odd/rst-gone-{index}.jpg", base[:at] + base[at + 2 :])
        add(f"jpeg-odd/rst-twice-{index}.jpg", base[:at] + base[at : at + 2] + base[at:])
        changed = bytearray(base)
        changed[at + 1] = 0xD0 + (changed[at + 1] - 0xD0 + 1 + index) % 8
        add(f"jpeg-odd/rst-other-{index}.jpg", bytes(changed))
        add(f"jpeg-odd/rst-stray-{index}.jpg", base[:at] + b"\x12\x34" + base[at:])
        add(f"jpeg-odd/rst-fill-{index}.jpg", base[:at] + b"\xff\xff" + base[at:])
    for marker in (0xC4, 0xDB, 0xC0, 0xDD):
        at = base.index(bytes([0xFF, marker]))
        length = 2 + struct.unpack(">H", base[at + 2 : at + 4])[0]
        add(f"jpeg-odd/lacks-{marker:x}.jpg", base[:at] + base[at + length :])
    at = base.index(b"\xff\xc0")
    for marker in (0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCA, 0xCB):
        add(f"jpeg-odd/frame-{marker:x}.jpg", base[: at + 1] + bytes([marker]) + base[at + 2 :])
    for offset, value in ((4, 12), (4, 16), (9, 2), (9, 5)):
        changed = bytearray(base)
        changed[at + offset] = value
        add(f"jpeg-odd/frame-at-{offset}-{value}.jpg", bytes(changed))
    for offset in (5, 7):
        changed = bytearray(base)
        changed[at + offset : at + offset + 2] = b"\0\0"
        add(f"jpeg-odd/zero-{offset}.jpg", bytes(changed))
        for value in (1, 10, 90):
            changed[at + offset : at + offset + 2] = bytes([0, value])
            add(f"jpeg-odd/size-{offset}-{value}.jpg", bytes(changed))

if kind("jpeg-cut"):
    for name, data in (
        ("rgb", save(picture(33, 17), "JPEG", quality=60, restart_marker_blocks=3)),
        ("progressive", save(picture(33, 17), "JPEG", quality=60, progressive=True)),
    ):
        for cut in jpeg_bounds(data):
            add(f"jpeg-cut/{name}-{cut:04}.jpg", data[:cut])
            add(f"jpeg-cut/{name}-{cut:04}-eoi.jpg", data[:cut] + b"\xff\xd9")

if kind("jpeg-flip"):
    for name, data in (
        ("rgb", save(picture(40, 30), "JPEG", quality=80)),
        ("restarts", save(picture(40, 30), "JPEG", quality=80, restart_marker_blocks=2)),
        ("progressive", save(picture(40, 30), "JPEG", quality=80, progressive=True)),
    ):
        for index in range(60):
            at = int(rng.integers(2, len(data)))
            flipped = bytearray(data)
            flipped[at] ^= 1 << int(rng.integers(0, 8))
            add(f"jpeg-flip/{name}-{index:02}-{at:04}.jpg", bytes(flipped))

# ---------------------------------------------------------------- WebP
if kind("webp"):
    for index, (w, h) in enumerate(sizes(40)):
        mode = ["RGB", "RGBA", "L", "P"][index % 4]
        add(f"webp/lossless-{index:02}.webp", save(in_mode(mode, w, h), "WEBP", lossless=True, exact=index % 2 == 0))
        add(f"webp-lossy/{index:02}.webp", save(in_mode(["RGB", "RGBA"][index % 2], w, h), "WEBP", quality=[1, 30, 75, 90, 100][index % 5]))
    for index in range(6):
        frames = [in_mode(["RGB", "RGBA"][index % 2], 21, 14) for _ in range(3)]
        data = save(frames[0], "WEBP", lossless=True, save_all=True, append_images=frames[1:], background=(9, 99, 199, 255))
        add(f"webp/animated-{index}.webp", data)
    data = save(picture(20, 20), "WEBP", lossless=True)
    for cut in (0, 4, 8, 12, 16, 20, 21, 25, len(data) // 2, len(data) - 2, len(data) - 1):
        add(f"webp/cut-{cut}.webp", data[:cut])
    add("webp/junk-behind.webp", data + b"junk")

# ---------------------------------------------------------------- GIF
def gif_data(indices, bits):
    """LZW codes that never grow: a clear code before each two pixels."""
    size = max(2, bits)
    clear, end = 1 << size, (1 << size) + 1
    codes = []
    for start in range(0, len(indices), 2):
        codes += [clear, *indices[start : start + 2]]
    codes.append(end)
    value = length = 0
    for code in codes:
        value |= code << length
        length += size + 1
    packed = value.to_bytes((length + 7) // 8, "little")
    blocks = b"".join(bytes([len(packed[i : i + 255])]) + packed[i : i + 255] for i in range(0, len(packed), 255))
    return bytes([size]) + blocks + b"\0"


def gif(width, height, bits=4, place=None, transparent=None, local=False, interlace=False, ramp=False, table=True, background=0,
        disposal=0, version=b"GIF89a", end=b";", frames=1, cut=None):
    def colours():
        if ramp:
            return bytes(level for index in range(1 << bits) for level in [index] * 3)
        return noise(1 << bits, 1).tobytes()

    left, top, w, h = place or (0, 0, width, height)
    out = version + struct.pack("<HHBBB", width, height, (0x80 if table else 0) | bits - 1, background, 0)
    if table:
        out += colours()
    for _ in range(frames):
        if transparent is not None or disposal:
            out += b"!\xf9\4" + struct.pack("<BHB", (1 if transparent is not None else 0) | disposal << 2, 0, transparent or 0) + b"\0"
        out += b"," + struct.pack("<HHHHB", left, top, w, h, (0x80 if local else 0) | (0x40 if interlace else 0) | bits - 1)
        if local:
            out += colours()
        indices = rng.integers(0, 1 << bits, w * h).tolist()
        out += gif_data(indices if cut is None else indices[:cut], bits)
    return out + end


if kind("gif"):
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        for index, (w, h) in enumerate(sizes(12)):
            add(f"gif/pillow-{mode}-{index:02}.gif", save(in_mode(mode, w, h), "GIF", interlace=index % 2))
    for bits in range(1, 9):
        for options in ({}, {"transparent": 1}, {"local": True}, {"interlace": True}, {"ramp": True}, {"table": False}, {"background": 1},
                        {"place": (3, 2, 9, 7)}, {"place": (3, 2, 9, 7), "transparent": 1}, {"place": (3, 2, 9, 7), "background": 1},
                        {"place": (5, 5, 20, 20)}, {"place": (5, 5, 20, 20), "transparent": 0}, {"disposal": 2, "transparent": 1},
                        {"disposal": 3}, {"place": (0, 0, 9, 7), "local": True, "ramp": True}, {"place": (3, 2, 9, 7), "local": True}, {"table": False, "local": True}):
            name = "-".join(f"{key}{value if not isinstance(value, tuple) else 'x'.join(map(str, value))}" for key, value in options.items())
            add(f"gif/hand-{bits}-{name or 'plain'}.gif", gif(16, 12, bits, **options))
    add("gif/two-frames.gif", gif(16, 12, frames=2))
    add("gif/no-end.gif", gif(16, 12, end=b""))
    add("gif/old.gif", gif(16, 12, version=b"GIF87a"))
    add("gif/pixels-missing.gif", gif(16, 12, cut=50))
    add("gif/no-image.gif", gif(16, 12, frames=0))
    add("gif/transparent-outside.gif", gif(16, 12, 2, place=(3, 2, 9, 7), transparent=200))
    frames = [in_mode("P", 30, 20) for _ in range(3)]
    add("gif/animated.gif", save(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    for name, data in (("hand", gif(16, 12)), ("pillow", save(in_mode("P", 30, 20), "GIF")), ("interlaced", save(in_mode("P", 30, 20), "GIF", interlace=1))):
        for cut in sorted({6, 10, 13, 14, 30, 60, 61, 62, 63, 70, 71, 72, *range(80, len(data), max(1, len(data) // 25)), len(data) - 3, len(data) - 2, len(data) - 1}):
            if cut < len(data):
                add(f"gif/cut-{name}-{cut:04}.gif", data[:cut])
    data = save(in_mode("P", 40, 30), "GIF")
    for index in range(40):
        at = int(rng.integers(6, len(data)))
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(0, 8))
        add(f"gif-flip/{index:02}-{at:04}.gif", bytes(flipped))

# ---------------------------------------------------------------- BMP
def bmp(width, height, bits, compression=0, masks=(), size=40, colours=0, palette=None, data=None, down=False, offset=None):
    stride = (width * bits + 31) // 32 * 4
    if size == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", size, width, -height if down else height, 1, bits, compression, 0, 2835, 2835, colours, 0)
        info += b"".join(struct.pack("<I", mask) for mask in masks)
        if size > 40:
            info = info[:size].ljust(size, b"\0")
    if bits <= 8:
        each = 3 if size == 12 else 4
        count = colours or 1 << bits
        info += noise(count, 1, each).tobytes() if palette is None else palette
    body = rng.integers(0, 256, stride * height, dtype=np.uint8).tobytes() if data is None else data
    start = 14 + len(info) if offset is None else offset
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(body), 0, 0, start) + info + body


def rle(width, height, bits):
    out = b""
    for _ in range(height):
        x = 0
        while x < width:
            left = width - x
            if rng.random() < 0.5 or left < 3:
                count = int(rng.integers(1, left, endpoint=True))
                out += bytes([count, int(rng.integers(0, 256))])
            else:
                count = int(rng.integers(3, min(left, 200), endpoint=True))
                length = count if bits == 8 else (count + 1) // 2
                out += bytes([0, count]) + rng.integers(0, 256, length, dtype=np.uint8).tobytes() + b"\0" * (length % 2)
            x += count
        out += b"\0\0"
    return out + b"\0\1"


if kind("bmp"):
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        for index, (w, h) in enumerate(sizes(10)):
            add(f"bmp/pillow-{mode}-{index:02}.bmp", save(in_mode(mode, w, h), "BMP"))
    for bits in (1, 4, 8, 16, 24, 32):
        for index, (w, h) in enumerate(sizes(8)):
            add(f"bmp/{bits}-{index}.bmp", bmp(w, h, bits, down=index % 2 == 1))
            if bits != 16 and bits != 32:
                add(f"bmp/{bits}-old-{index}.bmp", bmp(w, h, bits, size=12))
    rgb = {
        "565": (16, (0xF800, 0x7E0, 0x1F)), "555": (16, (0x7C00, 0x3E0, 0x1F)), "444": (16, (0xF00, 0xF0, 0xF)), "24": (24, (0xFF0000, 0xFF00, 0xFF)),
        "bgrx": (32, (0xFF0000, 0xFF00, 0xFF, 0)), "xbgr": (32, (0xFF000000, 0xFF0000, 0xFF00, 0)), "bgxr": (32, (0xFF000000, 0xFF00, 0xFF, 0)),
        "abgr": (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)), "rgba": (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), "bgra": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
        "bgar": (32, (0xFF000000, 0xFF00, 0xFF, 0xFF0000)), "zero": (32, (0, 0, 0, 0)), "odd": (32, (0xFF, 0xFF00, 0xFF0000, 0)),
    }
    for name, (bits, masks) in rgb.items():
        for size in (40, 52, 56, 64, 108, 124):
            for w, h in ((5, 3), (16, 9)):
                add(f"bmp/fields-{name}-{size}-{w}.bmp", bmp(w, h, bits, 3, masks[:3] if size == 40 else masks, size))
    for size in (16, 64, 108, 124, 41):
        add(f"bmp/header-{size}.bmp", bmp(9, 7, 24, size=size))
    gray = {bits: b"".join(bytes([level, level, level, 0]) for level in range(1 << bits)) for bits in (1, 4, 8)}
    gray[1] = b"\0\0\0\0\xff\xff\xff\0"
    for bits, colours in gray.items():
        add(f"bmp/gray-{bits}.bmp", bmp(19, 11, bits, palette=colours))
        add(f"bmp/gray-reversed-{bits}.bmp", bmp(19, 11, bits, palette=b"".join(colours[i : i + 4] for i in range(len(colours) - 4, -1, -4))))
    for colours in (1, 2, 3, 16, 200, 256, 300):
        for bits in (1, 4, 8):
            add(f"bmp/colours-{bits}-{colours}.bmp", bmp(19, 11, bits, colours=colours))
            add(f"bmp/colours-gray-{bits}-{colours}.bmp", bmp(19, 11, bits, colours=colours, palette=b"".join(bytes([i & 255] * 3 + [0]) for i in range(colours))))
    for bits, compression in ((8, 1), (4, 2)):
        for index, (w, h) in enumerate(sizes(12)):
            add(f"bmp/rle{bits}-{index:02}.bmp", bmp(w, h, bits, compression, data=rle(w, h, bits), down=index % 5 == 4))
        add(f"bmp/rle{bits}-delta.bmp", bmp(9, 7, bits, compression, data=b"\x03\x11\0\2\2\1\x04\x22\0\0\0\1"))
        add(f"bmp/rle{bits}-early.bmp", bmp(9, 7, bits, compression, data=b"\x03\x11\0\1"))
        add(f"bmp/rle{bits}-long.bmp", bmp(9, 7, bits, compression, data=b"\xff\x11" * 9 + b"\0\1"))
        add(f"bmp/rle{bits}-none.bmp", bmp(9, 7, bits, compression, data=b""))
        add(f"bmp/rle{bits}-full.bmp", bmp(9, 7, bits, compression, data=b"\x09\x11\0\0" * 7 + b"\0\1"))
        add(f"bmp/rle{bits}-gray.bmp", bmp(9, 7, bits, compression, data=b"\x09\x11\0\0" * 7 + b"\0\1", palette=gray[bits]))
    for compression in (4, 5, 6, 11):
        add(f"bmp/compression-{compression}.bmp", bmp(9, 7, 24, compression))
    add("bmp/bits-2.bmp", bmp(9, 7, 2))
    add("bmp/far.bmp", bmp(9, 7, 24, offset=58, data=bytes(4) + bytes(range(196))))
    add("bmp/no-offset.bmp", bmp(9, 7, 24, offset=0))
    for bits in (1, 8, 24, 32):
        data = bmp(13, 6, bits)
        for cut in sorted({2, 10, 14, 18, 30, 53, 54, 55, 58, len(data) // 2, len(data) - 40, len(data) - 2, len(data) - 1}):
            add(f"bmp/cut-{bits}-{cut:04}.bmp", data[:cut])
        add(f"bmp/junk-{bits}.bmp", data + b"junk")

# ---------------------------------------------------------------- TIFF
def hand_tiff(width, height, photometric, bits, data, order="<", extra=(), format=None, compression=1, planar=1, rows=None, tile=None, fill=1,
              colours=None, big=False, predictor=None, samples=None):
    """A TIFF of one directory: `data` is a list of the strips or tiles, already compressed."""
    count = samples or len(bits)
    entries = [(256, 4, [width]), (257, 4, [height]), (258, 3, bits), (259, 3, [compression]), (262, 3, [photometric]), (277, 3, [count])]
    if fill != 1:
        entries.append((266, 3, [fill]))
    if planar != 1:
        entries.append((284, 3, [planar]))
    if extra:
        entries.append((338, 3, list(extra)))
    if format:
        entries.append((339, 3, format))
    if predictor:
        entries.append((317, 3, [predictor]))
    if colours:
        entries.append((320, 3, colours))
    lengths = [len(one) for one in data]
    if tile:
        entries += [(322, 4, [tile[0]]), (323, 4, [tile[1]]), (324, 4, None), (325, 4, lengths)]
    else:
        entries += [(273, 4, None), (278, 4, [rows or height]), (279, 4, lengths)]
    entries.sort()
    offsets, at = [], 16 if big else 8
    for length in lengths:
        offsets.append(at)
        at += length + length % 2
    body = b"".join(one + b"\0" * (len(one) % 2) for one in data)
    table = b""
    behind = at + ((8 + 20 * len(entries) + 8) if big else (2 + 12 * len(entries) + 4))
    more = b""
    for tag, kind_, values in entries:
        values = offsets if values is None else values
        packed = struct.pack(order + ("H" if kind_ == 3 else "I") * len(values), *values)
        room = 8 if big else 4
        if len(packed) > room:
            value = struct.pack(order + ("Q" if big else "I"), behind + len(more))
            more += packed
        else:
            value = packed.ljust(room, b"\0")
        table += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind_, len(values)) + value
    mark = b"II" if order == "<" else b"MM"
    if big:
        return mark + struct.pack(order + "HHHQ", 43, 8, 0, at) + body + struct.pack(order + "Q", len(entries)) + table + bytes(8) + more
    return mark + struct.pack(order + "HI", 42, at) + body + struct.pack(order + "H", len(entries)) + table + bytes(4) + more


if kind("tiff"):
    compressions = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group3", "group4", "tiff_raw_16", "lzma", "zstd", "webp"]
    for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"):
        for compression in compressions:
            for index, (w, h) in enumerate(sizes(9)[3:]):
                try:
                    options = {"quality": 80} if compression == "jpeg" else {}
                    data = save(in_mode(mode, w, h), "TIFF", compression=compression, **options)
                except Exception:
                    continue
                add(f"tiff/{mode.replace(';', '')}-{compression}-{index}.tif", data)
    for index, (w, h) in enumerate(sizes(6)):
        for predictor in (1, 2):
            for compression in ("tiff_lzw", "tiff_adobe_deflate"):
                for mode in ("L", "RGB", "RGBA", "I;16"):
                    data = save(in_mode(mode, w, h), "TIFF", compression=compression, tiffinfo={317: predictor})
                    add(f"tiff/predictor{predictor}-{mode.replace(';', '')}-{compression}-{index}.tif", data)
    frames = [picture(20, 10), picture(12, 30)]
    add("tiff/two-pages.tif", save(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    add("tiff/big.tif", save(picture(20, 10), "TIFF", big_tiff=True))
    layouts = {
        "gray1": (1, [1], ()), "white1": (0, [1], ()), "gray2": (1, [2], ()), "gray4": (1, [4], ()), "white4": (0, [4], ()), "gray8": (1, [8], ()),
        "white8": (0, [8], ()), "gray16": (1, [16], ()), "white16": (0, [16], ()), "gray12": (1, [12], ()), "gray32": (1, [32], ()), "rgb8": (2, [8] * 3, ()),
        "rgb16": (2, [16] * 3, ()), "rgba8": (2, [8] * 4, (2,)), "rgba16": (2, [16] * 4, (2,)), "rgbx8": (2, [8] * 4, (0,)), "rgba-premultiplied": (2, [8] * 4, (1,)),
        "rgba-missing": (2, [8] * 4, ()), "la8": (1, [8, 8], (2,)), "lx8": (1, [8, 8], (0,)), "lpremultiplied": (1, [8, 8], (1,)), "palette8": (3, [8], ()),
        "palette4": (3, [4], ()), "palette2": (3, [2], ()), "palette1": (3, [1], ()), "cmyk8": (5, [8] * 4, ()), "cmyk16": (5, [16] * 4, ()), "ycc8": (6, [8] * 3, ()),
        "lab8": (8, [8] * 3, ()), "rgb-mixed": (2, [8, 8, 16], ()), "rgb4": (2, [4] * 3, ()), "gray64": (1, [64], ()), "rgb5": (2, [8] * 5, (0, 0)),
        "rgba-premultiplied16": (2, [16] * 4, (1,)),
    }
    for name, (photometric, bits, extra) in layouts.items():
        for order in "<>":
            w, h = 11, 9
            colours = rng.integers(0, 65536, 3 << bits[0]).tolist() if photometric == 3 else None
            stride = (w * sum(bits) + 7) // 8
            rows = [rng.integers(0, 256, stride, dtype=np.uint8).tobytes() for _ in range(h)]
            mark = "little" if order == "<" else "big"
            common = {"order": order, "extra": extra, "colours": colours}
            add(f"tiff-layout/{name}-{mark}.tif", hand_tiff(w, h, photometric, bits, [b"".join(rows)], **common))
            strips = [b"".join(rows[i : i + 4]) for i in range(0, h, 4)]
            add(f"tiff-layout/{name}-{mark}-strips.tif", hand_tiff(w, h, photometric, bits, strips, rows=4, **common))
            packed = [zlib.compress(strip) for strip in strips]
            add(f"tiff-layout/{name}-{mark}-deflate.tif", hand_tiff(w, h, photometric, bits, packed, rows=4, compression=8, **common))
            tile = (16 * sum(bits) + 7) // 8 * 16
            tiles = [rng.integers(0, 256, tile, dtype=np.uint8).tobytes() for _ in range(4)]
            add(f"tiff-layout/{name}-{mark}-tiles.tif", hand_tiff(21, 19, photometric, bits, tiles, tile=(16, 16), **common))
            packed = [zlib.compress(one) for one in tiles]
            add(f"tiff-layout/{name}-{mark}-tiles-deflate.tif", hand_tiff(21, 19, photometric, bits, packed, tile=(16, 16), compression=8, **common))
            if len(bits) > 1:
                planes = [rng.integers(0, 256, (w * bit + 7) // 8 * h, dtype=np.uint8).tobytes() for bit in bits]
                add(f"tiff-layout/{name}-{mark}-planes.tif", hand_tiff(w, h, photometric, bits, planes, planar=2, **common))
                packed = [zlib.compress(one) for one in planes]
                add(f"tiff-layout/{name}-{mark}-planes-deflate.tif", hand_tiff(w, h, photometric, bits, packed, planar=2, compression=8, **common))
            if max(bits) <= 8 and len(bits) == 1:
                add(f"tiff-layout/{name}-{mark}-fill2.tif", hand_tiff(w, h, photometric, bits, [b"".join(rows)], fill=2, **common))
            add(f"tiff-layout/{name}-{mark}-bigtiff.tif", hand_tiff(w, h, photometric, bits, [b"".join(rows)], big=True, **common))
    for name, bits, format in (("signed8", [8], [2]), ("signed16", [16], [2]), ("signed32", [32], [2]), ("float32", [32], [3]), ("float16", [16], [3]), ("float64", [64], [3])):
        for order in "<>":
            data = rng.normal(100, 120, 99).astype(order + "f4").tobytes() if name == "float32" else rng.integers(-200, 600, 99).astype(order + {8: "i1", 16: "i2", 32: "i4", 64: "i8"}[bits[0]]).tobytes()
            add(f"tiff-layout/{name}-{'little' if order == '<' else 'big'}.tif", hand_tiff(11, 9, 1, bits, [data], order=order, format=format))
    for name, compression in (("raw", "raw"), ("lzw", "tiff_lzw"), ("deflate", "tiff_adobe_deflate"), ("packbits", "packbits")):
        data = save(picture(20, 14), "TIFF", compression=compression)
        for cut in sorted({2, 4, 8, 9, 20, *range(30, len(data), len(data) // 12), len(data) - 2, len(data) - 1}):
            add(f"tiff-damage/cut-{name}-{cut:04}.tif", data[:cut])
        for index in range(15):
            at = int(rng.integers(4, len(data)))
            flipped = bytearray(data)
            flipped[at] ^= 1 << int(rng.integers(0, 8))
            add(f"tiff-damage/flip-{name}-{index:02}-{at:04}.tif", bytes(flipped))

# ---------------------------------------------------------------- others
if kind("other"):
    for name, data in {"empty": b"", "text": b"not an image\n", "html": b"<!DOCTYPE html><p>gone", "zeros": bytes(500), "jpeg-magic": b"\xff\xd8\xff", "png-magic": MAGIC,
                       "gif-magic": b"GIF89a", "bm": b"BM", "tiff-magic": b"II*\0", "riff": b"RIFF\4\0\0\0WEBP"}.items():
        add(f"other/{name}.jpg", data)

# ---------------------------------------------------------------- cases of public bug reports
if kind("case"):
    half = np.zeros((48, 48, 3), np.uint8)
    half[:24], half[24:] = (250, 0, 0), (0, 0, 250)
    jpeg = save(Image.fromarray(half), "JPEG", quality=95)
    plain = save(Image.fromarray(half), "PNG")
    add("case-01/0-no-exif.jpg", jpeg)
    add("case-01/1-short.jpg", jpeg[:2] + exif_segment(tiff(6)) + jpeg[2:])
    add("case-01/2-long.jpg", jpeg[:2] + exif_segment(tiff(6, 4)) + jpeg[2:])
    add("case-01/3-eXIf.png", plain[:33] + chunk(b"eXIf", tiff(6)) + plain[33:])
    data = save(Image.fromarray(noise(24, 24)), "JPEG")
    behind = 4 + struct.unpack(">H", data[4:6])[0]
    scan = data.index(b"\xff\xda")
    middle = scan + (len(data) - scan) // 2
    add("case-10/a-ff00-in-header.jpg", data[:behind] + b"\xff\0" + data[behind:])
    add("case-10/b-two-stray-bytes.jpg", data[:behind] + b"\0\0" + data[behind:])
    add("case-10/c-scan-cut-with-eoi.jpg", data[:middle] + b"\xff\xd9")
    add("case-10/d-bytes-before-eoi.jpg", data[:-2] + b"\x12\x34\x56" + data[-2:])
    add("case-10/e-cut-without-eoi.jpg", data[:middle])
    add("case-10/f-good.jfif", data)


def write_goldens(path, each=9, most=1600):
    """A safetensors file of small files of each kind, evenly chosen, and their pixels."""
    kinds = {}
    for case in cases:
        kinds.setdefault(case["name"].split("/")[0], []).append(case)
    tensors = {}
    for name, group in sorted(kinds.items()):
        size = lambda case: 3 * case.get("width", 0) * case.get("height", 0)
        files = [case for case in group if (OUT / case["name"]).stat().st_size <= most and size(case) <= most]
        if name.startswith("case-"):
            files = group
        for index in np.unique(np.linspace(0, len(files) - 1, min(each, len(files))).astype(int)):
            case = files[index]
            tensors[case["name"]] = ([], (OUT / case["name"]).read_bytes())
            if "width" in case:
                shape = [case["height"], case["width"], 3]
                tensors[case["name"] + ".rgb"] = (shape, (OUT / (case["name"] + ".rgb")).read_bytes())
    header, at = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "U8", "shape": shape or [len(data)], "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values()))


(OUT / "expected.json").write_text(json.dumps(cases, indent=0))
refused = sum("error" in case for case in cases)
print(f"{len(cases)} files, {refused} of them refused by Pillow {Image.__version__}")
if len(sys.argv) > 3:
    write_goldens(sys.argv[3])
