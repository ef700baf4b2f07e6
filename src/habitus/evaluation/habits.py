"""Habits of single users: a few numbers that summarise an activity profile.

Latent dimensions and cohorts are explained in terms of them. They are measured in the same way on
real profiles and on expected ones. Letters: B profiles, D days, S slots, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import Block, blocks
from habitus.schema import MINUTES_PER_DAY, Axes, BoolArray, FloatArray, ProfileSource

HOURS = 24.0
NIGHT_ENDS = 6  # o'clock; the night begins at midnight
WEEKEND = (5, 6)
SMOOTHED_HOURS = 3  # width of the window of the day's peak; a single event makes none
CHANNEL = "share of "

Habits = dict[str, FloatArray]
"""Values of each habit by name, [B]; NaN where a profile has no activity."""


@dataclass(frozen=True)
class Margins:
    """Sums of profiles, from which all habits are computed.

    Attributes:
        axes: Axes of the profiles.
        day: Activity by day, [B, D].
        slot: Activity by slot of the day, [B, S].
        channel: Activity by channel, [B, C].
        active: Whether the user is active on the day, [B, D].
    """

    axes: Axes
    day: FloatArray
    slot: FloatArray
    channel: FloatArray
    active: BoolArray

    @classmethod
    def of_dense(cls, x: FloatArray, axes: Axes, threshold: float = 0.0) -> Self:
        """Sum pictures [B, D, S, C]; a day is active where a cell is above the threshold."""
        return cls(axes, x.sum((2, 3)), x.sum((1, 3)), x.sum((1, 2)), x.max((2, 3)) > threshold)

    @classmethod
    def of_block(cls, block: Block, axes: Axes, unit: str) -> Self:
        """Sum a block of profiles, in ``unit``."""
        days, slots, channels = axes.shape
        users = block.users()
        values = block.in_unit(axes, unit)
        hour, channel = np.divmod(block.cells, channels)
        day, slot = np.divmod(hour, slots)

        def summed(index: NDArray[np.integer], size: int) -> FloatArray:
            sums = np.bincount(users * size + index, values, len(block) * size).astype(np.float64)
            return sums.reshape(len(block), size)

        by_day = summed(day, days)
        return cls(axes, by_day, summed(slot, slots), summed(channel, channels), by_day > 0)


def habits(margins: Margins) -> Habits:
    """Compute all habits of profiles from their margins.

    ==================  ==========================================================================
    total activity      sum of all cells, in the profiles' unit
    weekend share       share of it on Saturdays and Sundays; absent where weekdays are unknown
    night share         share of it between midnight and six
    peak hour           hour around which it is largest, over three hours, in [0, 24)
    first active day    from 1
    last active day     from 1
    active days         how many
    share of <channel>  share of it on each channel, where there is more than one
    burstiness          (s - m) / (s + m) of the daily totals, with their standard deviation s and
                        mean m: -1 where all days are equal, near 1 where few have all activity
                        (after Goh and Barabasi 2008, who take waiting times)
    ==================  ==========================================================================

    >>> import datetime as dt
    >>> axes = Axes(dt.date(2018, 2, 5), 7, 360, ("web",))  # from a Monday, four slots a day
    >>> x = np.zeros((1, 7, 4, 1))
    >>> x[0, 1, 1], x[0, 5, 0] = 3, 1
    >>> found = habits(Margins.of_dense(x, axes))
    >>> names = ("total activity", "weekend share", "night share", "peak hour")
    >>> [float(found[name][0]) for name in names]
    [4.0, 0.25, 0.25, 9.0]
    >>> names = ("first active day", "last active day", "active days")
    >>> [float(found[name][0]) for name in names]
    [2.0, 6.0, 2.0]
    """
    axes = margins.axes
    total = margins.day.sum(1, dtype=np.float64)
    some = np.where(total > 0, total, np.nan)
    found: Habits = {"total activity": total}
    if axes.weekday(0) is not None:
        weekend = np.array([axes.weekday(day) in WEEKEND for day in range(axes.days)])
        found["weekend share"] = margins.day[:, weekend].sum(1) / some
    night = np.arange(axes.slots) * axes.slot_minutes < NIGHT_ENDS * 60
    found["night share"] = margins.slot[:, night].sum(1) / some
    found["peak hour"] = np.where(total > 0, _peak_hour(margins.slot, axes), np.nan)
    found |= _days(margins.active)
    if len(axes.channels) > 1:
        found |= {
            CHANNEL + name: margins.channel[:, at] / some for at, name in enumerate(axes.channels)
        }
    return found | {"burstiness": _burstiness(margins.day)}


def habits_of(source: ProfileSource, unit: str = "count") -> Habits:
    """Compute all habits of every profile of a set, [U], block by block.

    Args:
        source: The set.
        unit: Unit of the cells: count (the set's own values), peak or binary, to which counts are
            converted.
    """
    parts = [habits(Margins.of_block(block, source.axes, unit)) for block in blocks(source)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def is_circular(habit: str) -> bool:
    """Recognise a habit that is an hour of the day, where 23 and 1 differ by two."""
    return habit == "peak hour"


def difference(habit: str, high: FloatArray, low: FloatArray) -> FloatArray:
    """Change of a habit from ``low`` to ``high``; hours go the shorter way round the clock.

    >>> difference("peak hour", np.array([1.0]), np.array([23.0]))
    array([2.])
    """
    gap = np.asarray(high) - np.asarray(low)
    return (gap + HOURS / 2) % HOURS - HOURS / 2 if is_circular(habit) else gap


def middle(habit: str, values: FloatArray) -> float:
    """Typical value of a habit: the median, or the circular mean of hours; NaN without any.

    >>> round(middle("peak hour", np.array([23.0, 1.0])), 9) % 24
    0.0
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan")
    if not is_circular(habit):
        return float(np.median(known))
    angle = known * 2 * np.pi / HOURS
    return float(
        np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()) * HOURS / (2 * np.pi) % HOURS
    )


def spread(habit: str, values: FloatArray) -> float:
    """Standard deviation of a habit over users; of hours, around the circular mean."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan")
    centre = np.full(len(known), middle(habit, known) if is_circular(habit) else known.mean())
    return float(np.sqrt(np.mean(difference(habit, known, centre) ** 2)))


def _peak_hour(slot: FloatArray, axes: Axes) -> FloatArray:
    """Hour of the slot with the largest activity, smoothed circularly, [B]."""
    width = max(1, SMOOTHED_HOURS * 60 // axes.slot_minutes // 2 * 2 + 1)
    around = range(-(width // 2), width // 2 + 1) if width <= axes.slots else range(1)
    # Ties go to the slot with the larger activity of its own.
    smooth = sum(np.roll(slot, shift, axis=1) for shift in around) + 1e-6 * slot
    return (np.argmax(smooth, axis=1) + 0.5) * axes.slot_minutes * HOURS / MINUTES_PER_DAY


def _days(active: BoolArray) -> Habits:
    """First and last active day, from 1, and number of active days, [B] each."""
    some = active.any(1)
    days = active.shape[1]
    first = active.argmax(1) + 1.0
    last = days - active[:, ::-1].argmax(1).astype(np.float64)
    return {
        "first active day": np.where(some, first, np.nan),
        "last active day": np.where(some, last, np.nan),
        "active days": active.sum(1).astype(np.float64),
    }


def _burstiness(day: FloatArray) -> FloatArray:
    """Burstiness of daily totals [B, D], [B]; NaN without activity."""
    mean = day.mean(1, dtype=np.float64)
    deviation = day.std(1, dtype=np.float64)
    return np.where(
        mean > 0, (deviation - mean) / np.maximum(deviation + mean, np.finfo(float).tiny), np.nan
    )
