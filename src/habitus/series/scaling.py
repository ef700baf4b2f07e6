"""Back from scaled values to those of the file."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

DECIMALS = (0, 3, 6, 9, 12)
Floats = TypeVar("Floats", np.float32, np.float64)


def unscaled(values: NDArray[Floats], scale: float) -> NDArray[Floats]:
    """Divide scaled values by the scale, without the rounding errors of the division if possible.

    A plain quotient can be off by a rounding error: 0.07 / 0.01 is 7.000000000000001. Of the
    numbers whose product with the scale is exactly the given value, the one with the fewest
    decimals is returned, as it is most likely what the file held; without one, the plain quotient.

    Raises:
        ValueError: if a value is not finite, or too large for its type.

    >>> unscaled(np.array([0.07, 0.1234]), 0.01).tolist()
    [7.0, 12.34]
    """
    if not np.isfinite(values).all():
        raise ValueError("expected values that are finite, got infinite ones or NaN")
    if scale == 1:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        exact = values.astype(np.float64) / scale
        out = exact.astype(values.dtype)
        rest = np.arange(len(out))
        for number in range(len(DECIMALS) + 3):
            guess = _guess(number, exact[rest], out[rest])
            fits = (guess.astype(np.float64) * scale).astype(values.dtype) == values[rest]
            out[rest[fits]] = guess[fits]
            rest = rest[~fits]
    if not np.isfinite(out).all():
        raise ValueError(
            f"values are too large to be divided by a scale of {scale}; choose another scale"
        )
    return out


def _guess(number: int, exact: NDArray[np.float64], quotient: NDArray[Floats]) -> NDArray[Floats]:
    """Candidates for a value of the file, the likeliest first."""
    if number < len(DECIMALS):
        return np.round(exact, DECIMALS[number]).astype(quotient.dtype)
    towards = (None, np.inf, -np.inf)[number - len(DECIMALS)]
    return quotient if towards is None else np.nextafter(quotient, quotient.dtype.type(towards))
