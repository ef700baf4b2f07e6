"""Features of pairs of channels: joint use of slots, succession, and amounts."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from habitus.evaluation.two_sample.cells import Cells, Features, over
from habitus.schema import FloatArray, IntArray, starts_of_runs


def channel_pairs(cells: Cells, channels: IntArray) -> Features:
    """Features of the pairs of some channels, and of the number of channels in a slot."""
    sizes = np.diff(np.append(cells.slots.starts, len(cells.row)))
    found = {
        "slots of two or more channels": cells.share(cells.slots.row, sizes >= 2),
        "mean channels of a slot": cells.share(cells.slots.row, sizes),
    }
    if len(channels) < 2:
        return found
    amounts = _by_slot(cells, channels)
    names = [cells.axes.channels[at] for at in channels]
    found |= _together(cells, amounts, names) | _totals(cells, amounts, names)
    return found | _after(cells, amounts, names) | _order(cells, amounts, names)


def _by_slot(cells: Cells, channels: IntArray) -> FloatArray:
    """Values of the channels in each active slot, [h, c]."""
    place = np.full(len(cells.axes.channels), -1)
    place[channels] = np.arange(len(channels))
    column = place[cells.channel]
    slot = np.repeat(
        np.arange(len(cells.slots.key)), np.diff(np.append(cells.slots.starts, len(cells.row)))
    )
    out = np.zeros((len(cells.slots.key), len(channels)))
    out[slot[column >= 0], column[column >= 0]] = cells.values[column >= 0]
    return out


def _together(cells: Cells, amounts: FloatArray, names: list[str]) -> Features:
    """Share of slots with either channel that have both, and equality of the amounts there."""
    found: Features = {}
    for first, second in combinations(range(len(names)), 2):
        one = amounts[:, first]
        other = amounts[:, second]
        both = np.flatnonzero((one > 0) & (other > 0))
        row = cells.slots.row[both]
        shared = f"{names[first]} and {names[second]}"
        either = cells.count(cells.slots.row, (one > 0) | (other > 0))
        found[f"{shared}: in the same slot"] = over(cells.count(row), either)
        found[f"{shared}: equal in a slot"] = cells.share(row, one[both] == other[both])
        found[f"{shared}: log ratio in a slot"] = cells.share(row, np.log(one[both] / other[both]))
    return found


def _totals(cells: Cells, amounts: FloatArray, names: list[str]) -> Features:
    """Absolute difference of the totals of two channels, and signed difference over their sum."""
    totals = np.stack([cells.count(cells.slots.row, column) for column in amounts.T], axis=1)
    found: Features = {}
    for first, second in combinations(range(len(names)), 2):
        difference = totals[:, first] - totals[:, second]
        shared = f"{names[first]} and {names[second]}"
        found[f"{shared}: log difference"] = np.log1p(np.abs(difference))
        found[f"{shared}: relative difference"] = over(
            difference, totals[:, first] + totals[:, second]
        )
    return found


def _after(cells: Cells, amounts: FloatArray, names: list[str]) -> Features:
    """Share of a channel's slots whose next slot has a given channel."""
    active = amounts > 0
    follows = np.flatnonzero(cells.slots.wait == 1)
    row = cells.slots.row
    found: Features = {}
    for first, before in enumerate(names):
        used = cells.count(row[active[:, first]])
        next_to = follows[active[follows, first]]
        for second, after in enumerate(names):
            hits = next_to[active[next_to + 1, second]]
            found[f"{after} in the slot after {before}"] = over(cells.count(row[hits]), used)
    return found


def _order(cells: Cells, amounts: FloatArray, names: list[str]) -> Features:
    """Share of days on which the first channel begins first, where two begin in different slots."""
    slot = cells.slots.time % cells.axes.slots
    day = cells.slots.row * cells.axes.days + cells.slots.time // cells.axes.slots
    never = 2 * cells.axes.slots
    begins = np.where(amounts > 0, slot[:, None], never)
    begins = np.minimum.reduceat(begins, starts_of_runs(day)) if len(day) else begins
    found: Features = {}
    for first, second in combinations(range(len(names)), 2):
        one = begins[:, first]
        other = begins[:, second]
        differ = np.flatnonzero((one < never) & (other < never) & (one != other))
        found[f"{names[first]} before {names[second]} on a day"] = cells.share(
            cells.days.row[differ], one[differ] < other[differ]
        )
    return found
