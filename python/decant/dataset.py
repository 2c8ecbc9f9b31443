"""A PyTorch dataset of a cache's views with their targets, in the order in which `train-student` takes them."""

from typing import Any, Callable, Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, Sampler

from .cache import Cache, Split
from .pixels import IMAGENET_MEAN, IMAGENET_STD, Normalise
from .random import epoch_order, view_orders
from .sources import Source


class CachedDataset(Dataset):
    """The samples of a split, each in the view of the epoch, with what the teacher said of that very view.

    Item `i` is a dictionary of sample `i`:

    - `pixel_values`: `[3, size, size]` float32, normalised; with `transform`, what it makes of the 8-bit view, a Pillow image
    - `labels`: its class, -1 where unlabelled
    - `soft`: the soft targets at `temperature`, `[classes]`; of a top-k cache `top_classes`, `[k]`, and `masses`, `[k + 1]`; with
      `temperature=None` the `logits`, `[classes]`

    With `DataLoader(dataset, sampler=dataset.sampler, ...)` and `dataset.set_epoch(epoch)` before each epoch, samples and views come as in
    `train-student` with `train.seed = seed`. A transform must not crop or flip again: the targets belong to this view.
    """

    def __init__(
        self,
        cache: Cache | str,
        split: str,
        images: Source,
        size: int = 224,
        temperature: float | None = 5.0,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        seed: int = 0,
        transform: Callable[[Image.Image], Any] | None = None,
        check: bool = True,
    ):
        self.cache = cache if isinstance(cache, Cache) else Cache(cache)
        if check:
            self.cache.check_content()
        self.split: Split = self.cache.split(split)
        if temperature is not None and self.split.kept and float(np.float32(temperature)) not in self.cache.temperatures:
            self.split.top(temperature, [])
        self.images = self.split.images(images)
        self.size, self.temperature, self.seed = size, temperature, seed
        normalise = Normalise(mean, std)
        self.transform: Callable[[Image.Image], Any] = transform or (lambda image: torch.from_numpy(normalise(image)))
        # Shared, so that workers that persist see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        views = self.split.views
        self._orders = view_orders(seed, np.arange(self.split.samples), views).astype(np.uint16) if views > 1 else None
        self.sampler = EpochSampler(self)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch, from 0, whose order and views come next."""
        self._epoch.fill_(epoch)

    def view(self, sample: int) -> int:
        """The view of a sample in this epoch: each of its views comes once before any comes again."""
        return 0 if self._orders is None else int(self._orders[sample, self.epoch % self.split.views])

    def __len__(self) -> int:
        return self.split.samples

    def __getitem__(self, sample: int) -> dict:
        row = int(self.split.rows(sample, self.view(sample)))
        item = {"pixel_values": self.transform(self.images.view(row, self.size)), "labels": int(self.split.label[row])}
        return item | {name: torch.from_numpy(values[0]) for name, values in self.targets([row]).items()}

    def targets(self, rows: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """What the teacher said of rows, by the names above."""
        if self.temperature is None:
            return {"logits": self.split.logits(rows)}
        if self.split.kept:
            classes, masses = self.split.top(self.temperature, rows)
            return {"top_classes": classes, "masses": masses}
        return {"soft": self.split.soft(self.temperature, rows)}


class EpochSampler(Sampler):
    """The samples of a `CachedDataset` in the order of its epoch."""

    def __init__(self, dataset: CachedDataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        return iter(epoch_order(self.dataset.seed, self.dataset.epoch, len(self.dataset)).tolist())


__all__ = ["CachedDataset", "EpochSampler"]
