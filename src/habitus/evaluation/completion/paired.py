"""Completed set beside the truth: piece by piece to be scored, and a few profiles to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import is_count
from habitus.schema import (
    PEAK,
    BoolArray,
    CompletedSource,
    Filled,
    IntArray,
    ProfileSource,
    SparseProfiles,
)

Float32 = NDArray[np.float32]
PERCENTILES = {"median user": 50, "busier than 3 in 4": 75, "busier than 19 in 20": 95}


@dataclass(frozen=True)
class Pair:
    """Consecutive profiles, filled and complete.

    Attributes:
        filled: Their missing cells.
        pictures: What was there, in the unit of the completed set, [B, D S C].
        peaks: Each profile's largest true cell, in the unit of the reference, [B].
    """

    filled: Filled
    pictures: Float32
    peaks: Float32

    def of(self, rows: BoolArray) -> Pair:
        """Restrict the pair to the profiles of a mask [B], numbered from 0."""
        kept = self.filled.select(rows[self.filled.row])
        number = (np.cumsum(rows) - 1)[kept.row]
        filled = replace(kept, profiles=int(rows.sum()), row=number)
        return Pair(filled, self.pictures[rows], self.peaks[rows])

    def split(self, most: int) -> Iterator[Pair]:
        """Split the pair into parts of at most ``most`` profiles."""
        number = np.arange(len(self.pictures)) // most
        yield from (self.of(number == part) for part in range(number.max(initial=-1) + 1))

    @property
    def missing(self) -> BoolArray:
        """Mask of the missing cells, [B, D S C]."""
        missing = np.zeros(self.pictures.shape, bool)
        missing[self.filled.row, self.filled.cell] = True
        return missing

    @property
    def known(self) -> IntArray:
        """Known non-empty cells of each profile, -1 for one without missing cells, [B]."""
        row = self.filled.row
        active = self.pictures != 0
        profiles = len(self.pictures)
        hidden = np.bincount(row[active[row, self.filled.cell]], minlength=profiles)
        count = active.sum(axis=1) - hidden
        return np.where(np.bincount(row, minlength=profiles) > 0, count, -1)


@dataclass(frozen=True)
class Example:
    """Example profile for the report.

    Attributes:
        name: How active its user is beside the others.
        missing: Mask of its missing cells, [D, S, C].
        truth: What was there, in the unit of the completed set, [D, S, C].
        mean: The expected value in missing cells, the truth in known ones, [D, S, C].
        draws: The draws in missing cells, the truth in known ones, [K, D, S, C].
    """

    name: str
    missing: BoolArray
    truth: Float32
    mean: Float32
    draws: Float32


def paired(completed: CompletedSource, reference: ProfileSource) -> Iterator[Pair]:
    """Yield what was filled, piece by piece, beside what was there.

    Counts of the reference are divided by what the completed profiles were divided by, where those
    say so (for a forecast the peak of the days before), else by their own peak.

    Raises:
        ValueError: if the pieces do not hold as many profiles as the reference.
    """
    rows = _Rows(reference)
    divided = is_count(reference.axes) and not is_count(completed.axes)
    users: Any = getattr(completed, "users", None)
    own = None
    if divided and users is not None and PEAK in users.column_names:
        own = users[PEAK].to_numpy().astype(np.float32)
    for filled in completed.pieces():
        first = rows.taken
        pictures = rows.take(filled.profiles)
        peaks = pictures.max(axis=1)
        if divided:
            divisor = peaks if own is None else own[first : rows.taken]
            pictures /= np.where(divisor > 0, divisor, 1)[:, None]
        yield Pair(filled, pictures, peaks)
    if rows.taken != len(reference):
        raise ValueError(f"expected {len(reference):,} completed profiles, but the pieces hold "
                         f"{rows.taken:,}; complete the set again")  # fmt: skip


def examples(
    completed: CompletedSource, reference: ProfileSource, known: IntArray
) -> tuple[Example, ...]:
    """Profiles at fixed places in the order of activity, so that none is picked by hand.

    Args:
        completed: The completed set.
        reference: The truth, in the same order.
        known: Known non-empty cells, -1 for profiles that are not to be shown, [U].

    Returns:
        An example for each of PERCENTILES, as far as they are different profiles.
    """
    order = np.argsort(known, kind="stable")[np.count_nonzero(known < 0) :]
    if not len(order):
        return ()
    rows = {
        name: int(order[(len(order) - 1) * share // 100]) for name, share in PERCENTILES.items()
    }
    wanted = {row: name for name, row in reversed(rows.items())}  # the first of equals
    found: dict[int, Example] = {}
    first = 0
    for pair in paired(completed, reference):
        for row, name in wanted.items():
            if first <= row < first + len(pair.pictures):
                found[row] = _example(pair, row - first, name, completed.axes.shape)
        if len(found) == len(wanted):
            break
        first += len(pair.pictures)
    return tuple(found[row] for row in wanted)


def _example(pair: Pair, row: int, name: str, shape: tuple[int, ...]) -> Example:
    """Dense pictures of one profile of a pair."""
    one = pair.of(np.arange(len(pair.pictures)) == row)
    truth = one.pictures[0]
    mean = truth.copy()
    mean[one.filled.cell] = one.filled.mean
    draws = np.tile(truth, (len(one.filled.draws), 1))
    draws[:, one.filled.cell] = one.filled.draws
    return Example(
        name,
        missing=one.missing[0].reshape(shape),
        truth=truth.reshape(shape),
        mean=mean.reshape(shape),
        draws=draws.reshape(-1, *shape),
    )


class _Rows:
    """Reader of the profiles of a set as dense pictures, in order, a number of them at a time."""

    def __init__(self, source: ProfileSource) -> None:
        self.taken = 0
        self._size = len(source)
        self._cells = source.axes.cells
        self._chunks = source.chunks()
        self._chunk: SparseProfiles | None = None
        self._at = 0

    def take(self, count: int) -> Float32:
        """Next profiles, [count, D S C]."""
        if self.taken + count > self._size:
            raise ValueError(f"expected {self._size:,} completed profiles, but the pieces hold "
                             "more; complete the set again")  # fmt: skip
        self.taken += count
        pictures = np.zeros((count, self._cells), np.float32)
        filled = 0
        while filled < count:
            if self._chunk is None or self._at == len(self._chunk):
                self._chunk = next(self._chunks)
                self._at = 0
            part = min(count - filled, len(self._chunk) - self._at)
            bounds = self._chunk.indptr[self._at : self._at + part + 1]
            cells = slice(bounds[0], bounds[-1])
            row = filled + np.repeat(np.arange(part), np.diff(bounds))
            pictures[row, self._chunk.cells[cells]] = self._chunk.values[cells]
            self._at += part
            filled += part
        return pictures
