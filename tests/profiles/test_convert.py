"""Profiles to and from pandas."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from conftest import random_profiles
from habitus.profiles import Profiles, from_pandas, to_pandas
from habitus.schema import Axes


def same(one: Profiles, other: Profiles) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("indptr", "cells", "values")
    )


def test_pandas_and_back(population):
    users = pa.table({"user": [f"u{i}" for i in range(120)], "age": np.arange(120)})
    population = Profiles(
        population.axes, population.indptr, population.cells, population.values, users
    )
    frame = to_pandas(population)
    assert list(frame.columns) == ["user", "window_start", "age", "day", "slot", "channel", "value"]
    assert len(frame) == len(population.cells)
    first = frame.iloc[0]
    assert (first.user, first.window_start, first.day, first.slot) == (
        "u0",
        dt.date(2018, 2, 1),
        0,
        0,
    )
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
        tiled,
        profiles.indptr,
        profiles.cells,
        profiles.values,
        pa.table({"user": [1, 1], "window_start": starts}),
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
    frame.loc[1, ["user", "day", "slot", "channel"]] = frame.loc[
        0, ["user", "day", "slot", "channel"]
    ]
    with pytest.raises(ValueError, match="a cell comes twice"):
        from_pandas(population.axes, frame)


def test_nobody(axes):
    nobody = Profiles.from_dense(axes, np.zeros((0, *axes.shape)))
    assert len(to_pandas(nobody)) == len(from_pandas(axes, to_pandas(nobody))) == 0
