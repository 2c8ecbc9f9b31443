"""Answers for tests/library/store/python.rs: a line a request, a line of JSON an answer, from the Python reader in python/decant.

    {"open": CACHE}                              reads everything, as training would: "" or the kind of error and its sentence
    {"order": [SEED, EPOCH, SAMPLES]}            the samples of an epoch in order
    {"views": [SEED, SAMPLES, VIEWS]}            for each sample the order of its views
    {"gather": [CACHE, SPLIT, TEMPERATURE, ROWS]}  logits, soft targets and, of a top-k cache, kept classes and masses, as the bits of float32
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
from decant import Cache, Damage, Mismatch, epoch_order, view_orders  # noqa: E402


def read_all(folder: str, verify: bool = False) -> None:
    cache = Cache(folder)
    cache.verify() if verify else cache.check_content()
    for name in cache.splits:
        split = cache.split(name)
        rows = np.arange(len(split))
        assert np.isfinite(split.logits(rows)).all()
        for temperature in cache.temperatures:
            soft = split.soft(temperature, rows)
            assert ((soft >= 0) & (soft <= 1)).all()


def opened(folder: str) -> str:
    try:
        read_all(folder)
    except (Damage, Mismatch) as error:
        return f"{type(error).__name__}: {error}"
    except OSError as error:
        return f"OSError: {error}"
    return ""


def gathered(folder: str, name: str, temperature: float, rows: list[int]) -> dict:
    split = Cache(folder).split(name)

    def bits(values: np.ndarray) -> list[int]:
        return values.astype(np.float32, copy=False).view(np.uint32).ravel().tolist()

    found = {"logits": bits(split.logits(rows, temperature)), "soft": bits(split.soft(temperature, rows))}
    if split.kept:
        classes, masses = split.top(temperature, rows)
        found |= {"classes": classes.ravel().tolist(), "masses": bits(masses)}
    return found


def main() -> None:
    answers = {
        "open": opened,
        "order": lambda key: epoch_order(*key).tolist(),
        "views": lambda key: view_orders(key[0], np.arange(key[1]), key[2]).tolist(),
        "gather": lambda key: gathered(*key),
    }
    for line in sys.stdin:
        [(what, key)] = json.loads(line).items()
        print(json.dumps(answers[what](key)), flush=True)


if __name__ == "__main__":
    main()
