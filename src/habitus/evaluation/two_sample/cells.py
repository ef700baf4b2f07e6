"""Profiles taken apart into cells, active slots and active days, with what every feature is made of.

Letters: B profiles, D days, S slots, C channels, n non-empty cells, h active slots (those with any), d active days.
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
"""Feature -> its value for each profile, [B]; NaN where a profile has nothing to measure it on."""

Numbers = FloatArray | IntArray | BoolArray


@dataclass(frozen=True)
class Cells:
    """Some profiles as lists in order of time.

    Attributes:
        axes: What the cells mean; its unit is that of the values.
        profiles: How many profiles (B).
        row: The profile of each cell, [n].
        cell: Its number, (day * S + slot) * C + channel, ascending within a profile, [n].
        values: Its value, [n].
    """

    axes: Axes
    profiles: int
    row: NDArray[np.int64]
    cell: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of_block(cls, block: Block, axes: Axes, unit: str) -> Self:
        """Some profiles of a set on these axes, in ``unit``: count, peak or binary."""
        cells = block.cells.astype(np.int64)
        values = block.in_unit(axes, unit)
        return cls(axes.with_unit(unit), len(block), block.users(), cells, values)

    @cached_property
    def channel(self) -> NDArray[np.int64]:
        """The channel of each cell, [n]."""
        return self.cell % len(self.axes.channels)

    @cached_property
    def slots(self) -> Times:
        """Active slots."""
        days, slots, channels = self.axes.shape
        return Times.of(
            self.row * (days * slots) + self.cell // channels, self.values, days * slots
        )

    @cached_property
    def days(self) -> Times:
        """Active days."""
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
        """How many of ``row`` are of each profile, or the sum of their weights, [B]."""
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
    """Those slots or days of some profiles on which anything happened, in order of profile and time.

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
        """From the key and value of each cell, keys ascending."""
        starts = starts_of_runs(keys)
        return cls(keys[starts], sums_of_runs(values, starts), starts, length)

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """Profile, [h]."""
        return self.key // self.length

    @cached_property
    def time(self) -> NDArray[np.int64]:
        """Time within the profile, [h]."""
        return self.key % self.length

    @cached_property
    def wait(self) -> NDArray[np.int64]:
        """Times until the profile's next active one, 1 for the very next; 0 for its last, [h]."""
        step = np.diff(self.key, append=0)
        step[np.append(self.row[1:] != self.row[:-1], True)[: len(step)]] = 0
        return step

    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Stretches without a break: profile and length of each."""
        ends = np.flatnonzero(self.wait != 1)
        return self.row[ends], np.diff(ends, prepend=-1)

    def silences(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Breaks between active times: profile and length of each; the ends of the window are none."""
        breaks = self.wait > 1
        return self.row[breaks], self.wait[breaks] - 1


def over(top: FloatArray, bottom: FloatArray) -> NDArray[np.float64]:
    """Top / bottom, NaN where the bottom is zero."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan)


def positions(ordered: IntArray, wanted: IntArray) -> NDArray[np.int64]:
    """Where each wanted key is among ascending distinct ones, -1 where it is not.

    >>> positions(np.array([2, 5, 7]), np.array([5, 6])).tolist()
    [1, -1]
    """
    if not len(ordered):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)
