"""Cells, active slots and active days of profiles, from which all features are computed.

Letters: B profiles, D days, S slots, C channels, n non-empty cells, h active slots, d active days.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import Block
from habitus.schema import Axes, BoolArray, FloatArray, IntArray, starts_of_runs, sums_of_runs

Features = dict[str, NDArray[np.float64]]
"""Values of each feature by name, [B]; NaN where a profile does not define it."""

Numbers = FloatArray | IntArray | BoolArray


@dataclass(frozen=True)
class Cells:
    """Cells of some profiles, in order of profile and time.

    Attributes:
        axes: Axes of the cells, with the unit of the values.
        profiles: Number of profiles, B.
        row: Profile of each cell, [n].
        cell: Number of each cell, (day * S + slot) * C + channel, ascending within a profile, [n].
        values: Value of each cell, [n].
    """

    axes: Axes
    profiles: int
    row: NDArray[np.int64]
    cell: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of_block(cls, block: Block, axes: Axes, unit: str) -> Self:
        """Read a block of profiles, in ``unit``: count, peak or binary."""
        cells = block.cells.astype(np.int64)
        values = block.in_unit(axes, unit)
        return cls(axes.with_unit(unit), len(block), block.users(), cells, values)

    @cached_property
    def channel(self) -> NDArray[np.int64]:
        """Channel of each cell, [n]."""
        return self.cell % len(self.axes.channels)

    @cached_property
    def slots(self) -> Times:
        """Active slots of all profiles, h of them."""
        days, slots, channels = self.axes.shape
        return Times.of(
            self.row * (days * slots) + self.cell // channels, self.values, days * slots
        )

    @cached_property
    def days(self) -> Times:
        """Active days of all profiles, d of them."""
        days, slots, channels = self.axes.shape
        return Times.of(self.row * days + self.cell // (slots * channels), self.values, days)

    @cached_property
    def daily(self) -> NDArray[np.float64]:
        """Total of each day, [B, D]."""
        out = np.zeros(self.profiles * self.axes.days)
        out[self.days.key] = self.days.total
        return out.reshape(self.profiles, self.axes.days)

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """Sum of each profile, [B]."""
        return self.count(self.row, self.values)

    @cached_property
    def active_slots(self) -> NDArray[np.float64]:
        """Active slots of each profile, [B]."""
        return self.count(self.slots.row)

    @cached_property
    def active_days(self) -> NDArray[np.float64]:
        """Active days of each profile, [B]."""
        return self.count(self.days.row)

    def count(self, row: IntArray, weight: Numbers | None = None) -> NDArray[np.float64]:
        """Number of entries of each profile in ``row``, or the sum of their weights, [B]."""
        return np.bincount(row, weight, self.profiles).astype(np.float64)

    def share(self, row: IntArray, weight: Numbers) -> NDArray[np.float64]:
        """Mean of the weights of each profile, [B]; NaN where it has none."""
        return over(self.count(row, weight), self.count(row))

    def spread(self, row: IntArray, values: Numbers) -> NDArray[np.float64]:
        """Standard deviation of the values of each profile, [B]; NaN where it has none."""
        mean = self.share(row, values)
        return np.sqrt(self.share(row, (values - mean[row]) ** 2))

    def largest(self, row: IntArray, values: Numbers) -> NDArray[np.float64]:
        """Largest of the values of each profile, rows in order, [B]; NaN where it has none."""
        out = np.full(self.profiles, np.nan)
        starts = starts_of_runs(row)
        if len(starts):
            out[row[starts]] = np.maximum.reduceat(values, starts)
        return out


@dataclass(frozen=True)
class Times:
    """Active slots or active days of some profiles, in order of profile and time.

    Attributes:
        key: Profile x length + time, ascending, [h].
        total: Sum of the cells there, [h].
        starts: First cell of each, [h].
        length: Times in a profile: D x S slots, or D days.
    """

    key: NDArray[np.int64]
    total: NDArray[np.float64]
    starts: NDArray[np.int64]
    length: int

    @classmethod
    def of(cls, keys: NDArray[np.int64], values: FloatArray, length: int) -> Self:
        """Sum the values of cells with equal keys, which ascend."""
        starts = starts_of_runs(keys)
        return cls(keys[starts], sums_of_runs(values, starts), starts, length)

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """Profile of each time, [h]."""
        return self.key // self.length

    @cached_property
    def time(self) -> NDArray[np.int64]:
        """Time within the profile, [h]."""
        return self.key % self.length

    @cached_property
    def wait(self) -> NDArray[np.int64]:
        """Steps to the profile's next active time, [h]; 0 for its last."""
        step = np.diff(self.key, append=0)
        step[np.append(self.row[1:] != self.row[:-1], True)[: len(step)]] = 0
        return step

    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Profile and length of each run of consecutive active times."""
        ends = np.flatnonzero(self.wait != 1)
        return self.row[ends], np.diff(ends, prepend=-1)

    def silences(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Profile and length of each gap between active times, without the ends of the window."""
        breaks = self.wait > 1
        return self.row[breaks], self.wait[breaks] - 1


def over(top: FloatArray, bottom: FloatArray) -> NDArray[np.float64]:
    """Divide, with NaN where the bottom is zero."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan)


def positions(ordered: IntArray, wanted: IntArray) -> NDArray[np.int64]:
    """Positions of the wanted keys among ascending distinct ones, -1 for those not there.

    >>> positions(np.array([2, 5, 7]), np.array([5, 6])).tolist()
    [1, -1]
    """
    if not len(ordered):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)
