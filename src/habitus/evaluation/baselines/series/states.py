"""States of a chain over training rows: distinct rows, or clusters of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial import KDTree

from habitus.evaluation.panels import Float64, Rng
from habitus.schema import FloatArray, IntArray

MOST_STATES = 1_000  # up to this number, each distinct row is a state; else rows are clustered
CLUSTERS = 100  # largest number of clusters
_REPEATS = 10  # least mean count of a distinct row, so that its state has several successors
_ROWS_OF_A_CLUSTER = 20
_SAMPLE = 20_000  # rows to fit the cluster centres to


@dataclass(frozen=True)
class States:
    """States of a Markov chain over rows: the centre nearest to a row is its state.

    The centres are the distinct rows if there are at most 1,000 and each occurs ten times on
    average, so that transitions are the empirical ones; else up to 100 k-means centres, at most one
    per 20 rows. A centre is a row of all variables, in standard deviations of each.

    Attributes:
        tree: Nearest-neighbour search over the centres, divided by ``unit``.
        unit: Standard deviation of each variable, 1 where it is constant, [V].
        of_row: State of each training row, [R].
    """

    tree: KDTree
    unit: Float64
    of_row: NDArray[np.int64]

    @classmethod
    def of(cls, rows: FloatArray, rng: Rng) -> Self:
        """Find the states of training rows without gaps."""
        spread = rows.std(axis=0, dtype=np.float64)
        unit = np.where(spread > 0, spread, 1.0)
        scaled = rows / unit
        centres = np.unique(scaled[: 4 * MOST_STATES], axis=0)
        if len(centres) <= MOST_STATES:  # else a part of the rows shows too many already
            centres = np.unique(scaled, axis=0)
        if len(centres) > min(MOST_STATES, max(len(rows) // _REPEATS, 1)):
            centres = _clusters(scaled, rng)
        tree = KDTree(centres)
        return cls(tree, unit, np.asarray(tree.query(scaled)[1]))

    def __len__(self) -> int:
        return self.tree.n

    def nearest(self, rows: FloatArray) -> NDArray[np.int64]:
        """State of any rows, [O, V] -> [O]."""
        return np.asarray(self.tree.query(rows / self.unit)[1])


@dataclass(frozen=True)
class Members:
    """Training rows by state: state s has rows[starts[s]:starts[s + 1]]."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, rows: IntArray, states: IntArray, count: int) -> Self:
        """Sort rows by the state of each."""
        order = np.argsort(states, kind="stable")
        starts = np.searchsorted(states[order], np.arange(count + 1))
        return cls(rows[order].astype(np.int64), starts)

    def draw(self, states: IntArray, rng: Rng) -> NDArray[np.int64]:
        """Draw a row of each state at random; any row where the state has none."""
        first = self.starts[states]
        size = self.starts[states + 1] - self.starts[states]
        first = np.where(size > 0, first, 0)
        size = np.where(size > 0, size, len(self.rows))
        return self.rows[first + (rng.random(len(states)) * size).astype(np.int64)]


def _clusters(rows: Float64, rng: Rng) -> Float64:
    """Centres of k-means over a sample of rows."""
    sample = rows if len(rows) <= _SAMPLE else rows[rng.choice(len(rows), _SAMPLE, replace=False)]
    count = min(CLUSTERS, max(1, len(sample) // _ROWS_OF_A_CLUSTER))
    centres = sample[rng.choice(len(sample), count, replace=False)]
    with warnings.catch_warnings():
        # a cluster that lost all its rows does no harm
        warnings.simplefilter("ignore", UserWarning)
        return kmeans2(sample, centres, minit="matrix", iter=10)[0]
