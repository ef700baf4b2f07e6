"""Daily, weekly and monthly active users ("Time pictures" 5.3.2), stickiness and retention.

The paper gives two sentences on the first days: the first WAU and MAU equal the DAU, and the seven
and 30 days are full from day seven and day 30 on. Both hold for one reading, which is used here: a
trailing window that is cut off at the first day of the data. Relative errors look at full windows
only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from habitus.schema import BoolArray, FloatArray


@dataclass(frozen=True)
class Activity:
    """Activity metric: the share of users active in a trailing window.

    Attributes:
        name: Its usual short name.
        window: Days in its trailing window.
    """

    name: str
    window: int

    @property
    def first_day(self) -> int:
        """Index of the first day whose window is full: 0, 6 and 29."""
        return self.window - 1


ACTIVITIES = (Activity("dau", 1), Activity("wau", 7), Activity("mau", 30))


def active_users(active: BoolArray, window: int) -> NDArray[np.float64]:
    """Share of users active in the trailing window that ends on each day ("Time pictures" 5.3.2).

    Multiply by U for the count. One pass over the days, O(U x D), whatever the window.

    Args:
        active: Whether the user has a non-empty cell on the day, [U, D].
        window: Days in the window, at least 1; cut off at the first day of the data.

    Returns:
        Shares from 0 to 1, [D].

    Raises:
        ValueError: if the window has no day.

    >>> active_users(np.array([[True, False, False], [False, False, True]]), window=2)
    array([0.5, 0.5, 0.5])
    """
    if window < 1:
        raise ValueError(f"expected a window of at least 1 day, got {window}")
    last_active = np.full(len(active), -window)
    shares = np.zeros(active.shape[1])
    for day, today in enumerate(np.ascontiguousarray(active.T)):
        last_active[today] = day
        shares[day] = np.mean(day - last_active < window)
    return shares


def relative_error(
    generated: FloatArray, reference: FloatArray, first_day: int = 0
) -> float | None:
    """Mean over days of |generated - reference|, over the mean of the reference.

    Args:
        generated: Share of users on each day, [D].
        reference: The same of the reference, [D].
        first_day: Index of the first day that counts: 6 for WAU, 29 for MAU.

    Returns:
        The error as a share (0.05 is 5 %); None where no day counts; ``inf`` against a reference of
        zeros.

    >>> relative_error(np.array([0.9, 0.5]), np.array([0.5, 0.5]), first_day=1)
    0.0
    """
    ours = generated[first_day:]
    theirs = reference[first_day:]
    if not len(theirs):
        return None
    error = float(np.abs(ours - theirs).mean())
    level = float(theirs.mean())
    if not level:
        return float("inf") if error else 0.0
    return error / level


def stickiness(active: BoolArray, window: int) -> float | None:
    """Daily active users over those of a longer window, mean over the days with a full window.

    Args:
        active: Whether the user has a non-empty cell on the day, [U, D].
        window: Days: 30 for DAU / MAU, 7 for DAU / WAU.

    Returns:
        A share; None where no window is full, or no user is active in one.

    >>> stickiness(np.array([[True, False], [True, True]]), window=2)
    0.5
    """
    daily = active_users(active, 1)[window - 1 :]
    longer = active_users(active, window)[window - 1 :]
    return float((daily / longer).mean()) if len(longer) and longer.all() else None


def retention(active: BoolArray) -> NDArray[np.float64]:
    """Share of users who are active again k days after their first active day.

    Args:
        active: Whether the user has a non-empty cell on the day, [U, D].

    Returns:
        Shares for k from 0, of the users who are still watched on that day, [D]; NaN for none.

    >>> retention(np.array([[True, False, True], [False, True, False]]))
    array([1., 0., 1.])
    """
    users = np.flatnonzero(active.any(axis=1))
    days = active.shape[1]
    first = active[users].argmax(axis=1)
    shares = np.full(days, np.nan)
    for after in range(days):
        watched = first + after < days
        if watched.any():
            shares[after] = active[users[watched], first[watched] + after].mean()
    return shares
