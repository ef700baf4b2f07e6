"""Compilation of loops for the processor they run on (Numba), and elementary functions for them.

Compiling takes some twenty seconds in all, once: its result is kept beside the package or, where
that cannot be written, in the user's cache.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  so that its threads are found and limited
from numba import config, njit
from numpy.random import Generator
from threadpoolctl import ThreadpoolController

from habitus.models.parts import binned_counts
from habitus.schema import FloatArray, IntArray

FAST_MATH = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}  # flags of LLVM

ZERO = np.float32(0)
ONE = np.float32(1)
HALF = np.float32(0.5)
LOG2_E = np.float32(math.log2(math.e))
LARGEST_POWER = np.float32(126)
# least squares for (2^f - 1) / f
EXP2 = tuple(
    np.float32(c)
    for c in (1.5403530e-4, 1.3333558e-3, 9.6181291e-3, 5.5504109e-2, 0.24022651, 0.69314718)
)
LOG_2 = np.float32(math.log(2))
SQRT_2 = np.float32(math.sqrt(2))
BITS = np.int32(23)
EXPONENT = np.int32(127)
MANTISSA = np.int32(0x7FFFFF)
ONE_BITS = np.int32(0x3F800000)
# least squares for log(1 + f) / f
LOG = tuple(
    np.float32(c)
    for c in (
        -0.0991321, 0.16338757, -0.17363192, 0.1988534, -0.24957775, 0.3333569, -0.500007, 1.0,
    )
)  # fmt: skip

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function of arrays, named tuples of arrays and numbers that allocates no array.

    Floating-point sums may be reordered, and numbers are assumed finite. Arrays are not reference
    counted, which saves a third of the time of small steps: the caller must keep them alive.
    """
    return _kept(function, forceinline=True, _nrt=False)


def allocating(function: _Function) -> _Function:
    """Compile a function that makes arrays, as some of NumPy's distributions do."""
    return _kept(function, _nrt=True)


def _kept(function: _Function, **options: Any) -> _Function:
    options |= {"fastmath": FAST_MATH, "error_model": "numpy"}
    folder = config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue]
    place = str(Path(folder or Path(__file__).parent / "__pycache__") / _version())
    config.CACHE_DIR = place  # pyright: ignore[reportAttributeAccessIssue]
    try:
        return cast("_Function", njit(function, cache=True, **options))
    except RuntimeError:  # no place to keep it
        return cast("_Function", njit(function, **options))
    finally:
        config.CACHE_DIR = folder  # pyright: ignore[reportAttributeAccessIssue]


@cache
def _version() -> str:
    """Compute a digest of all source files that compiled code depends on, 16 hex digits.

    Numba renews cached code only if the file of the function itself has changed. But the code also
    contains inlined functions and constants from other files, and loading it fails if the type of
    an argument no longer exists.
    """
    of_model = sorted(Path(__file__).parents[2].rglob("*.py"))
    sources = [*of_model, Path(binned_counts.__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def single_threaded_blas() -> AbstractContextManager[object]:
    """Let products of small matrices in compiled functions use a single thread of BLAS."""
    return _threads().limit(limits=1, user_api="blas")


@compiled
def exp(x: Any) -> Any:
    """Compute e^x to a relative 1e-6 as 2^(n + f), |f| <= 1/2: unlike math.exp it is vectorised."""
    t = min(max(x * LOG2_E, -LARGEST_POWER), LARGEST_POWER)
    n = np.floor(t + HALF)
    f = t - n
    p = ((((EXP2[0] * f + EXP2[1]) * f + EXP2[2]) * f + EXP2[3]) * f + EXP2[4]) * f + EXP2[5]
    return (p * f + ONE) * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@compiled
def sigmoid(x: Any) -> Any:
    """Compute 1 / (1 + e^-x)."""
    return ONE / (ONE + exp(-x))


@compiled
def log(x: Any) -> Any:
    """Compute log x, x > 0, to 1e-7 from x = 2^n (1 + f), sqrt(1/2) <= 1 + f < sqrt(2)."""
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
    """Overwrite logits [k] with weights in proportion to probabilities; return the sum of these."""
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
    """Draw an index by logits [k], which are overwritten as by :func:`weigh`."""
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
def log_probability(weights: FloatArray, chosen: int) -> float:
    """Compute the log-probability of an index, by the weights [k] of :func:`weigh`."""
    total = 0.0
    for k in range(len(weights)):
        total += weights[k]
    return math.log(weights[chosen] / total)


@compiled
def write(numbers: FloatArray, place: FloatArray) -> None:
    """Copy numbers; an assignment to a slice would first check whether both overlap."""
    for k in range(len(place)):
        place[k] = numbers[k]


class Sparse(NamedTuple):
    """Space for the entries of a sparse vector, which a linear layer reads.

    Attributes:
        index: Indices of the entries.
        values: Values of the entries.
    """

    index: IntArray  # pyright: ignore[reportIncompatibleMethodOverride]
    values: FloatArray


@compiled
def append(numbers: FloatArray, begin: int, vector: Sparse, count: int) -> int:
    """Append numbers that are not 0 to a sparse vector; return the number of its entries.

    Args:
        numbers: Numbers.
        begin: Index of the first number.
        vector: Vector, changed.
        count: Number of its entries so far.
    """
    for k in range(len(numbers)):
        vector.index[count] = begin + k
        vector.values[count] = numbers[k]
        count += numbers[k] != 0
    return count


@compiled
def add_rows(
    index: IntArray, values: FloatArray, count: int, weights: FloatArray, sums: FloatArray
) -> None:
    """Add to sums [n] the product of a sparse vector with weights [m, n].

    Four rows are added at a time, so that sums are read and written less often.

    Args:
        index: Indices of the entries.
        values: Values of the entries.
        count: Number of entries.
        weights: Weights.
        sums: Sums, changed.
    """
    whole = count // 4 * 4
    for j in range(0, whole, 4):
        a = values[j]
        b = values[j + 1]
        c = values[j + 2]
        d = values[j + 3]
        of_a = weights[index[j]]
        of_b = weights[index[j + 1]]
        of_c = weights[index[j + 2]]
        of_d = weights[index[j + 3]]
        for k in range(len(sums)):
            sums[k] += a * of_a[k] + b * of_b[k] + c * of_c[k] + d * of_d[k]
    for j in range(whole, count):
        a = values[j]
        of_a = weights[index[j]]
        for k in range(len(sums)):
            sums[k] += a * of_a[k]
