"""Features of the boosted trees: some 200 numbers per profile, from its counts alone.

The most important ones name what differs between two populations, and so what a model has to learn.
All are computed sparsely, block by block.
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

MOST_CHANNELS = 8  # with features of their own and of their pairs


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
        unit: Unit of the cells: count, peak or binary, to which counts are converted; the set's own
            by default.
        channels: Channels with features of their own and of their pairs; by default the eight with
            most active cells. Give the same for sets that are compared.
        rows: Mask of the profiles, [U]; all by default.

    Returns:
        Names of F features, and their values [U, F]; NaN where a feature is not defined.
    """
    chosen = np.asarray(busiest_channels(source, rows) if channels is None else channels, np.int64)
    axes = source.axes
    unit = unit or source.axes.unit
    empty = Block(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint32))
    names = list(_features_of(empty, axes, unit, chosen))
    parts = [
        np.stack(list(_features_of(block, axes, unit, chosen).values()), axis=1).astype(np.float32)
        for block in blocks(source, rows)
    ]
    return names, np.concatenate(parts) if parts else np.zeros((0, len(names)), np.float32)


def busiest_channels(
    source: ProfileSource, rows: BoolArray | None = None, most: int = MOST_CHANNELS
) -> list[int]:
    """Channels with most active cells, at most ``most``, in their own order."""
    size = len(source.axes.channels)
    if size <= most:
        return list(range(size))
    counts = (np.bincount(block.cells % size, minlength=size) for block in blocks(source, rows))
    active = sum(counts, np.zeros(size, np.int64))
    return sorted(np.argsort(-active, kind="stable")[:most].tolist())


def _features_of(block: Block, axes: Axes, unit: str, channels: IntArray) -> Features:
    cells = Cells.of_block(block, axes, unit)
    found = amounts(cells) | timing(cells)
    if len(axes.channels) > 1:
        found |= channel_amounts(cells, channels) | channel_pairs(cells, channels)
    return found
