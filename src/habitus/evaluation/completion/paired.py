"""A completed set beside the truth: piece by piece to be scored, and a few profiles to be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import is_count
from habitus.evaluation.completion.missing_region import of_profiles
from habitus.schema import (
    PEAK,
    BoolArray,
    CompletedSource,
    Filled,
    FloatArray,
    IntArray,
    ProfileSource,
    SparseProfiles,
)

Float32 = NDArray[np.float32]
PERCENTILES = {"median user": 50, "busier than 3 in 4": 75, "busier than 19 in 20": 95}


@dataclass(frozen=True)
class Pair:
    """Some consecutive profiles: what was filled, and all that was there.

    Attributes:
        filled: Their missing cells.
        pictures: What was there, in the unit of the completed set, [B, D S C].
        peaks: Each profile's largest true cell, in the unit of the reference, [B].
    """

    filled: Filled
    pictures: Float32
    peaks: Float32

    def of(self, rows: BoolArray) -> Pair:
        """Some of its profiles, marked in [B]."""
        return Pair(of_profiles(self.filled, rows), self.pictures[rows], self.peaks[rows])

    def split(self, most: int) -> Iterator[Pair]:
        """Itself, in parts of so many profiles at the most."""
        number = np.arange(len(self.pictures)) // most
        yield from (self.of(number == part) for part in range(number.max(initial=-1) + 1))

    @property
    def missing(self) -> BoolArray:
        """Which cells are missing, [B, D S C]."""
        missing = np.zeros(self.pictures.shape, bool)
        missing[self.filled.row, self.filled.cell] = True
        return missing

    @property
    def known(self) -> IntArray:
        """Known cells in which something happened, -1 for a profile without missing cells, [B]."""
        row = self.filled.row
        cell = self.filled.cell
        active = self.pictures != 0
        profiles = len(self.pictures)
        count = active.sum(axis=1) - np.bincount(row[active[row, cell]], minlength=profiles)
        return np.where(np.bincount(row, minlength=profiles) > 0, count, -1)


@dataclass(frozen=True)
class Example:
    """One profile to be shown.

    Attributes:
        name: How active its user is beside the others.
        missing: Its missing cells, [D, S, C].
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
    """What was filled, piece by piece, beside what was there.

    Raises:
        ValueError: if the pieces do not hold as many profiles as the reference.
    """
    rows = _Rows(reference)
    own = _own_peaks(completed)
    for filled in completed.pieces():
        first = rows.taken
        pictures = rows.take(filled.profiles)
        peaks = pictures.max(axis=1)
        if is_count(reference.axes) and not is_count(completed.axes):
            divisor = peaks if own is None else own[first : rows.taken]
            pictures /= np.where(divisor > 0, divisor, 1)[:, None]
        yield Pair(filled, pictures, peaks)
    if rows.taken != len(reference):
        raise ValueError(
            f"expected {len(reference):,} completed profiles, but the pieces hold {rows.taken:,}; "
            "complete the set again"
        )


def _own_peaks(completed: CompletedSource) -> Float32 | None:
    """What each completed profile was divided by, where it says so: of a forecast the peak of the days before."""
    users: Any = getattr(completed, "users", None)
    if is_count(completed.axes) or users is None or PEAK not in users.column_names:
        return None
    return users[PEAK].to_numpy().astype(np.float32)


def examples(
    completed: CompletedSource, reference: ProfileSource, known: IntArray
) -> tuple[Example, ...]:
    """Profiles at fixed places in the order of activity, so that nobody picks them by hand.

    Args:
        completed: The completed set.
        reference: The truth, in the same order.
        known: Known cells in which something happened, -1 for profiles that are not to be shown, [U].

    Returns:
        An example for each of PERCENTILES, as far as they are different profiles.
    """
    wanted = _places(known)
    found: dict[int, Example] = {}
    first = 0
    for pair in paired(completed, reference) if wanted else ():
        last = first + len(pair.pictures)
        inside = {row: name for row, name in wanted.items() if first <= row < last}
        found |= {
            row: _example(pair, row - first, name, completed.axes.shape)
            for row, name in inside.items()
        }
        if len(found) == len(wanted):
            break
        first = last
    return tuple(found[row] for row in wanted)


def _places(known: IntArray) -> dict[int, str]:
    """Rows to show, with the name of their place; the first of equals."""
    order = np.argsort(known, kind="stable")[np.count_nonzero(known < 0) :]
    if not len(order):
        return {}
    rows = {
        name: int(order[(len(order) - 1) * share // 100]) for name, share in PERCENTILES.items()
    }
    return {row: name for name, row in reversed(rows.items())}


def _example(pair: Pair, row: int, name: str, shape: Sequence[int]) -> Example:
    one = pair.of(np.arange(len(pair.pictures)) == row)
    truth = one.pictures[0]
    missing = one.missing[0]
    mean = truth.copy()
    draws = np.tile(truth, (len(one.filled.draws), 1))
    mean[one.filled.cell] = one.filled.mean
    draws[:, one.filled.cell] = one.filled.draws
    return Example(
        name,
        missing.reshape(shape),
        truth.reshape(shape),
        mean.reshape(shape),
        draws.reshape(-1, *shape),
    )


class _Rows:
    """Dense profiles of a set, in order, so many at a time."""

    def __init__(self, source: ProfileSource) -> None:
        self.taken = 0
        self._size = len(source)
        self._cells = source.axes.cells
        self._chunks = source.chunks()
        self._chunk: SparseProfiles | None = None
        self._at = 0

    def take(self, count: int) -> Float32:
        """The next profiles, [count, D S C]."""
        if self.taken + count > self._size:
            raise ValueError(
                f"expected {self._size:,} completed profiles, but the pieces hold more; complete the set again"
            )
        self.taken += count
        pictures = np.zeros((count, self._cells), np.float32)
        filled = 0
        while filled < count:
            if self._chunk is None or self._at == len(self._chunk):
                self._chunk = next(self._chunks)
                self._at = 0
            filled += self._put(pictures[filled:], self._chunk)
        return pictures

    def _put(self, pictures: FloatArray, chunk: SparseProfiles) -> int:
        """Fill as many pictures as the chunk still has."""
        count = min(len(pictures), len(chunk) - self._at)
        bounds = chunk.indptr[self._at : self._at + count + 1]
        cells = slice(bounds[0], bounds[-1])
        pictures[np.repeat(np.arange(count), np.diff(bounds)), chunk.cells[cells]] = chunk.values[
            cells
        ]
        self._at += count
        return count
