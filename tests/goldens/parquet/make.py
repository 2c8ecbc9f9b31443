"""Makes the parquet files of the dataset tests as Hugging Face `datasets` writes them.

    pip install datasets==5.2.0 pillow numpy
    python tests/goldens/parquet/make.py

Six 6 x 5 images in train, three in test, with the classes of beans; the labels are 0, 1, 2, 0, 1, 2 and 2, 1, 0.
"""

from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, Image, Value
from PIL import Image as Pillow

HERE = Path(__file__).parent / "data"
HERE.mkdir(exist_ok=True)
rng = np.random.default_rng(0)
features = Features(
    {
        "image_file_path": Value("string"),
        "image": Image(),
        "labels": ClassLabel(names=["angular_leaf_spot", "bean_rust", "healthy"]),
    }
)
for split, labels in {"train": [0, 1, 2, 0, 1, 2], "test": [2, 1, 0]}.items():
    images = [Pillow.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)) for _ in labels]
    rows = {"image_file_path": [f"{split}/{i}.png" for i in range(len(labels))], "image": images, "labels": labels}
    Dataset.from_dict(rows, features=features).to_parquet(HERE / f"{split}-00000-of-00001.parquet")
