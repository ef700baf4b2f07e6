"""Threshold below which a generated value counts as zero ("Time pictures" 5.3.2).

    x -> x  if x > t,  else 0;     t minimises  sum_d (DAU_generated(t)_d - DAU_reference_d)^2

A user is active on a day when the day's largest value passes, so the day maxima are all that
matters. The objective changes only at those values; walking them in order gives each change in
closed form, and the minimum is exact, with no grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from habitus.schema import FloatArray


def fit_zero_threshold(reference_active_share: FloatArray, day_maximum: FloatArray) -> float:
    """Find the threshold t >= 0 whose daily active users are nearest to the reference's.

    Args:
        reference_active_share: Share of reference users active on each day, [D].
        day_maximum: Largest generated value of each user and day, [U, D] (0 where there is none);
            no NaN.

    Returns:
        0, or one of the values: the smallest minimiser. It is exact in the precision of
        ``day_maximum``: a cell is kept when ``x > t``, compared in that precision.

    Raises:
        ValueError: if the arrays are empty or their days differ.

    >>> maxima = np.array([[0.125], [0.25], [0.75], [0.875]], np.float32)
    >>> fit_zero_threshold(np.array([0.5]), maxima)
    0.25
    """
    values, order = _ordered(reference_active_share, day_maximum)
    users = len(day_maximum)
    # U^2 times the objective changes by (n - 1 - R)^2 - (n - R)^2 = 1 - 2 (n - R) when a day's next
    # smallest user falls away, with n users left and R expected
    left = users - np.arange(users)
    changes = 1 - 2 * (left - reference_active_share[:, None] * users)
    return _first_minimiser(values, np.cumsum(changes.reshape(-1)[order]))


def fit_zero_threshold_of_active(
    reference_active_share: FloatArray, day_maximum: FloatArray
) -> float:
    """Find the threshold if daily active users are a share of the users active on some day.

    With n_d(t) users active on day d and N(t) users active on at least one day at threshold t, the
    threshold minimises sum_d (n_d(t) / N(t) - DAU_reference_d)^2. The minimum is exact: from one
    candidate to the next, sum_d n_d^2, sum_d n_d DAU_reference_d and N change in closed form.

    Args:
        reference_active_share: Share of reference users active on each day, [D].
        day_maximum: Largest generated value of each user and day, [U, D]; no NaN.

    Returns:
        0, or one of the values: the smallest minimiser with active users.

    Raises:
        ValueError: if the arrays are empty or their days differ.

    >>> maxima = np.array([[0.1, 0.2], [0.3, 0.4], [0.2, 0.6]], np.float32)
    >>> fit_zero_threshold_of_active(np.array([0.5, 1]), maxima)
    0.20000000298023224
    """
    values, order = _ordered(reference_active_share, day_maximum)
    users, days = day_maximum.shape
    left = np.broadcast_to(users - np.arange(users), (days, users))
    squares = days * users**2 + np.cumsum((1 - 2 * left).reshape(-1)[order])
    steps = np.broadcast_to(reference_active_share[:, None], (days, users)).reshape(-1)[order]
    products = users * reference_active_share.sum() - np.cumsum(steps)
    active = users - np.searchsorted(np.sort(day_maximum.max(axis=1)), values, side="right")
    start = days - 2 * reference_active_share.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(active > 0, squares / active**2 - 2 * products / active - start, np.inf)
    return _first_minimiser(values, change)


def _ordered(
    reference_active_share: FloatArray, day_maximum: FloatArray
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Values in order, and the position of each among its day's sorted values, [D U]."""
    users, days = day_maximum.shape
    if not users or not days or len(reference_active_share) != days:
        raise ValueError(
            f"expected day maxima of at least one user on the reference's "
            f"{len(reference_active_share)} days, got {users} users and {days} days"
        )
    ordered = np.sort(day_maximum.T, axis=1)
    order = np.argsort(ordered, axis=None, kind="stable")  # a merge: each day is sorted already
    return ordered.reshape(-1)[order], order


def _first_minimiser(values: FloatArray, change: FloatArray) -> float:
    """First minimiser among 0 and the positive values, each taken after all that tie with it."""
    below = int(np.searchsorted(values, 0, side="right"))
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    ends = ends[ends >= below]
    start = change[below - 1] if below else 0.0
    objective = np.append(start, change[ends])
    best = int(np.argmin(objective))
    return float(values[ends[best - 1]]) if best else 0.0
