"""Functions over numbers of one user after another, compiled for the processor they run on (Numba).

It takes some twenty seconds in all, once: what is compiled is kept beside the package or, where that can't be
written, in the user's cache. It is known by the file of the function alone: after a change of a function that those
of other files call, ``make clean`` removes what was compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  whose threads are to be found
from numba import njit
from numpy.random import Generator
from threadpoolctl import ThreadpoolController

from habitus.schema import FloatArray, IntArray

ALLOWED = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}  # of LLVM's flags

ZERO = np.float32(0)
ONE = np.float32(1)
HALF = np.float32(0.5)
LOG2_E = np.float32(math.log2(math.e))
LARGEST_POWER = np.float32(126)
EXP2 = tuple(
    np.float32(c)
    for c in (1.5403530e-4, 1.3333558e-3, 9.6181291e-3, 5.5504109e-2, 0.24022651, 0.69314718)
)  # least squares for (2^f - 1) / f
LOG_2 = np.float32(math.log(2))
SQRT_2 = np.float32(math.sqrt(2))
BITS = np.int32(23)
EXPONENT = np.int32(127)
MANTISSA = np.int32(0x7FFFFF)
ONE_BITS = np.int32(0x3F800000)
LOG = tuple(
    np.float32(c)
    for c in (
        -0.0991321,
        0.16338757,
        -0.17363192,
        0.1988534,
        -0.24957775,
        0.3333569,
        -0.500007,
        1.0,
    )
)  # least squares for log(1 + f) / f

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The same function of arrays, named tuples of arrays and numbers.

    Sums may be taken in any order, and numbers are taken to be finite. Nobody counts who holds an array, which
    would take a third of the time of small steps: whoever calls does hold it, and no array is made within.
    """
    return _kept(function, forceinline=True, _nrt=False)


def allocating(function: _Function) -> _Function:
    """The same of a function that makes lists or arrays, as some of NumPy's distributions do; it may be called."""
    return _kept(function, _nrt=True)


def _kept(function: _Function, **options: Any) -> _Function:
    options |= {"fastmath": ALLOWED, "error_model": "numpy"}
    try:
        return cast("_Function", njit(function, cache=True, **options))
    except RuntimeError:  # nowhere to keep it
        return cast("_Function", njit(function, **options))


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def single_threaded_blas() -> AbstractContextManager[object]:
    """Within it products of small matrices in compiled functions, by the BLAS of scipy, use a single thread."""
    return _threads().limit(limits=1, user_api="blas")


@compiled
def exp(x: Any) -> Any:
    """e^x to a relative 1e-6, by 2^(n + f) with |f| at most a half: unlike math.exp it runs side by side."""
    t = min(max(x * LOG2_E, -LARGEST_POWER), LARGEST_POWER)
    n = np.floor(t + HALF)
    f = t - n
    p = ((((EXP2[0] * f + EXP2[1]) * f + EXP2[2]) * f + EXP2[3]) * f + EXP2[4]) * f + EXP2[5]
    return (p * f + ONE) * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@compiled
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return ONE / (ONE + exp(-x))


@compiled
def log(x: Any) -> Any:
    """Of a number above 0, to 1e-7, by 2^n (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2): many run side by side."""
    bits = np.float32(x).view(np.int32)
    f = np.int32((bits & MANTISSA) | ONE_BITS).view(np.float32)
    n = np.float32((bits >> BITS) - EXPONENT)
    above = f >= SQRT_2
    n = n + ONE if above else n
    f = (HALF * f if above else f) - ONE
    p = (((LOG[0] * f + LOG[1]) * f + LOG[2]) * f + LOG[3]) * f + LOG[4]
    return (((p * f + LOG[5]) * f + LOG[6]) * f + LOG[7]) * f + n * LOG_2


@compiled
def weigh(logits: FloatArray) -> Any:
    """Overwrite logits [k] with chances, whose sum is returned and need not be one."""
    top = logits[0]
    total = np.float32(0)
    for k in range(len(logits)):
        top = max(top, logits[k])
    for k in range(len(logits)):
        logits[k] = exp(logits[k] - top)
        total += logits[k]
    return total


@compiled
def choose(logits: FloatArray, rng: Generator) -> int:
    """Draw one of k by its logit [k]; logits are overwritten with chances."""
    total = weigh(logits)
    left = np.float32(rng.random()) * total
    chosen = 0
    for k in range(len(logits)):
        if logits[k] > 0:
            chosen = k
            left -= logits[k]
            if left < 0:
                break
    return chosen


@compiled
def log_share(chances: FloatArray, chosen: int) -> float:
    """Logarithm of the share of one of some chances [k], as :func:`choose` leaves them, in their sum."""
    total = 0.0
    for k in range(len(chances)):
        total += chances[k]
    return math.log(chances[chosen] / total)


@compiled
def write(numbers: FloatArray, place: FloatArray) -> None:
    """Copy some numbers: an assignment to a slice would look first whether both overlap."""
    for k in range(len(place)):
        place[k] = numbers[k]


class Sparse(NamedTuple):
    """Room for the numbers of a vector that are not zero: those of a row that a linear layer reads.

    Attributes:
        which: Their places.
        values: Themselves.
    """

    which: IntArray
    values: FloatArray


@compiled
def tell(numbers: FloatArray, begin: int, told: Sparse, count: int) -> int:
    """Append numbers, whose places begin with ``begin``, to the first ``count`` told; how many there are then."""
    for k in range(len(numbers)):
        told.which[count] = begin + k
        told.values[count] = numbers[k]
        count += numbers[k] != 0
    return count


@compiled
def add_rows(
    which: IntArray, values: FloatArray, count: int, weights: FloatArray, sums: FloatArray
) -> None:
    """Add rows of weights [m, n] times values to sums [n]: those of the first ``count`` of some places.

    Four at a time: sums are read and written less often.
    """
    whole = count // 4 * 4
    for j in range(0, whole, 4):
        a = values[j]
        b = values[j + 1]
        c = values[j + 2]
        d = values[j + 3]
        of_a = weights[which[j]]
        of_b = weights[which[j + 1]]
        of_c = weights[which[j + 2]]
        of_d = weights[which[j + 3]]
        for k in range(len(sums)):
            sums[k] += a * of_a[k] + b * of_b[k] + c * of_c[k] + d * of_d[k]
    for j in range(whole, count):
        a = values[j]
        of_a = weights[which[j]]
        for k in range(len(sums)):
            sums[k] += a * of_a[k]
