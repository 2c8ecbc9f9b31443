"""The Python reader on a cache that the program made. `make interop` runs it; DECANT names the program.

    DECANT=target/debug/decant python -m unittest discover tests/python
"""

import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from decant import Cache, Damage, Mismatch, epoch_order, view_orders  # noqa: E402

PIPELINE = """
[dataset]
source = "images"
[teacher]
model = "embedded:leaves"
[cache]
views = 3
temperatures = [1.0, 5.0]
shard-rows = 16
[student]
width = 0.35
image-size = 32
[train]
temperature = 5.0
epochs = 2
batch-size = 8
"""


def decant(*arguments: str, cwd: str) -> str:
    return subprocess.run([os.environ["DECANT"], *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


class Workshop:
    """Images of several shapes, formats and orientations in a folder, and a cache of them."""

    def __init__(self, *sets: str, pipeline: str = PIPELINE):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.path = Path(self.folder.name)
        rng = np.random.default_rng(0)
        for split, count in (("train", 6), ("validation", 4), ("test", 4)):
            for at, label in enumerate(("angular_leaf_spot", "bean_rust", "healthy")):
                folder = self.path / "images" / split / label
                folder.mkdir(parents=True)
                for index in range(count):
                    width, height = rng.integers(20, 400, 2)
                    image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
                    exif = Image.Exif()
                    exif[274] = 1 + (index + at) % 8
                    kind = ("jpg", "png", "webp")[index % 3]
                    image.save(folder / f"{index}.{kind}", exif=exif)
        (self.path / "my.toml").write_text(pipeline)
        decant("teacher-cache", "-p", "my.toml", *(word for one in sets for word in ("--set", one)), cwd=self.folder.name)
        [self.cache] = (self.path / "cache").glob("my-*")
        unittest.addModuleCleanup(self.folder.cleanup)
        self.images = self.path / "images"


class Reader(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workshop = Workshop()
        cls.cache = Cache(cls.workshop.cache)

    def test_every_view_is_replayed_to_the_teachers_pixels(self):
        shapes = set()
        for name in self.cache.splits:
            split = self.cache.split(name)
            images = split.images(self.workshop.images)
            for row in range(len(split)):
                shapes.add(images.pixels(row).size)
        self.assertEqual(len(shapes), 1)

    def test_shortest_edges_filters_and_central_crops_are_replayed(self):
        for filter, crop in (("bicubic", 0.875), ("lanczos", 0.95)):
            workshop = Workshop(
                f"teacher.model='{ROOT}/pipelines/teachers/leaves'", f"teacher.resample='{filter}'", f"teacher.crop-pct={crop}",
                "teacher.mean=[0.5,0.5,0.5]", "teacher.std=[0.5,0.5,0.5]",
            )  # fmt: skip
            cache = Cache(workshop.cache)
            self.assertEqual(cache.manifest.resize.filter, filter)
            self.assertIsNotNone(cache.manifest.resize.center_crop)
            train = cache.split("train")
            images = train.images(workshop.images)
            for row in range(len(train)):
                images.pixels(row)

    def test_colour_jitter_and_rand_augment_are_replayed(self):
        jitter = [f"cache.view.{name}" for name in ("brightness=0.4", "contrast=0.4", "saturation=0.4", "hue=0.1")]
        workshop = Workshop(*jitter, "cache.view.rand-augment=3", "cache.view.rand-augment-magnitude=20", "cache.views=8")
        cache = Cache(workshop.cache)
        train = cache.split("train")
        images = train.images(workshop.images)
        operations = np.asarray(train.column("operations"))
        self.assertEqual(operations.shape, (18 * 8, 2 * 7))
        for row in range(len(train)):
            # Checked against what the program saw.
            images.pixels(row)
            self.assertEqual(bool(operations[row].any()), row % 8 > 0)
        self.assertEqual(set(operations[:, ::2].ravel().astype(int)), set(range(15)))
        cache.verify()

    def test_columns_are_mapped_and_rows_are_found_by_sample_and_view(self):
        train = self.cache.split("train")
        self.assertEqual((len(train), train.samples, train.views, train.classes), (54, 18, 3, 3))
        for name in ("logits", "soft_t5", "crop"):
            column = train.column(name)
            self.assertEqual([len(chunk) for chunk in column.chunks], [16, 16, 16, 6])
            for chunk in column.chunks:
                self.assertFalse(chunk.flags.owndata or chunk.flags.writeable)
        rows = train.rows([17, 0, 5], [2, 0, 1])
        self.assertEqual(rows.tolist(), [53, 0, 16])
        whole = np.asarray(train.column("logits"))
        np.testing.assert_array_equal(train.logits(rows), whole[rows])
        np.testing.assert_array_equal(train.column("sample")[rows], [17, 0, 5])
        np.testing.assert_array_equal(train.column("view")[rows], [2, 0, 1])
        np.testing.assert_allclose(train.soft(5.0, rows).sum(1), 1, rtol=1e-6)
        # A temperature without a column is softened from the logits, to the bits that the column would have.
        stored = np.asarray(train.column("soft_t5"))
        from decant.soften import soften

        np.testing.assert_array_equal(soften(whole, 5.0), stored)

    def test_what_is_asked_for_and_not_there_is_refused_in_a_sentence(self):
        train = self.cache.split("train")
        for ask, sentence in (
            (lambda: self.cache.split("dev"), 'has no split "dev", it has train, validation, test'),
            (lambda: train.rows(18, 0), 'split "train" has 18 samples, sample 18 was asked for'),
            (lambda: train.rows(0, 3), 'split "train" has 3 views, view 3 was asked for'),
            (lambda: train.logits([54]), 'split "train" has 54 rows, row 54 was asked for'),
            (lambda: train.top(5.0, [0]), "stores every class"),
            (lambda: train.column("soft_t9"), 'has no column "soft_t9"'),
            (lambda: Cache(self.workshop.path), "holds no cache (no manifest.json); make one with `decant teacher-cache`"),
            (lambda: train.images(self.workshop.path).pixels(0), "is not there; give the folder that was dataset.source"),
        ):
            with self.assertRaises(Mismatch) as caught:
                ask()
            self.assertIn(sentence, str(caught.exception))

    def test_another_image_and_other_pixels_are_refused(self):
        workshop = Workshop()
        split = Cache(workshop.cache).split("test")
        images = split.images(workshop.images)
        first = workshop.images / str(split.column("path")[0])
        whole = first.read_bytes()
        first.write_bytes(whole + b"\0")
        with self.assertRaisesRegex(Mismatch, "is not the image that the cache was made from"):
            images.pixels(0)
        first.write_bytes(whole)
        other = split.images(lambda sample: whole)
        self.assertEqual(other.pixels(0).size, images.pixels(0).size)
        with self.assertRaises(Mismatch):
            other.pixels(1)

    def test_students_see_the_same_part_at_their_own_size_and_normalisation(self):
        train = self.cache.split("train")
        images = train.images(self.workshop.images)
        pixels = np.asarray(images.view(1, 32), np.float64)
        image = images.image(1, 32, (0.5, 0.25, 0.1), (0.5, 0.3, 0.2))
        self.assertEqual((image.shape, image.dtype), ((3, 32, 32), np.float32))
        expected = (pixels / 255 - [0.5, 0.25, 0.1]) / [0.5, 0.3, 0.2]
        np.testing.assert_allclose(image, expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
        # At the teacher's own size the pixels are the teacher's.
        height, width = self.cache.manifest.resize.exact
        self.assertEqual(images.view(4, height).tobytes(), images.pixels(4).tobytes())

    def test_verify_reads_all_and_finds_a_bit(self):
        workshop = Workshop("cache.encoding='float16'")
        Cache(workshop.cache).verify()
        shard = workshop.cache / "train" / "part-00001.parquet"
        data = bytearray(shard.read_bytes())
        data[300] ^= 4
        shard.write_bytes(data)
        with self.assertRaisesRegex(Damage, "part-00001.parquet is damaged: BLAKE3 of its content is"):
            Cache(workshop.cache).verify()

    def test_an_order_is_a_permutation_of_its_own(self):
        orders = {tuple(epoch_order(seed, epoch, 50)) for seed in (0, 1) for epoch in (0, 1)}
        self.assertEqual(len(orders), 4)
        self.assertTrue(all(sorted(order) == list(range(50)) for order in orders))
        self.assertTrue((np.sort(view_orders(3, np.arange(9), 7), axis=1) == np.arange(7)).all())


class Modes(unittest.TestCase):
    """Images that are not RGB, and images without a label."""

    @classmethod
    def setUpClass(cls):
        rng = np.random.default_rng(2)

        def noise(*shape: int) -> np.ndarray:
            return rng.integers(0, 256, shape, dtype=np.uint8)

        def made(width: int, height: int) -> dict[str, Image.Image]:
            palette = Image.fromarray(noise(height, width, 3)).quantize(64)
            grey = Image.fromarray(noise(height, width))
            alpha = Image.fromarray(noise(height, width, 4))
            return {
                "grey.png": grey, "grey.jpg": grey, "grey-alpha.png": Image.fromarray(noise(height, width, 2), "LA"), "alpha.png": alpha,
                "alpha.webp": alpha, "palette.png": palette, "black-white.png": grey.convert("1"),
            }  # fmt: skip

        cls.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cls.addClassCleanup(cls.folder.cleanup)
        path = Path(cls.folder.name)
        for part in ("train/healthy", "train/bean_rust", "train/angular_leaf_spot", "unlabelled", "validation/healthy", "test/healthy"):
            folder = path / "images" / part
            folder.mkdir(parents=True)
            for name, image in made(*map(int, rng.integers(30, 300, 2))).items():
                image.save(folder / name, **({"transparency": 3} if name == "palette.png" and "healthy" in part else {}))
        (path / "my.toml").write_text(PIPELINE)
        decant("teacher-cache", "-p", "my.toml", cwd=cls.folder.name)
        [cls.cache] = map(Cache, (path / "cache").glob("my-*"))
        cls.images = path / "images"

    def test_grey_alpha_and_palette_images_are_replayed_to_the_teachers_pixels(self):
        for name in self.cache.splits:
            split = self.cache.split(name)
            images = split.images(self.images)
            for row in range(len(split)):
                self.assertEqual(images.pixels(row).mode, "RGB", split.column("path")[row])

    def test_unlabelled_rows_are_there_with_label_minus_one_and_the_teachers_pixels(self):
        train = self.cache.split("train")
        unlabelled = [row for row in range(len(train)) if str(train.column("path")[row]).startswith("unlabelled")]
        self.assertEqual(len(unlabelled), 7 * 3)
        self.assertEqual(set(train.label[unlabelled].tolist()), {-1})
        self.assertEqual(set(np.delete(train.label, unlabelled).tolist()), {0, 1, 2})
        np.testing.assert_allclose(train.soft(5.0, unlabelled).sum(1), 1, rtol=1e-6)


class Parquet(unittest.TestCase):
    def test_images_in_parquet_files_are_replayed(self):
        import pyarrow as pa
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory() as folder:
            rng = np.random.default_rng(1)
            names = ["angular_leaf_spot", "bean_rust", "healthy"]
            (Path(folder) / "images" / "data").mkdir(parents=True)
            for split in ("train", "validation", "test"):
                rows = []
                for index in range(7):
                    data = io.BytesIO()
                    Image.fromarray(rng.integers(0, 256, (40 + index, 60, 3), dtype=np.uint8)).save(data, "PNG")
                    rows.append({"image": {"bytes": data.getvalue(), "path": None}, "labels": names[index % 3]})
                pq.write_table(pa.Table.from_pylist(rows), Path(folder) / "images" / "data" / f"{split}-00000-of-00001.parquet", row_group_size=3)
            (Path(folder) / "my.toml").write_text(PIPELINE)
            decant("teacher-cache", "-p", "my.toml", cwd=folder)
            [cache] = (Path(folder) / "cache").glob("my-*")
            train = Cache(cache).split("train")
            images = train.images(Path(folder) / "images")
            for row in range(len(train)):
                images.pixels(row)


if __name__ == "__main__":
    unittest.main()
