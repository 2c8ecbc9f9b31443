"""Random numbers that depend on a key and on nothing else: the program's own, so that epochs and views come in its order.

A generator is ChaCha with 8 rounds, seeded by BLAKE3 of a purpose and integers; shuffles are those of Rust's `rand` 0.9.
"""

from typing import Iterator

import numpy as np
from blake3 import blake3

_CONSTANTS = np.frombuffer(b"expand 32-byte k", "<u4")
_BLOCK = 16


def _seed(purpose: str, key: tuple[int, ...]) -> bytes:
    parts = [len(purpose).to_bytes(8, "little"), purpose.encode()]
    return blake3(b"".join(parts + [word.to_bytes(8, "little") for word in key])).digest()


def _rotated(x: np.ndarray, bits: int) -> np.ndarray:
    return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))


def _blocks(seeds: np.ndarray, counter: np.ndarray) -> np.ndarray:
    """The ChaCha8 blocks at `counter`, `[n, 16]`, of `n` seeds, `[n, 8]` words; either may have one row for all."""
    count = max(len(seeds), len(counter))
    state = np.zeros((16, count), np.uint32)
    state[:4], state[4:12] = _CONSTANTS[:, None], seeds.T
    state[12], state[13] = counter & 0xFFFFFFFF, counter >> 32
    x = state.copy()
    for _ in range(4):
        for quarters in (((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)), ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))):
            a, b, c, d = (list(rows) for rows in zip(*quarters))
            for into, of, other, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                x[into] += x[of]
                x[other] = _rotated(x[other] ^ x[into], bits)
    return (x + state).T


class _Words:
    """The 32-bit words of many generators, each read at its own place."""

    def __init__(self, seeds: list[bytes]):
        self.seeds = np.frombuffer(b"".join(seeds), "<u4").reshape(-1, 8)
        self.at = np.zeros(len(self.seeds), np.int64)
        self.words = np.empty((len(self.seeds), 0), np.uint32)

    def next(self, which: np.ndarray) -> np.ndarray:
        """The next word of each generator in `which`."""
        while self.words.shape[1] <= self.at[which].max(initial=-1):
            counter = np.full(len(self.seeds), self.words.shape[1] // _BLOCK, np.int64)
            self.words = np.concatenate([self.words, _blocks(self.seeds, counter)], axis=1)
        words = self.words[which, self.at[which]]
        self.at[which] += 1
        return words.astype(np.uint64)


def _below(words: _Words, bound: int) -> np.ndarray:
    """A number below `bound` from each generator: `rand`'s `random_range`, Canon's method with one more word where it is biased."""
    everyone = np.arange(len(words.seeds))
    product = words.next(everyone) * np.uint64(bound)
    result, low = product >> np.uint64(32), product & np.uint64(0xFFFFFFFF)
    biased = np.flatnonzero(low > np.uint64((1 << 32) - bound))
    if len(biased):
        more = (words.next(biased) * np.uint64(bound)) >> np.uint64(32)
        result[biased] += (low[biased] + more) >> np.uint64(32)
    return result


def _bound(least: int) -> tuple[int, int]:
    product, current = least, least + 1
    while product * current < 1 << 32:
        product, current = product * current, current + 1
    return product, current - least


def _shuffled(seeds: list[bytes], length: int) -> np.ndarray:
    """`0..length` as each generator shuffles it, `[n, length]`."""
    words, everyone = _Words(seeds), np.arange(len(seeds))
    order = np.tile(np.arange(length), (len(seeds), 1))
    chunk, remaining = np.zeros(len(seeds), np.uint64), 1
    for index in range(length if length > 1 else 0):
        if remaining == 0:
            bound, remaining = _bound(index + 1)
            chunk = _below(words, bound)
        remaining -= 1
        if remaining:
            chunk, other = np.divmod(chunk, np.uint64(index + 1))
        else:
            other = chunk
        order[everyone, index], order[everyone, other] = order[everyone, other], order[everyone, index].copy()
    return order


def _shuffled_once(seed: bytes, length: int) -> np.ndarray:
    """As `_shuffled`, for one long order: integers of Python are faster than arrays of one number."""
    seeds, order = np.frombuffer(seed, "<u4").reshape(1, 8), list(range(length))
    words: Iterator[int] = iter(())
    block, chunk, remaining = 0, 0, 1

    def word() -> int:
        nonlocal words, block
        for one in words:
            return one
        counters = np.arange(block, block + 256)
        block += 256
        words = iter(_blocks(seeds, counters).ravel().tolist())
        return next(words)

    for index in range(length if length > 1 else 0):
        if remaining == 0:
            bound, remaining = _bound(index + 1)
            product = word() * bound
            chunk, low = product >> 32, product & 0xFFFFFFFF
            if low > (1 << 32) - bound:
                chunk += (low + ((word() * bound) >> 32)) >> 32
        remaining -= 1
        other = chunk
        if remaining:
            chunk, other = divmod(chunk, index + 1)
        order[index], order[other] = order[other], order[index]
    return np.array(order, np.int64)


def epoch_order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """The samples in the order in which `train-student` takes them in an epoch, `[samples]`; epochs count from 0."""
    return _shuffled_once(_seed("epoch order", (seed, epoch)), samples)


def view_orders(seed: int, samples: np.ndarray, views: int) -> np.ndarray:
    """For each of `samples` the order of its views, `[len(samples), views]`: in epoch `e` it is seen in view `[e % views]`."""
    seeds = [_seed("view order", (seed, int(sample))) for sample in samples]
    return _shuffled(seeds, views) if seeds else np.empty((0, views), np.int64)
