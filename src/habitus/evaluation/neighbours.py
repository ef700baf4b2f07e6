"""Nearest neighbours between two sets of profiles, by products of sparse matrices.

The distance of two profiles with cells a and b, each on the scale log(1 + value), is

    d(a, b) = 1 - 2 a·b / (|a|² + |b|²)

It is 0 for equal profiles and 1 where no cell is active in both (Dice distance of real vectors).
Unlike the Euclidean distance it does not grow with the amount of activity; unlike the cosine
distance it takes a different amount of activity into account.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from habitus.evaluation.blocks import collected
from habitus.evaluation.sample import Side
from habitus.schema import IntArray

_PRODUCTS = 1 << 22  # distances held at a time, 16 MB
_ROUNDING = 1e-6  # of sums in single precision; no two profiles that differ are so near
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Cloud:
    """Profiles as points.

    Attributes:
        points: log(1 + value) of their cells, float32 [n, D S C].
        users: User of each, from 0, [n].
        keys: Exact content of each; equal ones are equal profiles, [n].
    """

    points: csr_array
    users: IntArray
    keys: tuple[bytes, ...]

    @classmethod
    def of(cls, side: Side, unit: str) -> Cloud:
        """Take profiles of a set as counts, as shares of their peak, or as ones."""
        block = collected(side.source, side.rows)
        values = block.in_unit(side.source.axes, unit).astype(np.float32)
        ends = np.append(0, np.cumsum(block.lengths))
        shape = (len(block), side.source.axes.cells)
        points = csr_array((np.log1p(values), block.cells, ends), shape=shape)
        keys = tuple(block.cells[a:b].tobytes() + values[a:b].tobytes() for a, b in pairwise(ends))
        return cls(points, side.users, keys)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of active cells of each profile, [n]."""
        return np.diff(self.points.indptr).astype(np.int64)

    @property
    def norms(self) -> NDArray[np.float32]:
        """Squared lengths of the points, [n]."""
        return np.asarray(self.points.multiply(self.points).sum(axis=1), np.float32)


def nearest(queries: Cloud, pool: Cloud) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distance from each query to its nearest profile of a pool, and the number of that profile.

    Args:
        queries: Profiles, [n].
        pool: Profiles, [m], at least one.

    Returns:
        Distances from 0 to 1 and numbers in the pool, [n] each.
    """
    columns = pool.points.T.tocsr()
    ours = queries.norms
    theirs = np.maximum(pool.norms, _TINY)
    distance = np.zeros(len(queries), np.float32)
    which = np.zeros(len(queries), np.int64)
    step = max(1, _PRODUCTS // len(pool))
    for begin in range(0, len(queries), step):
        part = slice(begin, begin + step)
        similarity = (queries.points[part] @ columns).toarray()
        similarity /= ours[part, None] + theirs
        which[part] = similarity.argmax(axis=1)
        best = np.take_along_axis(similarity, which[part, None], axis=1)[:, 0]
        distance[part] = np.clip(1 - 2 * best, 0, 1)
    distance[distance < _ROUNDING] = 0
    empty = queries.sizes == 0
    if empty.any() and (pool.sizes == 0).any():  # profiles in which nothing happens are equal
        distance[empty] = 0
        which[empty] = int(np.argmin(pool.sizes))
    return distance, which
