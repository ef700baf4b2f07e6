"""Baselines that resample training rows: independently, one after another, or in blocks."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.baselines.series.base import Paths, SeriesBaseline
from habitus.evaluation.baselines.series.states import Members, States
from habitus.evaluation.panels import Panel, Rng
from habitus.schema import FloatArray, IntArray


class Independent(SeriesBaseline):
    """Whole rows drawn independently from the training histogram, whatever the past."""

    name = "independent"

    def continued(self, pasts: list[FloatArray], steps: int, samples: int, rng: Rng) -> Paths:
        rows = rng.choice(self.complete, (len(pasts), samples, steps))
        return self.rows.astype(np.float32)[rows]


class _RowChain(SeriesBaseline):
    """Path that is a chain of training rows: each step maps row numbers to row numbers."""

    def __init__(self, train: Panel, seed: int = 0) -> None:
        super().__init__(train, seed)
        self.states = States.of(self.rows, np.random.default_rng((seed, 0)))
        of_complete = self.states.of_row[self.complete]
        self.members = Members.of(self.complete, of_complete, len(self.states))

    def continued(self, pasts: list[FloatArray], steps: int, samples: int, rng: Rng) -> Paths:
        last = np.array([past[-1] for past in pasts], np.float64)
        row = self.members.draw(np.repeat(self.states.nearest(last), samples), rng)
        values = self.rows.astype(np.float32)
        paths = np.empty((len(row), steps, values.shape[1]), np.float32)
        for step in range(steps):
            row = self.following(row, rng)
            paths[:, step] = values[row]
        return paths.reshape(len(pasts), samples, steps, -1)

    @abstractmethod
    def following(self, row: IntArray, rng: Rng) -> NDArray[np.int64]:
        """Training row that comes after each row of a path."""


class MarkovChain(_RowChain):
    """First-order Markov chain: successor of a random training row in the state of the last value.

    Where few distinct rows come often this is the empirical transition matrix; otherwise states are
    up to 100 clusters of whole rows (all variables together) and the values drawn are still those
    of training rows.
    """

    name = "markov_chain"

    def __init__(self, train: Panel, seed: int = 0) -> None:
        super().__init__(train, seed)
        whole = np.zeros(len(self.rows) + 1, bool)
        whole[self.complete] = True
        before = self.stack.followed(1)
        before = before[whole[before] & whole[before + 1]]
        if not len(before):
            before = self.complete - 1  # no row has a successor: any row may follow
        self.successors = Members.of(before + 1, self.states.of_row[before], len(self.states))

    def following(self, row: IntArray, rng: Rng) -> NDArray[np.int64]:
        return self.successors.draw(self.states.of_row[row], rng)


class BlockBootstrap(_RowChain):
    """Stationary bootstrap (Politis and Romano 1994): blocks of training rows, end to end.

    A block goes on to the next training row, and with probability 1 / L, or at the end of a series,
    a new one begins at any row; L = R^(1/3), at least 2. The first block of a forecast goes on from
    a training row in the state of the last known value.
    """

    name = "block_bootstrap"

    def __init__(self, train: Panel, seed: int = 0) -> None:
        super().__init__(train, seed)
        self.length = max(2.0, len(self.rows) ** (1 / 3))
        self.ends = np.zeros(len(self.rows), bool)
        self.ends[self.stack.starts[1:] - 1] = True

    def following(self, row: IntArray, rng: Rng) -> NDArray[np.int64]:
        jump = self.ends[row] | (rng.random(len(row)) * self.length < 1)
        return np.where(jump, rng.choice(self.complete, len(row)), row + 1)
