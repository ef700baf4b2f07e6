"""Features of the times of activity: hours, weekdays, days, runs and silences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.metrics.correlations import row_autocorrelation
from habitus.evaluation.two_sample.cells import Cells, Features, Times, over, positions
from habitus.schema import DAYS_PER_WEEK, WEEKDAYS, BoolArray, FloatArray, IntArray

HOURS = 24
LAGS = (1, 2, 7)  # days


def timing(cells: Cells) -> Features:
    """Compute all features of time."""
    return {
        **_hours(cells),
        **_weekdays(cells),
        **_days(cells),
        **_runs(cells),
        **_slots(cells),
        **_similarities(cells),
    }


def _hours(cells: Cells) -> Features:
    """Shares of the hours of the day, or of longer slots, in active slots and in events."""
    slot = cells.slots.time % cells.axes.slots
    row = cells.slots.row
    bins = min(cells.axes.slots, HOURS)
    hour = slot * bins // cells.axes.slots
    used = _by(cells, row, hour, None, bins)
    events = _by(cells, row, hour, cells.slots.total, bins)
    shares = used / np.where(cells.active_slots > 0, cells.active_slots, np.nan)[:, None]
    label = [cells.axes.slot_label(at * cells.axes.slots // bins) for at in range(bins)]
    found = {f"slots at {name}": shares[:, at] for at, name in enumerate(label)}
    found |= {
        f"total at {name}": over(events[:, at], cells.totals) for at, name in enumerate(label)
    }
    entropy = -np.nansum(shares * np.log(np.where(shares > 0, shares, 1)), axis=1)
    return found | {"different hours": (used > 0).sum(1).astype(float), "entropy of hours": entropy}


def _by(
    cells: Cells, row: IntArray, index: IntArray, weight: FloatArray | None, size: int
) -> NDArray[np.float64]:
    """Sums by profile and index, [B, size]."""
    sums = np.bincount(row * size + index, weight, cells.profiles * size).astype(np.float64)
    return sums.reshape(cells.profiles, size)


def _weekdays(cells: Cells) -> Features:
    """Shares of the weekdays, in active days and in events; none without known weekdays."""
    first = cells.axes.weekday(0)
    if first is None:
        return {}
    weekday = (first + cells.days.time) % DAYS_PER_WEEK
    days = _by(cells, cells.days.row, weekday, None, DAYS_PER_WEEK)
    events = _by(cells, cells.days.row, weekday, cells.days.total, DAYS_PER_WEEK)
    found = {
        f"days on {name}": over(days[:, at], cells.active_days) for at, name in enumerate(WEEKDAYS)
    }
    return found | {
        f"total on {name}": over(events[:, at], cells.totals) for at, name in enumerate(WEEKDAYS)
    }


def _days(cells: Cells) -> Features:
    """First, last and mean active day; variation and autocorrelation of daily totals."""
    days = cells.days.time.astype(np.float64)
    row = cells.days.row
    last = cells.largest(row, days)
    first = -cells.largest(row, -days)
    mean = cells.daily.mean(1)
    deviation = cells.daily.std(1)
    logs = np.log1p(cells.daily)
    return {
        "first active day": first,
        "last active day": last,
        "share of active days between them": over(cells.active_days, last - first + 1),
        "mean active day": cells.share(row, days),
        "sd of active days": cells.spread(row, days),
        "mean day, by total": over(cells.daily @ np.arange(cells.axes.days), cells.totals),
        "sd of daily totals": np.where(mean > 0, deviation, np.nan),
        "sd of log daily totals": logs.std(1),
        "sd of log totals of active days": cells.spread(row, np.log1p(cells.days.total)),
        "burstiness of days": over(deviation - mean, deviation + mean),
        "step between neighbouring days": _step(cells, cells.days),
        **_autocorrelations("days", cells.daily),
        **_autocorrelations("active days", logs > 0),
    }


def _autocorrelations(name: str, daily: FloatArray | BoolArray) -> Features:
    found = zip(LAGS, row_autocorrelation(daily, LAGS), strict=True)
    return {f"autocorrelation of {name}, lag {lag}": values for lag, values in found}


def _step(cells: Cells, times: Times) -> NDArray[np.float64]:
    """Mean absolute difference of log(1 + total) between active times one step apart, [B]."""
    follows = np.flatnonzero(times.wait == 1)
    logs = np.log1p(times.total)
    return cells.share(times.row[follows], np.abs(logs[follows + 1] - logs[follows]))


def _runs(cells: Cells) -> Features:
    """Runs of activity and the silences between them, in days and in slots."""
    found: Features = {}
    for name, times in (("days", cells.days), ("slots", cells.slots)):
        for kind, (row, length) in (("run", times.runs()), ("silence", times.silences())):
            logs = np.log(length)
            found |= {
                f"{kind}s of {name}": cells.count(row),
                f"longest {kind} of {name}": cells.largest(row, length.astype(np.float64)),
                f"mean {kind} of {name}": cells.share(row, length),
                f"sd of {kind}s of {name}": cells.spread(row, length),
                f"mean log {kind} of {name}": cells.share(row, logs),
                f"share of {kind}s of 1 of {name}": cells.share(row, length == 1),
            }
    return found


def _slots(cells: Cells) -> Features:
    """Active slots of a day, waits between slots, and activity across midnight."""
    times = cells.slots
    size = cells.axes.slots
    day = times.row * cells.axes.days + times.time // size
    per_day = np.bincount(
        np.searchsorted(cells.days.key, day), minlength=len(cells.days.key)
    ).astype(np.float64)
    row = times.row[times.wait > 0]
    waits = times.wait[times.wait > 0].astype(np.float64)
    mean = cells.share(row, waits)
    deviation = cells.spread(row, waits)
    midnight = (times.wait == 1) & (times.time % size == size - 1)
    first = np.append(True, day[1:] != day[:-1])[: len(day)]
    return {
        "slots per active day": cells.share(cells.days.row, per_day),
        "sd of slots per active day": cells.spread(cells.days.row, per_day),
        "most slots of a day": cells.largest(cells.days.row, per_day),
        "share of days of one slot": cells.share(cells.days.row, per_day == 1),
        "mean log of a slot": cells.share(times.row, np.log1p(times.total)),
        "sd of log of a slot": cells.spread(times.row, np.log1p(times.total)),
        "step between neighbouring slots": _step(cells, times),
        "burstiness of waits": over(deviation - mean, deviation + mean),
        "days that go on past midnight": over(cells.count(times.row, midnight), cells.active_days),
        "mean first slot of a day": cells.share(times.row[first], times.time[first] % size),
        "sd of first slot of a day": cells.spread(times.row[first], times.time[first] % size),
    }


def _similarities(cells: Cells) -> Features:
    """Jaccard similarity of a day's active slots to the next active day's and a week later's."""
    days = cells.days
    count = np.arange(len(days.key))
    following = np.where(days.wait > 0, count + 1, -1)
    later = positions(days.key, days.key + DAYS_PER_WEEK)
    later[days.time + DAYS_PER_WEEK >= cells.axes.days] = -1
    return {
        "similarity to the next active day": _similarity(cells, following),
        "similarity to a week later": _similarity(cells, later),
    }


def _similarity(cells: Cells, other: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean Jaccard similarity of active days to their paired active days (-1 for none), [B]."""
    size = cells.axes.slots
    day = np.searchsorted(
        cells.days.key, cells.slots.row * cells.axes.days + cells.slots.time // size
    )
    slot = cells.slots.time % size
    shared = (other[day] >= 0) & (positions(day * size + slot, other[day] * size + slot) >= 0)
    both = np.bincount(day, shared, len(other))
    slots = np.bincount(day, minlength=len(other))
    paired = other >= 0
    either = slots[paired] + slots[other[paired]] - both[paired]
    return cells.share(cells.days.row[paired], both[paired] / either)
