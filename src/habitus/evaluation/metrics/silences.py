"""Silences: runs of empty time between active times of the same user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from habitus.schema import IntArray


def silences(keys: IntArray, length: int) -> NDArray[np.int64]:
    """Count silences by length, between active times of the same user.

    Before the first active time and after the last there is none: its length is not known.

    Args:
        keys: User x length + time of whatever happened, ascending; equal ones count once, [n].
        length: Times of a user.

    Returns:
        Counts by length; none has length 0, [length].

    >>> silences(np.array([0, 3, 3, 4, 8, 10]), length=6)
    array([0, 1, 1, 0, 0, 0])
    """
    breaks = np.diff(keys) - 1
    inside = (breaks > 0) & (keys[1:] // length == keys[:-1] // length)
    return np.bincount(breaks[inside], minlength=length)
