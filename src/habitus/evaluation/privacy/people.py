"""Users of a set as the unit of privacy: whole users are drawn, and each has one score.

A user with 40 windows is one person: windows of one person are never split between two sets, and
count together as one in every share, quantile and test.

Letters: U profiles, n users.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from habitus.evaluation.draws import random_users, users_of
from habitus.evaluation.neighbours import Cloud
from habitus.evaluation.sample import Side
from habitus.schema import BoolArray, FloatArray, IntArray, ProfileSource

Floats = NDArray[np.float64]


def drawn_side(source: ProfileSource, most: int, seed: int) -> Side:
    """Choose all profiles of users drawn at random, about ``most`` profiles in all."""
    users = users_of(source)
    rows = random_users(users, most, np.random.default_rng(seed))
    return Side(source, rows, users[rows])


class People:
    """Users behind profiles.

    Attributes:
        code: Number of the user of each profile, from 0 without gaps, [U].
        windows: Number of profiles of each user, [n].
    """

    def __init__(self, users: IntArray) -> None:
        self.code: IntArray = np.unique(users, return_inverse=True)[1]
        self.windows: IntArray = np.bincount(self.code)

    def __len__(self) -> int:
        return len(self.windows)

    def mean(self, values: FloatArray | BoolArray) -> Floats:
        """Mean over the profiles of each user, [n]."""
        return np.bincount(self.code, np.asarray(values, np.float64)) / self.windows

    def largest(self, values: FloatArray) -> Floats:
        """Largest value among the profiles of each user, [n]."""
        out = np.full(len(self), -np.inf)
        np.maximum.at(out, self.code, values)
        return out

    @property
    def weights(self) -> Floats:
        """Weight of each profile in shares of which every user is one part, [U]; their sum is 1."""
        return 1 / (self.windows[self.code] * len(self))


def by_day(cloud: Cloud, slots: int, channels: int) -> Cloud:
    """Sum the counts of profiles over each day's slots: the same for events moved within a day."""
    points = cloud.points
    day, rest = np.divmod(points.indices, slots * channels)
    cells = day * channels + rest % channels
    users, width = cast("tuple[int, int]", points.shape)
    shape = (users, width // slots)
    # Adding up changes the ends of the rows in place.
    summed = csr_array((np.expm1(points.data), cells, points.indptr.copy()), shape=shape)
    summed.sum_duplicates()
    summed.data = np.log1p(summed.data)
    return Cloud(summed, cloud.users, cloud.keys)


def without_cells(cloud: Cloud, hidden: BoolArray) -> Cloud:
    """Leave out cells, marked in [D S C]: what is known of users whose secret these are."""
    kept = ~hidden[cloud.points.indices]
    indptr = np.append(0, np.cumsum(kept))[cloud.points.indptr]
    points = csr_array(
        (cloud.points.data[kept], cloud.points.indices[kept], indptr), shape=cloud.points.shape
    )
    return Cloud(points, cloud.users, cloud.keys)
