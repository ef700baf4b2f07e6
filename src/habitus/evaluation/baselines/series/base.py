"""Base of the baselines of series: learned from a panel, they generate and forecast."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.baselines.base import Baseline
from habitus.evaluation.panels import Panel, Rng, Stack, carried_forward
from habitus.schema import FloatArray

Paths = NDArray[np.float32]


class SeriesBaseline(Baseline):
    """Baseline of series. The same seed gives the same draws, in every call.

    Attributes:
        stack: Training rows, missing values filled with the series' last observed value, else its
            next one, else the variable's mean.
        complete: Numbers of the rows without missing values, or of all rows if there is none.
        memory: Number of rows at the end of a past that a forecast depends on.
    """

    memory: int = 1

    def __init__(self, train: Panel, seed: int = 0) -> None:
        """Learn.

        Args:
            train: Training panel; NaN is missing.
            seed: Seed of everything drawn later.

        Raises:
            ValueError: if the panel is empty or its series have different numbers of variables.
        """
        stack = Stack.of(train)
        self.stack = carried_forward(stack)
        self.seed = seed
        whole = stack.observed.all(axis=1)
        self.complete = np.flatnonzero(whole if whole.any() else np.ones_like(whole))

    @property
    def rows(self) -> FloatArray:
        """Training rows, [R, V]."""
        return self.stack.values

    def generate(self, series: int, steps: int) -> Paths:
        """Generate what follows pasts drawn at random from the training panel.

        Returns:
            [series, steps, V].
        """
        rng = np.random.default_rng((self.seed, 1))
        ends = rng.choice(self.complete, series) + 1
        first = self.stack.starts[np.searchsorted(self.stack.starts, ends - 1, side="right") - 1]
        pasts = [
            self.rows[max(start, end - self.memory) : end]
            for start, end in zip(first, ends, strict=True)
        ]
        return self.continued(pasts, steps, 1, rng)[:, 0]

    def forecast(self, pasts: Sequence[FloatArray], steps: int, samples: int) -> Paths:
        """Draw the steps after each past; a variable that a past never shows is at its mean.

        Args:
            pasts: What is known before each of O origins, [T_n, V]; at least one row.
            steps: Steps ahead (H).
            samples: Draws (K).

        Returns:
            [O, K, H, V].

        Raises:
            ValueError: for an empty past or one of other variables.
        """
        variables = self.rows.shape[1]
        if any(each.ndim != 2 or not len(each) or each.shape[1] != variables for each in pasts):
            raise ValueError(f"expected pasts of at least one row of {variables} variables")
        recent = Stack.of([each[-self.memory :] for each in pasts])
        counts = np.add.reduceat(recent.observed.astype(np.int64), recent.starts[:-1], axis=0)
        never = np.repeat(counts == 0, recent.lengths, axis=0)
        filled = np.where(never, self.rows.mean(axis=0), carried_forward(recent).values)
        rng = np.random.default_rng((self.seed, 2))
        return self.continued(np.split(filled, recent.starts[1:-1]), steps, samples, rng)

    @abstractmethod
    def continued(self, pasts: list[FloatArray], steps: int, samples: int, rng: Rng) -> Paths:
        """Draws after pasts without gaps of at most ``memory`` rows, [O, K, H, V]."""
