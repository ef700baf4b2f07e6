"""Profiles as series and back, and pictures of long series."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from conftest import random_profiles
from habitus.profiles import Profiles, save
from habitus.schema import Axes
from habitus.series import (
    Series,
    from_profiles,
    picture_axes,
    pictures,
    series_pictures,
    to_profiles,
)
from habitus.series import convert as convert_module


def equal(one: Profiles, other: Profiles) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("indptr", "cells", "values")
    )


@pytest.mark.parametrize("unit", ["count", "peak", "binary"])
def test_there_and_back_without_loss(population, unit, monkeypatch):
    monkeypatch.setattr(convert_module, "PIECE", 50)
    profiles = population.in_unit(unit)
    series = from_profiles(population, unit)
    days, slots, channels = population.axes.shape
    assert series.lengths.tolist() == [days * slots] * len(population)
    assert (series.values.reshape(-1, days, slots, channels) == profiles.dense()).all()
    again = to_profiles(series, profiles.axes, profiles.users)
    assert equal(again, profiles)
    assert again.values.dtype == profiles.values.dtype
    assert again.users.equals(profiles.users)
    assert to_profiles(series, profiles.axes).users["user"].to_pylist() == [
        str(i) for i in range(len(profiles))
    ]


def test_chunk_by_chunk_from_disk(tmp_path, monkeypatch):
    axes = Axes(dt.date(2024, 1, 1), 2, 720, ("web", "phone"))
    profiles = random_profiles(axes, 9000)
    stored = save(tmp_path / "p", profiles.chunks(), axes)
    assert stored.groups == 2
    series = from_profiles(stored)
    assert (series.values.reshape(9000, 2, 2, 2) == profiles.dense()).all()
    assert equal(to_profiles(series, axes), profiles)


def test_times_and_names_of_windows():
    axes = Axes(dt.date(2024, 1, 1), 2, 720, ("web",), every=2)
    users = pa.table(
        {"user": [7, 7], "window_start": pa.array([dt.date(2024, 1, 1), dt.date(2024, 1, 3)])}
    )
    series = from_profiles(Profiles.from_dense(axes, np.ones((2, 2, 2, 1), int), users))
    assert series.ids == ("7 2024-01-01", "7 2024-01-03")
    assert series.one(1).times.tolist() == [
        dt.datetime(2024, 1, 3 + i // 2, 12 * (i % 2)) for i in range(4)
    ]
    twice = Profiles.from_dense(axes, np.ones((2, 2, 2, 1), int), pa.table({"user": ["x", "x"]}))
    assert from_profiles(twice).ids == ("x #0", "x #1")


def test_nobody(axes):
    nobody = Profiles.from_dense(axes, np.zeros((0, *axes.shape), int))
    series = from_profiles(nobody)
    assert len(series) == 0
    assert len(to_profiles(series, axes)) == 0


def changed(series: Series, row: int, value: float) -> Series:
    values = series.values.copy()
    values[row, 0] = value
    return series.with_values(values)


def test_series_that_are_no_profiles(population):
    axes = population.axes
    series = from_profiles(population)
    for given, on, says in [
        (
            series.head(5),
            axes,
            "expected series of 108 steps .9 days of 12 slots., got 5 of series '0'",
        ),
        (
            changed(series, 3, -1.0),
            axes,
            "values of 0 or more, as profiles hold them, got -1 of 'web' in row 4",
        ),
        (changed(series, 3, np.nan), axes, "complete the series first"),
        (changed(series, 3, 0.5), axes, "expected counts, which are whole numbers"),
        (
            series,
            Axes(axes.start, 9, 120, ("a", "b", "c")),
            "expected series of the variables a, b, c, got web, phone",
        ),
    ]:
        with pytest.raises(ValueError, match=says):
            to_profiles(given, on)
    with pytest.raises(ValueError, match="expected a user for each of 120 series, got 1"):
        to_profiles(series, axes, pa.table({"user": ["x"]}))


def hourly(hours: int, begin: str = "2024-01-01T00", name: str = "a") -> Series:
    times = np.datetime64(begin, "us") + np.arange(hours) * np.timedelta64(1, "h")
    values = np.random.default_rng(0).random((hours, 2)) + 0.1
    return Series.from_arrays([values], ["x", "y"], ids=[name], times=times)


@pytest.mark.parametrize("every", [None, 1, 3])
def test_pictures_begin_at_midnight(every):
    series = hourly(24 * 9 + 5, "2024-01-01T20")
    found = pictures(series, 2, every=every)
    starts = range(4, len(series.values) - 48 + 1, 24 * (every or 2))
    assert len(found) == len(starts)
    assert found.axes.start == dt.date(2024, 1, 2)
    assert found.users["user"].to_pylist() == ["a"] * len(starts)
    for number, start in enumerate(starts):
        window = series.values[start : start + 48].reshape(2, 24, 2)
        peak = found.users["peak"][number].as_py()
        assert peak == window.max()
        np.testing.assert_allclose(found.dense()[number], window / peak, rtol=1e-6)
        day = series.times[start].astype("datetime64[D]").astype(dt.date)
        assert found.users["window_start"][number].as_py() == day


def test_pictures_of_several_series_without_times():
    cube = np.arange(1.0, 1 + 2 * 50).reshape(2, 50, 1)
    found = pictures(Series.from_arrays(cube, ["x"], ids=["p", "q"]), 1)
    assert found.users["user"].to_pylist() == ["p", "p", "q", "q"]
    assert found.users["peak"].to_pylist() == [24, 48, 74, 98]
    assert found.axes.start.weekday() == 0


def test_pictures_of_counts_keep_them():
    found = pictures(Series.from_arrays([np.arange(48.0)], ["x"]), 1, unit="count")
    assert found.dense().reshape(-1).tolist() == list(range(48))
    assert "peak" not in found.users.column_names
    binary = pictures(Series.from_arrays([np.arange(48.0)], ["x"]), 1, unit="binary")
    assert binary.dense().reshape(-1).tolist() == [0.0] + [1.0] * 47


def test_windows_with_a_missing_value_are_left_out():
    series = changed(hourly(24 * 5), 30, np.nan)
    found = pictures(series, 1)
    assert found.users["window_start"].to_pylist() == [
        dt.date(2024, 1, day) for day in (1, 3, 4, 5)
    ]
    assert found.about == {"windows": 5, "windows_with_gaps": 1}


def test_series_of_which_there_is_no_picture():
    series = hourly(48)
    gap = Series.from_arrays(
        [series.values[:-1]], ["x", "y"], times=np.delete(series.times, 7)
    )  # fmt: skip
    late = hourly(48, "2024-01-01T00:30")
    for given, days, says in [
        (series, 3, "expected a window of 3 whole days without a missing value, got no window"),
        (changed(series, 30, np.nan), 2, "got 1 with a missing value each"),
        (
            changed(series, 30, -2.0),
            1,
            "values of 0 or more, as profiles hold them, got -2 of 'x' in row 31",
        ),
        (
            gap,
            1,
            "expected a row every 60 minutes, got 2024-01-01T06:00:00.000000 and then "
            "2024-01-01T08",
        ),
        (late, 1, "expected times on slots of 60 minutes from midnight on, got 2024-01-01T00:30"),
    ]:
        with pytest.raises(ValueError, match=says):
            pictures(given, days)
    with pytest.raises(ValueError, match="at least 1 day from one window to the next, got 0"):
        picture_axes(series, 1, every=0)
    with pytest.raises(ValueError, match="expected series of the variables z, got x, y"):
        series_pictures(series, Axes(dt.date(2024, 1, 1), 1, 60, ("z",)))


def test_a_picture_of_nothing_is_empty():
    found = pictures(Series.from_arrays([np.repeat([0.0, 3.0], 24)], ["x"]), 1)
    assert found.users["peak"].to_pylist() == [0, 3]
    assert found.dense().sum(axis=(1, 2, 3)).tolist() == [0, 24]
