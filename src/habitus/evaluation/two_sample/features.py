"""What a classifier looks at: some 200 numbers per profile, from its counts alone.

They name what differs between two populations, which makes the most telling ones a list of what a model has to
learn. All are found sparsely, block by block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import Block, blocks
from habitus.evaluation.two_sample.amounts import amounts, channel_amounts
from habitus.evaluation.two_sample.cells import Cells, Features
from habitus.evaluation.two_sample.pairs import channel_pairs
from habitus.evaluation.two_sample.timing import timing
from habitus.schema import Axes, BoolArray, IntArray, ProfileSource

MOST_CHANNELS = 8  # whose pairs are looked at


def features(
    source: ProfileSource,
    *,
    unit: str | None = None,
    channels: Sequence[int] | None = None,
    rows: BoolArray | None = None,
) -> tuple[list[str], NDArray[np.float32]]:
    """Features of every profile of a set, read block by block.

    Args:
        source: The set, U profiles.
        unit: What to measure in: count, peak or binary, into which counts are brought; the set's own by default.
        channels: Channels that are looked at one by one and in pairs; by default the eight that have most active
            cells. Give the same for sets that are to be compared.
        rows: Which profiles, [U]; all when absent.

    Returns:
        Names of F features, and their values [U, F]; NaN where a profile has nothing to measure one on.
    """
    chosen = np.asarray(busiest_channels(source, rows) if channels is None else channels, np.int64)
    axes = source.axes
    unit = unit or source.axes.unit
    names = list(_of_block(Block(*_NOTHING), axes, unit, chosen))
    parts = [_table(_of_block(block, axes, unit, chosen)) for block in blocks(source, rows)]
    return names, np.concatenate(parts) if parts else np.zeros((0, len(names)), np.float32)


_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint32))


def _table(found: Features) -> NDArray[np.float32]:
    return np.stack(list(found.values()), axis=1).astype(np.float32)


def busiest_channels(
    source: ProfileSource, rows: BoolArray | None = None, most: int = MOST_CHANNELS
) -> list[int]:
    """The channels with most active cells, at most so many, in their own order."""
    size = len(source.axes.channels)
    if size <= most:
        return list(range(size))
    counts = (np.bincount(block.cells % size, minlength=size) for block in blocks(source, rows))
    active = sum(counts, np.zeros(size, np.int64))
    return sorted(np.argsort(-active, kind="stable")[:most].tolist())


def _of_block(block: Block, axes: Axes, unit: str, channels: IntArray) -> Features:
    cells = Cells.of_block(block, axes, unit)
    found = amounts(cells) | timing(cells)
    if len(axes.channels) > 1:
        found |= channel_amounts(cells, channels) | channel_pairs(cells, channels)
    return found
