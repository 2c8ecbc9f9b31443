"""Reads decant's caches: a teacher's soft targets, each for the right view of the right image.

    from decant import Cache
    train = Cache("cache/leaves-0123456789ab").split("train")
    train.column("soft_t5").chunks        # zero-copy arrays, [rows, classes]
    train.soft(5.0, train.rows([3, 1], [0, 2]))

`decant.CachedDataset` feeds a PyTorch `DataLoader`, `decant.losses` has the losses; both need torch.
"""

from typing import Any

from .cache import Cache, Column, Images, Split
from .errors import Damage, Error, Mismatch
from .random import epoch_order, view_orders

__version__ = "0.1.0"
__all__ = ["Cache", "CachedDataset", "Column", "Damage", "Error", "Images", "Mismatch", "Split", "epoch_order", "losses", "view_orders"]


def __getattr__(name: str) -> Any:
    # torch is not a dependency, and takes seconds to import.
    if name == "CachedDataset":
        from .dataset import CachedDataset

        return CachedDataset
    if name == "losses":
        import importlib

        return importlib.import_module(".losses", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
