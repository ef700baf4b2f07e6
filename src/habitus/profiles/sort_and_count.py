"""Sort and count of keys: in the log's own engine, or in memory where that is faster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from habitus.events import Column, engine_errors
from habitus.schema import IntArray

MOST_HERE = 100_000_000  # keys sorted in memory, at most (800 MB); the engine counts larger logs
SHIFT = 4  # added to keys of type uint32, since reason keys go down to -4
PIECE = 2_000_000  # keys of a piece, about: 16 MB
SAMPLED = 1024  # distance of the keys in a sorted run that are sampled for the pieces' bounds


@dataclass(frozen=True)
class Counts:
    """Ascending keys and how often each occurs, int64 [N] each."""

    keys: IntArray
    counts: IntArray

    @classmethod
    def none(cls) -> Counts:
        """Counts of no key at all."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def of_sorted(cls, keys: IntArray) -> Counts:
        """Count sorted keys; SHIFT is taken off unsigned ones."""
        starts = np.flatnonzero(np.concatenate([[len(keys) > 0], keys[1:] != keys[:-1]]))
        distinct = keys[starts].astype(np.int64)
        if keys.dtype == np.uint32:
            distinct -= SHIFT
        return cls(distinct, np.diff(starts, append=len(keys)))

    def and_then(self, other: Counts) -> Counts:
        """Append counts of keys that are all larger."""
        if not len(self.keys):
            return other
        return Counts(
            np.concatenate([self.keys, other.keys]), np.concatenate([self.counts, other.counts])
        )

    def cut(self, cells: int) -> tuple[Counts, Counts]:
        """Split before the last profile, which may go on in the next piece."""
        if not len(self.keys):
            return self, self
        at = int(np.searchsorted(self.keys, self.keys[-1] // cells * cells))
        return self.at(slice(None, at)), self.at(slice(at, None))

    def at(self, which: slice) -> Counts:
        """Counts of a slice of the keys."""
        return Counts(self.keys[which], self.counts[which])


def count_keys(keys: ir.Table, largest: int, here: bool) -> Iterator[Counts]:
    """Count the column ``key``: piece by piece, each piece's keys larger than those before.

    Args:
        keys: A row per event.
        largest: No key is larger; none is below -SHIFT.
        here: Sort in memory. Sorting 50 million integers takes numpy 0.3 s, DuckDB several; but it
            has to fit.

    Raises:
        ValueError: if the engine cannot compute the keys.
    """
    with engine_errors("cannot count the events"):
        if here:
            if largest + SHIFT < 2**32:  # half the bytes to move and to sort
                key: Column = keys["key"]
                keys = keys.select(key=(key + SHIFT).cast("uint32"))
            yield from map(Counts.of_sorted, sorted_pieces(keys.to_pyarrow()["key"].chunks))
            return
        counted = keys.group_by("key").aggregate(count=ibis._.count()).order_by("key")
        for batch in counted.to_pyarrow_batches(chunk_size=PIECE):
            yield Counts(
                *(batch.column(name).to_numpy(zero_copy_only=False) for name in ("key", "count"))
            )


def sorted_pieces(chunks: list[pa.Array]) -> Iterator[IntArray]:
    """All keys in order, about PIECE at a time with equal ones together; empties the list.

    Each chunk is sorted, then pieces of all of them that hold the same range are put together and
    sorted again, which stays in the processor's cache.
    """
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(_sort_last, [chunks] * len(chunks)))
    if not runs:
        return
    sample = np.sort(np.concatenate([run[::SAMPLED] for run in runs]))
    bounds = np.unique(sample[PIECE // SAMPLED :: PIECE // SAMPLED])
    cuts = [np.concatenate([[0], np.searchsorted(run, bounds), [len(run)]]) for run in runs]
    for piece in range(len(bounds) + 1):
        keys = np.concatenate(
            [run[cut[piece] : cut[piece + 1]] for run, cut in zip(runs, cuts, strict=True)]
        )
        keys.sort()
        yield keys


def _sort_last(chunks: list[pa.Array]) -> IntArray:
    """Take a chunk off the list, so that its memory can go, and sort it."""
    return np.sort(chunks.pop().to_numpy(zero_copy_only=False))
