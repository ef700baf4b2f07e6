"""Profiles as series, and series as profiles."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from habitus.profiles.sparse import USER, WINDOW, Profiles, concat, window_starts
from habitus.profiles.store import StoredProfiles, empty
from habitus.schema import Axes, SeriesAxes
from habitus.series.data import Series

MINUTE = 60_000_000  # microseconds
PIECE = 1024  # profiles made at once: some 30 MB


def from_profiles(profiles: Profiles | StoredProfiles, unit: str | None = None) -> Series:
    """Each profile as a series of D x S steps, whose variables are the channels.

    Series are dense: 9 bytes for each cell and 8 for each step, 400 MB for 10,000 profiles of 32
    days, 24 slots and 5 channels. Times are those of the wall clock in the profiles' zone. A series
    is named after its user, and where users have several windows, the window's first day.

    Args:
        profiles: The profiles.
        unit: The values' unit; None for that of the profiles.

    Raises:
        ValueError: if the profiles cannot be converted to this unit.

    >>> import datetime as dt
    >>> axes = Axes(dt.date(2018, 2, 1), 1, 720, ("web", "phone"))
    >>> series = from_profiles(Profiles.from_dense(axes, np.array([[[[0, 3], [1, 0]]]])))
    >>> series.ids, series.axes.variables, series.values.tolist()
    (('0',), ('web', 'phone'), [[0.0, 3.0], [1.0, 0.0]])
    >>> series.times.astype("datetime64[m]").tolist()
    [datetime.datetime(2018, 2, 1, 0, 0), datetime.datetime(2018, 2, 1, 12, 0)]
    """
    axes = profiles.axes
    steps = axes.days * axes.slots
    cells = axes.cells
    flat = np.zeros(len(profiles) * cells)
    first = 0
    for chunk in profiles.chunks():
        part = chunk if unit is None else chunk.in_unit(unit)
        flat[(first + part.row_of_cell()) * cells + part.cells] = part.values
        first += len(part)
    values = flat.reshape(-1, len(axes.channels))
    begin = window_starts(profiles.users, axes).astype("datetime64[us]").astype(np.int64)
    times = begin[:, None] + np.arange(steps) * (axes.slot_minutes * MINUTE)
    return Series(
        SeriesAxes(axes.channels, time="time", series_id=USER),
        values,
        np.ones(values.shape, bool),
        np.arange(len(profiles) + 1) * steps,
        _names(profiles.users),
        times.reshape(-1).astype("datetime64[us]"),
    )


def to_profiles(series: Series, axes: Axes, users: pa.Table | None = None) -> Profiles:
    """The inverse of :func:`from_profiles`: each series of D x S steps as a profile.

    Args:
        series: The series; their values are taken as they are, in the unit of the axes.
        axes: What the steps and variables are.
        users: One row per profile; without it, users have the names of the series.

    Raises:
        ValueError: if a series has another length or other variables, or a value is missing,
            negative or, where the unit is a count, not whole.
    """
    steps = axes.days * axes.slots
    check_values(series, axes)
    if not series.observed.all():
        raise ValueError("profiles hold no missing values; complete the series first")
    if (series.lengths != steps).any():
        wrong = int((series.lengths != steps).argmax())
        raise ValueError(
            f"expected series of {steps} steps ({axes.days} days of {axes.slots} slots), "
            f"got {series.lengths[wrong]} of series {series.ids[wrong]!r}"
        )
    who = pa.table({USER: pa.array(series.ids, pa.string())}) if users is None else users
    if len(who) != len(series):
        raise ValueError(f"expected a user for each of {len(series)} series, got {len(who)}")
    cubes = series.values.reshape(-1, *axes.shape)
    pieces = range(0, len(cubes), PIECE)
    parts = [Profiles.from_dense(axes, cubes[i : i + PIECE], who.slice(i, PIECE)) for i in pieces]
    return concat(parts) if parts else empty(axes)


def check_values(series: Series, axes: Axes) -> None:
    """Refuse series without the channels of profiles, or with values that these cannot hold.

    Raises:
        ValueError: for other variables, or the first negative value.
    """
    names = series.axes.variables
    if names != axes.channels:
        raise ValueError(
            f"expected series of the variables {', '.join(axes.channels)}, got {', '.join(names)}"
        )
    for number, name in enumerate(names):
        if len(below := np.flatnonzero(series.values[:, number] < 0)):
            raise ValueError(
                "expected values of 0 or more, as profiles hold them, got "
                f"{series.values[below[0], number]:g} of {name!r} in row {below[0] + 1}; shift or "
                "clip that variable, or leave it out"
            )


def _names(users: pa.Table) -> tuple[str, ...]:
    """Distinct names of profiles: the user, the first day and a number where needed."""
    names = [str(name) for name in users[USER].to_pylist()]
    if len(set(names)) < len(names) and WINDOW in users.column_names:
        days = users[WINDOW].to_pylist()
        names = [f"{name} {day}" for name, day in zip(names, days, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{name} #{row}" for row, name in enumerate(names)]
    return tuple(names)
