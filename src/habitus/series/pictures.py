"""Windows of long regular series as pictures, for convolutional models of profiles."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.profiles.sparse import USER, WINDOW, Profiles, concat
from habitus.schema import MINUTES_PER_DAY, PEAK, Axes, IntArray
from habitus.series.convert import MINUTE, PIECE, check_values
from habitus.series.data import Series, ranges

DAY = MINUTES_PER_DAY * MINUTE
MONDAY = dt.date(2001, 1, 1)  # the first day of series without times
EPOCH = dt.date(1970, 1, 1)


def picture_axes(
    series: Series, days: int, slot_minutes: int = 60, unit: str = PEAK, every: int | None = None
) -> Axes:
    """Axes of windows of some days of a series, whose first day is the first whole one.

    Args:
        series: Series with a row for each slot.
        days: Days in a window (D).
        slot_minutes: Minutes from one row to the next.
        unit: ``peak`` for any values, ``count`` where they are whole numbers, or ``binary``.
        every: Days from one window to the next; None for ``days``.

    Raises:
        ValueError: for an invalid number of days or length of a slot.

    >>> picture_axes(Series.from_arrays([np.ones(50)], ["load"]), 1).shape
    (1, 24, 1)
    """
    every = days if every is None else every
    if every < 1:
        raise ValueError(f"expected at least 1 day from one window to the next, got {every}")
    start = MONDAY
    if series.times is not None and len(series.times):
        start = EPOCH + dt.timedelta(days=-(-int(series.times.min().astype(np.int64)) // DAY))
    return Axes(start, days, slot_minutes, series.axes.variables, unit=unit, every=every)


def series_pictures(series: Series, axes: Axes) -> Profiles:
    """Windows of D days of long regular series, each variable a channel.

    Windows begin at midnight, from the first whole day of each series on (where there are no times,
    from its first row), every ``axes.every`` days, or every D. Windows with a missing value are
    left out; ``about`` says how many. In the unit ``peak`` a window is divided by its largest value
    over all variables, kept as ``peak`` in ``users``: scale variables of other sizes alike before.

    Args:
        series: Series with a row for each slot.
        axes: The windows' axes, such as :func:`picture_axes` gives.

    Returns:
        Profiles of which ``user`` is the series and ``window_start`` the first day.

    Raises:
        ValueError: if rows are not a slot apart, a value is negative or (a count) not whole, or
            there is no window.

    >>> series = Series.from_arrays([np.tile([0.0, 4.0, 2.0], 17)], ["load"])
    >>> pictures = series_pictures(series, picture_axes(series, 1, 480))
    >>> pictures.dense()[0, 0, :, 0].tolist(), pictures.users["peak"][0].as_py(), len(pictures)
    ([0.0, 1.0, 0.5], 4.0, 17)
    """
    check_values(series, axes)
    starts, number, day = _windows(series, axes)
    steps = axes.days * axes.slots
    gaps = np.concatenate([[0], np.cumsum(~series.observed.all(axis=1))])
    whole = gaps[starts + steps] == gaps[starts]
    if not whole.any():
        found = "no window" if not len(starts) else f"{len(starts)} with a missing value each"
        raise ValueError(
            f"expected a window of {axes.days} whole days without a missing value, got {found}; "
            "choose fewer days, or complete the series first"
        )
    starts = starts[whole]
    number = number[whole]
    day = day[whole]
    names = pa.array(series.ids, pa.string()).take(pa.array(number))
    users = pa.table({USER: names, WINDOW: pa.array(day.astype("datetime64[D]"))})
    pieces = range(0, len(starts), PIECE)
    parts = [_pictures(series, axes, starts[i : i + PIECE], users.slice(i, PIECE)) for i in pieces]
    pictures = concat(parts)
    about = {"windows": len(whole), "windows_with_gaps": int((~whole).sum())}
    return Profiles(
        pictures.axes, pictures.indptr, pictures.cells, pictures.values, pictures.users, about
    )


def pictures(
    series: Series, days: int, slot_minutes: int = 60, unit: str = PEAK, every: int | None = None
) -> Profiles:
    """:func:`series_pictures` on the axes of :func:`picture_axes`."""
    return series_pictures(series, picture_axes(series, days, slot_minutes, unit, every))


def _pictures(series: Series, axes: Axes, starts: IntArray, users: pa.Table) -> Profiles:
    """The windows from the given rows on, in the unit of the axes."""
    values = series.values[starts[:, None] + np.arange(axes.days * axes.slots)].reshape(
        -1, *axes.shape
    )
    if axes.unit == "count":
        return Profiles.from_dense(axes, values, users)
    peaks = values.max(axis=(1, 2, 3))
    shares = values / np.where(peaks > 0, peaks, 1.0)[:, None, None, None]
    users = users.append_column(PEAK, pa.array(peaks))
    return Profiles.from_dense(axes.with_unit(PEAK), shares, users).in_unit(axes.unit)


def _windows(
    series: Series, axes: Axes
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First row, series and first day (since 1970) of every window that lies inside one series."""
    first = series.starts[:-1]
    skipped = np.zeros(len(series), np.int64)
    day = np.full(len(series), (axes.start - EPOCH).days)
    if series.times is not None and len(first):
        _check_regular(series, axes.slot_minutes)
        begin = series.times[np.minimum(first, len(series.times) - 1)].astype(np.int64)
        day = -(-begin // DAY)
        skipped = (day * DAY - begin) // (axes.slot_minutes * MINUTE)
    every = axes.every or axes.days
    steps = axes.days * axes.slots
    stride = every * axes.slots
    counts = np.maximum((series.lengths - skipped - steps) // stride + 1, 0)
    position = ranges(np.zeros_like(counts), counts)
    rows, days = (np.repeat(x, counts) for x in (first + skipped, day))
    return (
        rows + stride * position,
        np.repeat(np.arange(len(series)), counts),
        days + every * position,
    )


def _check_regular(series: Series, slot_minutes: int) -> None:
    """Refuse times that are not a slot apart, or do not lie on slots of a day."""
    times = np.asarray(series.times).astype(np.int64)
    slot = slot_minutes * MINUTE
    off = np.diff(times, prepend=0) != slot
    off[series.starts[:-1][series.lengths > 0]] = False
    if off.any():
        row = int(off.argmax())
        raise ValueError(
            f"expected a row every {slot_minutes} minutes, got {np.asarray(series.times)[row - 1]} "
            f"and then {np.asarray(series.times)[row]}; choose other --slot minutes, or fill in "
            "the rows that are not there"
        )
    if (times % slot).any():
        row = int((times % slot).argmax())
        raise ValueError(
            f"expected times on slots of {slot_minutes} minutes from midnight on, "
            f"got {np.asarray(series.times)[row]}; round the times down to slots"
        )
