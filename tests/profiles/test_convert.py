"""Profiles to and from pandas and events."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_logs import ZONES

from conftest import random_profiles
from habitus.events import EventLog
from habitus.parts.shapes import Axes
from habitus.profiles import ProfileConfig, Profiles, from_pandas, profile, to_events, to_pandas


def same(one: Profiles, other: Profiles) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("indptr", "cells", "values"))


def test_pandas_and_back(population):
    users = pa.table({"user": [f"u{i}" for i in range(120)], "age": np.arange(120)})
    population = Profiles(population.axes, population.indptr, population.cells, population.values, users)
    frame = to_pandas(population)
    assert list(frame.columns) == ["user", "window_start", "age", "day", "slot", "channel", "value"]
    assert len(frame) == len(population.cells)
    first = frame.iloc[0]
    assert (first.user, first.window_start, first.day, first.slot) == ("u0", dt.date(2018, 2, 1), 0, 0)
    again = from_pandas(population.axes, frame)
    assert same(again, population)
    assert again.users["age"].to_pylist() == list(range(120))
    assert again.users["user"].to_pylist() == users["user"].to_pylist()
    mixed = from_pandas(population.axes, frame.sample(frac=1, random_state=0))
    order = np.argsort(mixed.users["age"].to_numpy())
    assert same(mixed.take(order), population)


def test_pandas_keeps_windows_apart(axes):
    tiled = Axes(**{**vars(axes), "every": 9})
    starts = pa.array([dt.date(2018, 2, 1), dt.date(2018, 2, 10)])
    profiles = random_profiles(tiled, 2)
    profiles = Profiles(
        tiled, profiles.indptr, profiles.cells, profiles.values, pa.table({"user": [1, 1], "window_start": starts})
    )
    again = from_pandas(tiled, to_pandas(profiles))
    assert same(again, profiles)
    assert again.users["window_start"].to_pylist() == starts.to_pylist()


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("day", 9, "expected day from 0 to 8, got 0 to 9"),
        ("slot", -1, "expected slot from 0 to 11, got -1"),
        ("channel", "radio", "no channel 'radio' on these axes; they have web, phone, tv"),
        ("value", -1, "not negative"),
    ],
)
def test_pandas_tables_that_do_not_fit(population, column, value, says):
    frame = to_pandas(population).astype({"channel": str, "value": "int64"})
    frame.loc[3, column] = value
    with pytest.raises(ValueError, match=says):
        from_pandas(population.axes, frame)
    with pytest.raises(ValueError, match=f"no column '{column}'"):
        from_pandas(population.axes, frame.drop(columns=[column]))


def test_a_cell_that_comes_twice(population):
    frame = to_pandas(population)
    frame.loc[1, ["user", "day", "slot", "channel"]] = frame.loc[0, ["user", "day", "slot", "channel"]]
    with pytest.raises(ValueError, match="a cell comes twice"):
        from_pandas(population.axes, frame)


def profiled(events: pa.Table, axes: Axes) -> Profiles:
    log = EventLog.open(events, user="user", time="timestamp", channel="channel", timezone=axes.timezone)
    config = ProfileConfig(
        start=axes.start, days=axes.days, every=axes.every, slot_minutes=axes.slot_minutes, channels=axes.channels
    )
    return profile(log, config)


@settings(max_examples=30, deadline=None)
@given(zone=st.sampled_from(ZONES), seed=st.integers(0, 99), every=st.sampled_from([None, 9, 11]))
def test_events_and_back(zone, seed, every):
    """In January no zone here changes its clocks, so every wall-clock time exists once."""
    axes = Axes(dt.date(2018, 1, 3), 9, 60, ("web", "phone", "tv"), zone, every=every)
    profiles = random_profiles(axes, 12, seed)
    if every:
        starts = pa.array([axes.start + dt.timedelta(days=every * (u % 2)) for u in range(12)])
        users = pa.table({"user": [u // 2 for u in range(12)], "window_start": starts})
        profiles = Profiles(axes, profiles.indptr, profiles.cells, profiles.values, users)
    events = to_events(profiles, seed)
    assert events.num_rows == profiles.values.sum()
    assert events["timestamp"].to_pylist() == sorted(events["timestamp"].to_pylist())
    again = profiled(events, axes)
    assert same(again, profiles)
    assert again.users["user"].to_pylist() == profiles.users["user"].to_pylist()
    assert events.equals(to_events(profiles, seed))
    assert not events.equals(to_events(profiles, seed + 1))


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Stockholm", dt.date(2018, 3, 25)),
        ("Europe/Stockholm", dt.date(2018, 10, 28)),
        ("Australia/Lord_Howe", dt.date(2018, 10, 7)),
        ("Australia/Lord_Howe", dt.date(2018, 4, 1)),
        ("America/New_York", dt.date(2018, 3, 11)),
    ],
)
def test_days_on_which_clocks_change(zone, day):
    """A full day comes back as it was but for the hour that was skipped, which comes out an hour later."""
    axes = Axes(day, 1, 30, ("events",), zone)
    profiles = Profiles.from_dense(axes, np.full((1, *axes.shape), 3))
    events = to_events(profiles, 0)
    log = EventLog.open(events, user="user", time="timestamp", timezone=zone)
    found = profile(log, ProfileConfig(start=day, days=1, slot_minutes=30)).dense().ravel()
    assert found.sum() == 3 * 48
    skipped = np.flatnonzero(found == 0)
    assert set(found[found > 0]) <= {3, 6}
    assert len(skipped) == {3: 2, 10: 1 if "Lord" in zone else 0}.get(day.month, 0)
    assert (found[skipped + len(skipped)] == 6).all()
    assert pc.call_function("min", [events["timestamp"]]).as_py() is not None


def test_what_cannot_become_events(population, axes):
    with pytest.raises(ValueError, match="expected profiles of unit count, got peak"):
        to_events(population.in_unit("peak"), 0)
    tiled = Axes(**{**vars(axes), "every": 3})
    with pytest.raises(ValueError, match="windows that overlap"):
        to_events(random_profiles(tiled, 3), 0)


def test_nobody(axes):
    nobody = Profiles.from_dense(axes, np.zeros((0, *axes.shape)))
    assert to_events(nobody, 0).num_rows == len(to_pandas(nobody)) == len(from_pandas(axes, to_pandas(nobody))) == 0
