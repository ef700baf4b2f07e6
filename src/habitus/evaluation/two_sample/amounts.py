"""Features of the amount of activity: totals, counts in a cell, days."""

from __future__ import annotations

import numpy as np

from habitus.evaluation.blocks import is_count
from habitus.evaluation.two_sample.cells import Cells, Features, over
from habitus.schema import IntArray

SMALL = (1, 2, 3, 4, 5)  # counts whose share of the cells is a feature


def amounts(cells: Cells) -> Features:
    """Totals, numbers of active cells, slots and days, their largest, and the spread of counts."""
    logs = np.log1p(cells.values)
    return {
        "log total": np.log1p(cells.totals),
        "active cells": cells.count(cells.row),
        "active slots": cells.active_slots,
        "active days": cells.active_days,
        "mean of a cell": cells.share(cells.row, cells.values),
        "mean log of a cell": cells.share(cells.row, logs),
        "sd of log of a cell": cells.spread(cells.row, logs),
        "log largest cell": np.log1p(cells.largest(cells.row, cells.values)),
        "share of the largest cell": over(cells.largest(cells.row, cells.values), cells.totals),
        "log largest slot": np.log1p(cells.largest(cells.slots.row, cells.slots.total)),
        "log largest day": np.log1p(cells.largest(cells.days.row, cells.days.total)),
        "share of the largest day": over(
            cells.largest(cells.days.row, cells.days.total), cells.totals
        ),
        "concentration on days": over((cells.daily**2).sum(1), cells.totals**2),
        **_small_counts(cells),
    }


def _small_counts(cells: Cells) -> Features:
    """Share of cells with each small count, and number of different counts."""
    if not is_count(cells.axes):
        return {}
    shares = {
        f"share of cells of {size}": cells.share(cells.row, cells.values == size) for size in SMALL
    }
    order = np.lexsort((cells.values, cells.row))
    row = cells.row[order]
    value = cells.values[order]
    new = np.append(True, (np.diff(row) != 0) | (np.diff(value) != 0))[: len(row)]
    return shares | {"different counts": cells.count(row, new)}


def channel_amounts(cells: Cells, channels: IntArray) -> Features:
    """Totals of every channel; cells, days and counts of the given ones."""
    size = len(cells.axes.channels)
    totals = np.bincount(cells.row * size + cells.channel, cells.values, cells.profiles * size)
    totals = totals.reshape(cells.profiles, size)
    shares = totals / np.where(cells.totals > 0, cells.totals, np.nan)[:, None]
    found: Features = {}
    for at, name in enumerate(cells.axes.channels):
        found[f"log total: {name}"] = np.log1p(totals[:, at])
        found[f"share of total: {name}"] = shares[:, at]
    for at in channels.tolist():
        found |= _single_channel(cells, at)
    entropy = -np.nansum(shares * np.log(np.where(shares > 0, shares, 1)), axis=1)
    return found | {
        "channels used": (totals > 0).sum(1).astype(float),
        "entropy of channels": entropy,
    }


def _single_channel(cells: Cells, at: int) -> Features:
    """Features of the cells of one channel."""
    chosen = cells.channel == at
    name = cells.axes.channels[at]
    part = Cells(
        cells.axes, cells.profiles, cells.row[chosen], cells.cell[chosen], cells.values[chosen]
    )
    found = {
        "active slots": part.active_slots,
        "active days": part.active_days,
        "mean log of a cell": part.share(part.row, np.log1p(part.values)),
        "log largest cell": np.log1p(part.largest(part.row, part.values)),
        "slots per active day": over(part.active_slots, part.active_days),
        "longest run of slots": part.largest(*part.slots.runs()),
        "first active day": -part.largest(part.days.row, -part.days.time.astype(float)),
        "last active day": part.largest(part.days.row, part.days.time),
    }
    if is_count(cells.axes):
        found["share of cells of 1"] = part.share(part.row, part.values == 1)
    return {f"{feature}: {name}": value for feature, value in found.items()}
