"""Silences: runs of empty time between active times of the same user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from habitus.schema import IntArray


def silences(keys: IntArray, length: int) -> NDArray[np.int64]:
    """Count silences by length, between active times of the same user.

    Empty time before a user's first active time and after the last is not counted, since the true
    length of such a silence is not known.

    Args:
        keys: Active times as user * length + time, ascending; duplicates count once, [n].
        length: Number of times (days or slots) of each user.

    Returns:
        Counts by length; none has length 0, [length].

    >>> silences(np.array([0, 3, 3, 4, 8, 10]), length=6)
    array([0, 1, 1, 0, 0, 0])
    """
    breaks = np.diff(keys) - 1
    inside = (breaks > 0) & (keys[1:] // length == keys[:-1] // length)
    return np.bincount(breaks[inside], minlength=length)
