"""Soft targets, to the program's own bits: fdlibm's `exp` in float64, sums in class order, one rounding."""

import numpy as np


def _float(bits: int) -> float:
    return float(np.uint64(bits).view(np.float64))


_LN2_HIGH, _LN2_LOW, _INVERSE_LN2 = map(_float, (0x3FE62E42FEE00000, 0x3DEA39EF35793C76, 0x3FF71547652B82FE))
_P1, _P2, _P3, _P4, _P5 = map(_float, (0x3FC555555555553E, 0xBF66C16C16BEBD93, 0x3F11566AAF25DE2C, 0xBEBBBD41C5D26BF1, 0x3E66376972BEA4D0))
_HALF_LN2, _THREE_HALVES_LN2, _TINY = map(_float, (0x3FD62E42FFFFFFFF, 0x3FF0A2B1FFFFFFFF, 0x3E300000FFFFFFFF))
_LEAST = -700.0


def exp_of_negative(x: np.ndarray) -> np.ndarray:
    """`exp(x)` for `x <= 0` in float64; below -700 it is 0."""
    bounded = np.minimum(np.where(x >= _LEAST, x, _LEAST), 0.0)
    magnitude = -bounded
    whole = (_INVERSE_LN2 * bounded - 0.5).astype(np.int64)
    power = np.where(magnitude > _HALF_LN2, np.where(magnitude > _THREE_HALVES_LN2, whole, -1), 0)
    k = power.astype(np.float64)
    high, low = bounded - k * _LN2_HIGH, k * _LN2_LOW
    r = high - low
    square = r * r
    c = r - square * (_P1 + square * (_P2 + square * (_P3 + square * (_P4 + square * _P5))))
    y = 1.0 + (r * c / (2.0 - c) - low + high)
    y = np.where(magnitude > _TINY, y, 1.0 + bounded)
    return np.where(x >= _LEAST, y * ((1023 + power).astype(np.uint64) << np.uint64(52)).view(np.float64), 0.0)


def sum_in_order(values: np.ndarray) -> np.ndarray:
    """The sum of each row, `[rows, 1]`, from left to right: numpy's own sum adds in another order."""
    return np.cumsum(values, axis=1)[:, -1:]


def exponentials(logits: np.ndarray, temperature: float) -> np.ndarray:
    """`exp((logit - largest) / T)` of each row in float64; `[rows, classes]` both."""
    logits = logits.astype(np.float64)
    return exp_of_negative((logits - logits.max(axis=1, keepdims=True)) / np.float64(np.float32(temperature)))


def soften(logits: np.ndarray, temperature: float) -> np.ndarray:
    """`softmax(logits / T)` in float32; `[rows, classes]` both."""
    powers = exponentials(logits, temperature)
    return (powers / sum_in_order(powers)).astype(np.float32)
