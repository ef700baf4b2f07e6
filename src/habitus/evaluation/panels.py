"""Panel: series of one sort, stacked so that every score is a few operations on whole arrays.

Letters: N series, T steps, V variables, R rows of all series together, P pairs of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from habitus.schema import BoolArray, FloatArray

Panel = Sequence[FloatArray] | FloatArray  # N arrays [T_n, V], or one array [N, T, V]
Float64 = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Stack:
    """Panel as one array: series n is the rows starts[n]:starts[n + 1].

    Attributes:
        values: Rows of all series, one series after another; NaN where missing, [R, V].
        starts: int64 [N + 1].
    """

    values: FloatArray
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, panel: Panel) -> Self:
        """Stack a panel.

        Raises:
            ValueError: if it holds no row, or series whose shapes do not match.
        """
        shapes = {each.shape[1] for each in panel if each.ndim == 2}
        if len(shapes) != 1 or any(each.ndim != 2 for each in panel):
            raise ValueError(
                "expected a panel of arrays [steps, variables] with the same variables, "
                f"got {len(panel)} arrays with {sorted(shapes)} variables"
            )
        starts = np.concatenate([[0], np.cumsum([len(each) for each in panel])]).astype(np.int64)
        if not starts[-1]:
            raise ValueError("expected at least one row in the panel, got none")
        if isinstance(panel, np.ndarray):
            return cls(panel.reshape(-1, panel.shape[2]), starts)
        return cls(np.concatenate(list(panel)), starts)

    @classmethod
    def pair(cls, one: Panel, other: Panel) -> tuple[Self, Self]:
        """Stack two panels that are to be compared.

        Raises:
            ValueError: if they have different numbers of variables.
        """
        stacks = cls.of(one), cls.of(other)
        counts = [stack.variables for stack in stacks]
        if counts[0] != counts[1]:
            raise ValueError(f"expected panels of the same variables, got {counts[0]} and "
                             f"{counts[1]}; give the same columns to both")  # fmt: skip
        return stacks

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def variables(self) -> int:
        """Number of variables (V)."""
        return self.values.shape[1]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each series, [N]."""
        return np.diff(self.starts)

    @property
    def observed(self) -> BoolArray:
        """Mask of the values that are not missing, [R, V]."""
        return ~np.isnan(self.values)

    def one(self, number: int) -> FloatArray:
        """Rows of one series, [T_n, V]."""
        return self.values[self.starts[number] : self.starts[number + 1]]

    def joined(self, step: int) -> BoolArray:
        """Mask of the rows whose series has a row ``step`` later, [R - step]."""
        joined = np.ones(max(len(self.values) - step, 0), bool)
        for before in range(1, step + 1):
            rows = self.starts[1:] - before
            joined[rows[(rows >= 0) & (rows < len(joined))]] = False
        return joined

    def followed(self, step: int) -> NDArray[np.int64]:
        """Rows whose series has a row ``step`` later, ascending, [P]."""
        return np.flatnonzero(self.joined(step))

    def column(self, variable: int) -> FloatArray:
        """Observed values of a variable, of all series."""
        values = self.values[:, variable]
        return values[~np.isnan(values)]

    def columns(self) -> list[FloatArray]:
        """Observed values of each variable, V arrays."""
        return [self.column(each) for each in range(self.variables)]


def carried_forward(stack: Stack) -> Stack:
    """Fill missing values with the series' last observed one, else its next, else the mean."""
    known = stack.observed
    if known.all():
        return stack
    first = np.repeat(stack.starts[:-1], stack.lengths)[:, None]
    last = np.repeat(stack.starts[1:] - 1, stack.lengths)[:, None]
    rows = np.arange(len(known))[:, None]
    before = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    after = np.minimum.accumulate(np.where(known, rows, len(known))[::-1], axis=0)[::-1]
    source = np.where(before >= first, before, np.where(after <= last, after, -1))
    means = [column.mean() if column.size else 0.0 for column in stack.columns()]
    filled = np.take_along_axis(stack.values, np.maximum(source, 0), axis=0)
    return Stack(np.where(source >= 0, filled, means), stack.starts)


def complete_windows(
    panel: Panel, length: int, most: int | None = None, seed: int = 0
) -> FloatArray:
    """Collect the windows without missing values, from every row of each series.

    Args:
        panel: Series.
        length: Rows in a window (T).
        most: Largest number of windows, drawn at random without replacement; None for all.
        seed: Seed of the draw.

    Returns:
        Windows in the order of the panel, [N, T, V].

    Raises:
        ValueError: if there is no such window.
    """
    stack = Stack.of(panel)
    starts = stack.followed(length - 1)
    missing = np.concatenate([[0], np.cumsum(~stack.observed.all(axis=1))])
    starts = starts[missing[starts + length] == missing[starts]]
    if not len(starts):
        raise ValueError(f"expected {length} consecutive rows without a missing value, found none; "
                         "shorten the window")  # fmt: skip
    if most is not None and most < len(starts):
        starts = np.sort(np.random.default_rng(seed).choice(starts, most, replace=False))
    return stack.values[starts[:, None] + np.arange(length)]
