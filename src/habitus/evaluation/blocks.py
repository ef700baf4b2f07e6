"""Profiles walked block by block, which bounds the memory of every pass over a set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.schema import Axes, BoolArray, IntArray, ProfileSource, SparseProfiles, Values

BLOCK_CELLS = 1 << 20  # some tens of MB of temporaries, near to what a processor's cache holds
BLOCK_ROWS = 1 << 14  # so that profiles with few or no cells do not make a block of a million rows


@dataclass(frozen=True)
class CompressedRows:
    """Smallest set of profiles in memory (:class:`~habitus.schema.SparseProfiles`).

    Attributes:
        axes: What the cells mean.
        indptr: Where each profile's cells begin, [U + 1].
        cells: Cell numbers, ascending within a profile, [N].
        values: Their values, never zero, [N].
        users: Table with a row per profile, where the users are known; None where they are not.
    """

    axes: Axes
    indptr: NDArray[np.int64]
    cells: NDArray[np.int32]
    values: Values
    users: Any = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def chunks(self) -> Iterator[SparseProfiles]:
        """Yield itself: a set in memory is one chunk."""
        yield self


@dataclass(frozen=True)
class Binarised:
    """Set of profiles with 1 for every value, to be compared with binary ones."""

    source: ProfileSource

    @property
    def axes(self) -> Axes:
        """Axes of the source, with the unit binary."""
        return self.source.axes.with_unit("binary")

    def __len__(self) -> int:
        return len(self.source)

    def chunks(self) -> Iterator[SparseProfiles]:
        """Yield the source's chunks, binarised."""
        for chunk in self.source.chunks():
            ones = np.ones(len(chunk.cells), np.float32)
            users = getattr(chunk, "users", None)
            yield CompressedRows(self.axes, chunk.indptr, chunk.cells, ones, users)


@dataclass(frozen=True)
class Block:
    """Consecutive profiles: u of them with n non-empty cells.

    Attributes:
        lengths: Non-empty cells of each profile, [u]; zero is allowed.
        cells: Cell numbers, [n].
        values: Values in the unit of the set, [n].
    """

    lengths: IntArray
    cells: NDArray[np.int32]
    values: Values

    def __len__(self) -> int:
        return len(self.lengths)

    def users(self) -> NDArray[np.int64]:
        """Profile (0 to u - 1) that each cell belongs to, [n]."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def peak_values(self, axes: Axes) -> NDArray[np.float64]:
        """Values as shares of the profile's largest cell, [n] ("Time pictures" 5.1.1).

        Only counts are divided: peak-normalised and binary values are on that scale already.
        """
        if not is_count(axes) or not len(self.values):
            return self.values.astype(np.float64)
        lengths = self.lengths[
            self.lengths > 0
        ]  # reduceat would give an empty profile its neighbour's value
        peaks = np.maximum.reduceat(self.values, np.cumsum(lengths) - lengths)
        return self.values / np.repeat(peaks.astype(np.float64), lengths)

    def in_unit(self, axes: Axes, unit: str) -> NDArray[np.float64]:
        """Values as counts, as shares of the profile's largest, or as ones, [n]."""
        if unit == "binary":
            return np.ones(len(self.values))
        return self.peak_values(axes) if unit == "peak" else self.values.astype(np.float64)


def is_count(axes: Axes) -> bool:
    """Recognise raw counts of events."""
    return axes.unit == "count"


def is_binary(axes: Axes) -> bool:
    """Recognise binary values, 1 for a cell with any event."""
    return axes.unit == "binary"


def blocks(source: ProfileSource, rows: BoolArray | None = None) -> Iterator[Block]:
    """Walk a set once, in blocks of about a million cells, whatever the size of its chunks.

    Args:
        source: The set, U profiles.
        rows: Which profiles to include, [U]; all when absent.

    Yields:
        Blocks of the included profiles, in order.

    Raises:
        ValueError: if the mask has another length than the set.
    """
    if rows is not None and len(rows) != len(source):
        raise ValueError(
            f"expected a mask of {len(source)} profiles, got {len(rows)}; give one flag a profile"
        )
    first = 0
    for chunk in source.chunks():
        keep = np.ones(len(chunk), bool) if rows is None else rows[first : first + len(chunk)]
        first += len(chunk)
        yield from (
            _block(chunk, span, keep[span]) for span in _spans(chunk.indptr) if keep[span].any()
        )


def _spans(indptr: IntArray) -> Iterator[slice]:
    """Cut rows so that a block stays small; a single profile is never cut."""
    by_cells = np.searchsorted(indptr, np.arange(indptr[0], indptr[-1], BLOCK_CELLS))
    by_rows = np.arange(0, len(indptr) - 1, BLOCK_ROWS)
    cuts = np.union1d(np.append(by_cells, len(indptr) - 1), by_rows)
    yield from (slice(int(begin), int(end)) for begin, end in pairwise(cuts))


def _block(chunk: SparseProfiles, span: slice, keep: BoolArray) -> Block:
    bounds = chunk.indptr[span.start : span.stop + 1]
    lengths = np.diff(bounds)
    cells = chunk.cells[bounds[0] : bounds[-1]]
    values = chunk.values[bounds[0] : bounds[-1]]
    if keep.all():
        return Block(lengths, cells, values)
    kept = np.repeat(keep, lengths)
    return Block(lengths[keep], cells[kept], values[kept])


def collected(source: ProfileSource, rows: BoolArray | None = None) -> Block:
    """Collect the profiles of a set, or those marked in [U], in one block in memory."""
    parts = list(blocks(source, rows))
    if not parts:
        return Block(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    columns = ((part.lengths, part.cells, part.values) for part in parts)
    return Block(*(np.concatenate(column) for column in zip(*columns, strict=True)))
